"""The program as its users start it."""

import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"

OLD = "def area(width, height): ...\ndef name(): ...\n"
NEW = "def area(width, height, unit='m'): ...\ndef label(): ...\n"


def run(*arguments, path=""):
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(SOURCE), path]))
    return subprocess.run(
        [sys.executable, "-m", "abi", *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=60,
    )


def describe(directory, source):
    directory.mkdir()
    (directory / "shapes.py").write_text(source)
    described = run("describe", "shapes", path=str(directory))
    assert described.returncode == 0, described.stderr
    (directory / "shapes.json").write_text(described.stdout)
    return directory / "shapes.json"


def test_a_release_is_checked(tmp_path):
    old, new = describe(tmp_path / "old", OLD), describe(tmp_path / "new", NEW)
    compared = run("compare", old, new, "--current", "1.4.2")
    assert compared.returncode == 1
    assert compared.stdout.splitlines() == [
        "added: area: takes more than before",
        "added: label: is new",
        "breaking: name: is gone",
        "next version: 2.0.0",
    ]


def test_version_and_self_check():
    version = run("--version").stdout.split()
    checked = run("self-check")
    assert checked.returncode == 0
    assert checked.stdout.startswith(f"abi {version[1]}: ")


def test_no_command_is_wrong_usage():
    ended = run()
    assert ended.returncode == 2
    assert "usage: abi" in ended.stderr
