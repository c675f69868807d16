"""Offer Debian's Python where setup-python looks for one.

usage: python3 toolcache.py      (inside the image, as it is built)

The layout is that of GitHub's runners: TOOLCACHE/Python/VERSION/ARCH, with a marker file
beside it. It is a virtual environment: pip may install into it, which Debian forbids for its
own Python, and `python` in it is that version whatever else is on PATH.
"""
import pathlib
import platform
import subprocess
import sys
import venv

TOOLCACHE = pathlib.Path("/opt/hostedtoolcache/Python")
WHEELHOUSE = pathlib.Path("/opt/wheelhouse")
ARCH = {"x86_64": "x64", "aarch64": "arm64"}


def main():
    prefix = TOOLCACHE / platform.python_version() / ARCH.get(platform.machine(), platform.machine())
    short = "python{}.{}".format(*sys.version_info[:2])

    venv.EnvBuilder(symlinks=False, with_pip=False).create(prefix)
    binary = (prefix / "bin" / "python3").resolve()
    if binary.name != short:
        binary.rename(prefix / "bin" / short)
    for name in ("python", "python3"):
        (prefix / "bin" / name).unlink(missing_ok=True)
        (prefix / "bin" / name).symlink_to(short)

    pip = next(WHEELHOUSE.glob("pip-*.whl"))
    subprocess.run(
        [prefix / "bin" / "python3", f"{pip}/pip", "install", "--quiet", "--no-index", "--no-compile",
         "--no-cache-dir", "--find-links", WHEELHOUSE, "pip", "setuptools", "wheel"],
        check=True,
    )
    pathlib.Path(f"{prefix}.complete").touch()


main()
