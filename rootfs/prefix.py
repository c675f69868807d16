"""Write a Python installation of the host as a tar: relocated, trimmed, compiled.

usage: SOURCE/bin/python3.Y prefix.py SOURCE      the tar goes to standard output

It lands where setup-python looks: TOOLCACHE/Python/VERSION/ARCH, with its marker. It is run by the
very Python that it copies, since compiled files are for one version. The same installation gives
the same bytes.
"""
import fnmatch
import importlib.util
import io
import marshal
import os
import platform
import re
import struct
import sys
import sysconfig
import tarfile

EPOCH = int(os.environ["SOURCE_DATE_EPOCH"])
TOOLCACHE = "opt/hostedtoolcache/Python"
ARCH = {"x86_64": "x64", "aarch64": "arm64"}
# "3.14.0b2" is called 3.14.0-beta.2 there.
STAGES = {"a": "alpha", "b": "beta", "rc": "rc"}

# Below the prefix; * stops at no slash.
LEFT_OUT = [
    "*.a", "*/__pycache__", "share", "lib/python*/test", "lib/python*/idlelib/idle_test",
    "lib/python*/*/tests", "lib/python*/*/test", "lib/python*/turtledemo", "bin/*-gdb.py",
]
# What else lies in site-packages is the host's business: .pth files, above all, are code.
SITE_PACKAGES = ["README.txt", "pip", "pip-*.dist-info", "setuptools", "setuptools-*.dist-info",
                 "pkg_resources", "_distutils_hack", "distutils-precedence.pth"]
# Text that names the prefix.
REWRITTEN = ["bin/*", "lib/pkgconfig/*.pc", "lib/python*/_sysconfigdata*.py",
             "lib/python*/config-*/*", "lib/python*/site-packages/*.dist-info/*"]


def matches(path, patterns):
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def is_left_out(path):
    site = re.match(r"lib/python[^/]*/site-packages/([^/]+)$", path)
    return matches(path, LEFT_OUT) or bool(site and not matches(site.group(1), SITE_PACKAGES))


def semantic_version():
    plain, stage, number = re.match(r"([0-9.]+)(?:(a|b|rc)([0-9]+))?", platform.python_version()).groups()
    return "{}-{}.{}".format(plain, STAGES[stage], number) if stage else plain


def architecture():
    free = "-freethreaded" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    return ARCH.get(platform.machine(), platform.machine()) + free


class Prefix:
    def __init__(self, source, out):
        self.source = os.path.abspath(source)
        self.target = "{}/{}/{}".format(TOOLCACHE, semantic_version(), architecture())
        self.tar = tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT)

    # ---- the tar ----

    def add(self, path, mode, data=None, link=None):
        info = tarfile.TarInfo(path)
        info.mtime = EPOCH
        info.mode = mode
        if link is not None:
            info.type, info.linkname = tarfile.SYMTYPE, link
        elif data is None:
            info.type = tarfile.DIRTYPE
        else:
            info.size = len(data)
        self.tar.addfile(info, None if data is None else io.BytesIO(data))

    def add_parents(self):
        parts = self.target.split("/")
        for count in range(1, len(parts) + 1):
            self.add("/".join(parts[:count]), 0o755)

    # ---- what changes on the way ----

    def relocate(self, path, data):
        if data[:4] == b"\x7fELF":
            return self.relocate_elf(path, data)
        if matches(path, REWRITTEN):
            return data.replace(self.source.encode(), b"/" + self.target.encode())
        return data

    def relocate_elf(self, path, data):
        """The search path for libpython, in place: from the file's own folder to lib."""
        old = self.source.encode() + b"/lib\0"
        up = os.path.relpath("lib", os.path.dirname(path))
        new = b"$ORIGIN/" + up.encode() + b"\0"
        if old in data and len(new) > len(old):
            sys.exit("{}: no room for a relative search path in place of {}".format(path, old))
        return data.replace(old, new.ljust(len(old), b"\0"))

    def compile(self, path, data):
        """The bytes of the compiled file, or None when the source is wrong on purpose."""
        try:
            code = compile(data, "/{}/{}".format(self.target, path), "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            return None
        flags = struct.pack("<I", 0) if sys.version_info >= (3, 7) else b""
        stamp = struct.pack("<II", EPOCH & 0xFFFFFFFF, len(data) & 0xFFFFFFFF)
        return importlib.util.MAGIC_NUMBER + flags + stamp + marshal.dumps(code)

    # ---- the walk ----

    def add_file(self, path):
        full = os.path.join(self.source, path)
        if os.path.islink(full):
            self.add("{}/{}".format(self.target, path), 0o777, link=os.readlink(full))
        elif os.path.isfile(full):
            with open(full, "rb") as file:
                data = self.relocate(path, file.read())
            mode = 0o755 if os.stat(full).st_mode & 0o100 else 0o644
            self.add("{}/{}".format(self.target, path), mode, data)
            return data
        return None

    def add_folder(self, folder, files):
        compiled = []
        for name in sorted(files):
            path = os.path.normpath(os.path.join(folder, name))
            if is_left_out(path):
                continue
            data = self.add_file(path)
            if data is not None and name.endswith(".py") and path.startswith("lib/"):
                compiled.append((path, self.compile(path, data)))
        cache = os.path.join(self.target, folder, "__pycache__")
        if any(data is not None for _, data in compiled):
            self.add(cache, 0o755)
        for path, data in compiled:
            if data is not None:
                name = os.path.basename(path)[: -len(".py")]
                self.add("{}/{}.{}.pyc".format(cache, name, sys.implementation.cache_tag), 0o644, data)

    def add_tree(self):
        for top, folders, files in os.walk(self.source):
            folder = os.path.relpath(top, self.source)
            inner = [(f, os.path.normpath(os.path.join(folder, f))) for f in sorted(folders)]
            links = [f for f, _ in inner if os.path.islink(os.path.join(top, f))]
            folders[:] = [f for f, path in inner if f not in links and not is_left_out(path)]
            if folder != ".":
                self.add("{}/{}".format(self.target, folder), 0o755)
            self.add_folder(folder, files + links)

    def write(self):
        self.add_parents()
        self.add_tree()
        short = "python{}.{}{}".format(*sys.version_info[:2], "t" if "freethreaded" in self.target else "")
        for name in ("python", "python3"):
            if not os.path.lexists(os.path.join(self.source, "bin", name)):
                self.add("{}/bin/{}".format(self.target, name), 0o777, link=short)
        self.add(self.target + ".complete", 0o644, b"")
        self.tar.close()


Prefix(sys.argv[1], sys.stdout.buffer).write()
