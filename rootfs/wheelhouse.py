"""Make a folder of wheels out of the Python projects that Debian has installed.

usage: python3 wheelhouse.py      (inside the image, as it is built)

A cell has no network, and yet `pip install -e ".[dev]"` has to work in it. Debian's packages hold
the projects' own files; what makes them wheels again is put back here:

  requirements   packages built the old way lose them; Debian's own Depends say the same
  scripts        `coverage` is called python3-coverage in Debian
  plain copies   a project whose compiled modules are optional also gets a wheel without them,
                 for every other version of Python
  setuptools     expects attributes that only Debian's distutils has; these values mean: the usual layout

The same packages give the same bytes: names are sorted, times fixed, and nothing is compressed,
since unpacking is what pip spends its time on.
"""
import base64
import hashlib
import importlib.metadata
import os
import pathlib
import re
import sys
import zipfile

WHEELHOUSE = pathlib.Path("/opt/wheelhouse")
SITE = pathlib.Path("/usr/lib/python3/dist-packages")
DPKG = pathlib.Path("/var/lib/dpkg")
BUNDLED = pathlib.Path("/usr/share/python-wheels")

# Their compiled modules are an option: the Python ones beside them do the same.
WORKS_PLAIN = {"mypy", "coverage", "pyyaml", "wrapt", "lazy-object-proxy"}
SCRIPTS = {"coverage": "coverage = coverage.cmdline:main"}
# These come as wheels of their own; dist-packages has them in pieces.
FROM_BUNDLE = {"pip", "setuptools"}


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


# ---- what Debian knows ----


def installed_files():
    """package -> the paths that it owns"""
    lists = {}
    for path in sorted(DPKG.glob("info/*.list")):
        package = path.name[: -len(".list")].partition(":")[0]
        lists[package] = path.read_text().splitlines()
    return lists


def depends():
    """package -> the names of the packages that it depends on"""
    found = {}
    for block in (DPKG / "status").read_text().split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", block, re.M))
        words = re.split(r"[,|]", fields.get("Depends", ""))
        found[fields.get("Package")] = [re.split(r"[ :(]", w.strip())[0] for w in words if w.strip()]
    return found


class Debian:
    def __init__(self):
        self.files = installed_files()
        self.depends = depends()
        self.owner = {path: package for package, paths in self.files.items() for path in paths}
        self.projects = {}  # package -> names of the projects in it
        for dist in importlib.metadata.distributions(path=[str(SITE)]):
            package = self.owner.get(str(dist._path))
            self.projects.setdefault(package, []).append(normal(dist.metadata["Name"]))

    def requirements(self, package):
        names = [n for d in self.depends.get(package, []) for n in self.projects.get(d, [])]
        return sorted(set(names) - FROM_BUNDLE)


# ---- wheels ----


def write_wheel(folder, name, version, tag, files):
    """files: path in the wheel -> bytes, all but RECORD"""
    stem = f"{name}-{version}"
    record = ""
    for path in sorted(files):
        digest = base64.urlsafe_b64encode(hashlib.sha256(files[path]).digest()).rstrip(b"=")
        record += f"{path},sha256={digest.decode()},{len(files[path])}\n"
    files = dict(files, **{f"{stem}.dist-info/RECORD": f"{record}{stem}.dist-info/RECORD,,\n".encode()})
    with zipfile.ZipFile(folder / f"{stem}-{tag}.whl", "w", zipfile.ZIP_STORED) as wheel:
        for path in sorted(files):
            info = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o100644 << 16
            wheel.writestr(info, files[path])


def wheel_text(tag):
    pure = "true" if tag == "py3-none-any" else "false"
    return f"Wheel-Version: 1.0\nGenerator: wheelhouse\nRoot-Is-Purelib: {pure}\nTag: {tag}\n".encode()


def metadata_of(dist, debian, package):
    text = dist.read_text("METADATA") or dist.read_text("PKG-INFO") or dist.read_text("")
    head, _, body = text.rstrip("\n").partition("\n\n")  # without a body there is one newline at the end
    # a version like 1.0.0+repack is Debian's, and no requirement knows it
    head = re.sub(r"(?m)^(Version: [^+\s]+)\+.*$", r"\1", head)
    if "\nRequires-Dist:" not in head and not str(dist._path).endswith(".dist-info"):
        head += "".join(f"\nRequires-Dist: {name}" for name in debian.requirements(package))
    return f"{head}\n\n{body}".encode()


def entry_points_of(dist, name):
    text = dist.read_text("entry_points.txt") or ""
    if name in SCRIPTS:
        text = re.sub(r"(?m)^\[console_scripts\]$", f"[console_scripts]\n{SCRIPTS[name]}", text)
        if SCRIPTS[name] not in text:
            text += f"\n[console_scripts]\n{SCRIPTS[name]}\n"
    return text.encode()


def modules_of(debian, package, dist):
    """The project's files, as they lie below site-packages."""
    others = [p for p in debian.projects[package] if p != normal(dist.metadata["Name"])]
    found = {}
    for path in map(pathlib.Path, debian.files[package]):
        if SITE not in path.parents or path.is_dir() or not path.exists():
            continue
        relative = path.relative_to(SITE)
        if relative.parts[0].endswith((".dist-info", ".egg-info")) or "__pycache__" in relative.parts:
            continue
        if normal(relative.parts[0]) not in others:
            found[str(relative)] = path.read_bytes()
    return found


def make_wheels(folder, debian, dist):
    package = debian.owner[str(dist._path)]
    name = normal(dist.metadata["Name"])
    stem = name.replace("-", "_")
    version = dist.version.partition("+")[0]
    modules = modules_of(debian, package, dist)
    plain = {path: data for path, data in modules.items() if not path.endswith(".so")}
    here = "cp{0}{1}-cp{0}{1}-linux_{2}".format(*sys.version_info[:2], os.uname().machine)

    variants = [("py3-none-any", plain)]
    if plain != modules:
        variants = [(here, modules)] + (variants if name in WORKS_PLAIN else [])
    for tag, files in variants:
        info = f"{stem}-{version}.dist-info"
        files = dict(files)
        files[f"{info}/METADATA"] = metadata_of(dist, debian, package)
        files[f"{info}/WHEEL"] = wheel_text(tag)
        entry_points = entry_points_of(dist, name)
        if entry_points:
            files[f"{info}/entry_points.txt"] = entry_points
        write_wheel(folder, stem, version, tag, files)


def copy_bundled(folder, path):
    name, version, tag = path.name[: -len(".whl")].split("-", 2)
    with zipfile.ZipFile(path) as wheel:
        files = {n: wheel.read(n) for n in wheel.namelist() if not n.endswith(("/RECORD", "/"))}
    install = "setuptools/command/install.py"
    if install in files:
        files[install] = files[install].replace(
            b"class install(orig.install):\n",
            b"class install(orig.install):\n    install_layout = None\n    prefix_option = True\n",
        )
    write_wheel(folder, name, version, tag, files)


def main():
    WHEELHOUSE.mkdir(parents=True)
    debian = Debian()
    for path in sorted(BUNDLED.glob("*.whl")):
        copy_bundled(WHEELHOUSE, path)
    for dist in importlib.metadata.distributions(path=[str(SITE)]):
        if normal(dist.metadata["Name"]) not in FROM_BUNDLE and str(dist._path) in debian.owner:
            make_wheels(WHEELHOUSE, debian, dist)


main()
