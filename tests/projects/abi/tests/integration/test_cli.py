"""The commands together with files and modules, in this process."""

import json

import pytest

import abi
from abi.cli import main


@pytest.fixture
def files(tmp_path):
    def write(name, functions):
        path = tmp_path / name
        path.write_text(json.dumps({"name": "m", "functions": functions}))
        return str(path)

    return write


def test_describe_and_compare_agree(tmp_path, capsys):
    assert main(["describe", "abi.version"]) == 0
    path = tmp_path / "version.json"
    path.write_text(capsys.readouterr().out)
    assert main(["compare", str(path), str(path), "--current", "1.2.3"]) == 0
    assert capsys.readouterr().out == "next version: 1.2.4\n"


def test_compare_says_what_breaks(files, capsys):
    old = files("old.json", {"f": [["a", "either", False]], "g": []})
    new = files("new.json", {"f": [["a", "either", False], ["b", "either", False]]})
    assert main(["compare", old, new, "--current", "1.2.3"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "breaking: f: demands 'b'",
        "breaking: g: is gone",
        "next version: 2.0.0",
    ]


def test_compare_without_a_version_names_the_part(files, capsys):
    old = files("old.json", {})
    new = files("new.json", {"f": []})
    assert main(["compare", old, new]) == 0
    assert capsys.readouterr().out == "added: f: is new\nnext version: minor\n"


def test_bump(capsys):
    assert main(["bump", "v0.9.9", "minor"]) == 0
    assert capsys.readouterr().out == "0.10.0\n"


def test_self_check(capsys):
    assert main(["self-check"]) == 0
    assert capsys.readouterr().out.startswith(f"abi {abi.__version__}: 5 modules, ")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["describe", "no.such.module"], "No module named"),
        (["compare", "/nonexistent/a", "/nonexistent/b"], "No such file"),
    ],
)
def test_bad_input(arguments, message, capsys):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_file_that_is_no_interface(files, capsys):
    path = files("bad.json", {"f": 1})
    assert main(["compare", path, path]) == 2
    assert "not an interface" in capsys.readouterr().err


def test_wrong_usage_is_told(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["bump", "1.2", "minor"])
    assert ended.value.code == 2
    assert "invalid" in capsys.readouterr().err
