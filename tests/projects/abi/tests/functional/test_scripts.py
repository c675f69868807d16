"""The scripts that release the package."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
ENVIRONMENTS = {
    "development": "https://dev-api.example.com",
    "staging": "https://staging-api.example.com",
    "production": "https://api.example.com",
}


def script(name, *arguments, top=TOP, **environment):
    return subprocess.run(
        [str(top / "scripts" / name), *arguments],
        env=dict(os.environ, **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=60,
    )


@pytest.fixture
def copy(tmp_path):
    """A copy of the project that a test may spoil."""
    top = tmp_path / "copy"
    shutil.copytree(str(TOP / "src"), str(top / "src"))
    for name in ("deploy", "scripts"):
        shutil.copytree(str(TOP / name), str(top / name))
    for name in ("pyproject.toml", "setup.py", "setup.cfg"):
        shutil.copy(str(TOP / name), str(top / name))
    return top


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_deploy_writes_a_true_manifest(environment, tmp_path):
    done = script("deploy.sh", environment, DEPLOY_OUT=str(tmp_path))
    assert done.returncode == 0, done.stderr
    manifest = tmp_path / f"deploy-manifest-{environment}.txt"
    title, *rows = manifest.read_text().splitlines()
    assert ENVIRONMENTS[environment] in title
    assert any(row.endswith("  src/abi/cli.py") for row in rows)
    for row in rows:
        digest, name = row.split("  ", 1)
        assert hashlib.sha256((TOP / name).read_bytes()).hexdigest() == digest


def test_deploy_refuses_an_unknown_environment(tmp_path):
    done = script("deploy.sh", "moon", DEPLOY_OUT=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr == (
        "deploy: unknown environment 'moon'; "
        "there are: development production staging\n"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "line, found, message",
    [
        ("replicas = 2", "replicas = many", "'many' is no number of replicas"),
        ("replicas = 2", "", "has no 'replicas'"),
        ("https://staging", "http://staging", "is not https"),
        ("anonymized", "production", "production data stay in production"),
    ],
)
def test_deploy_checks_the_configuration(copy, tmp_path, line, found, message):
    config = copy / "deploy" / "staging.ini"
    config.write_text(config.read_text().replace(line, found))
    done = script("deploy.sh", "staging", top=copy, DEPLOY_OUT=str(tmp_path))
    assert done.returncode == 1
    assert message in done.stderr


@pytest.mark.parametrize(
    "url, message",
    [
        ("", "is not the https address"),
        ("http://dev-api.example.com", "is not the https address"),
        ("https://dev-api.example.com/x y", "is not the https address"),
        ("https://elsewhere.example.com", "no environment in deploy/"),
    ],
)
def test_smoke_tests_refuse_a_wrong_address(url, message):
    done = script("smoke_tests.sh", url)
    assert done.returncode == 2
    assert message in done.stderr


def test_smoke_tests_run_the_program(copy):
    broken = copy / "src" / "abi" / "version.py"
    broken.write_text("raise SystemExit('broken')\n")
    done = script("smoke_tests.sh", "https://dev-api.example.com", top=copy)
    assert done.returncode != 0
    assert "broken" in done.stderr
