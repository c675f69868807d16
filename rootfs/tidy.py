"""Last step of building a Debian image: nothing of the build or of the host stays.

usage: python3 tidy.py      (inside the image, as it is built)

Python's compiled files are made here, all at once and in order: those that the packages' scripts
make differ from build to build.
"""
import os
import pathlib
import py_compile
import shutil

EPOCH = int(os.environ["SOURCE_DATE_EPOCH"])
PYTHON = ["/opt/hostedtoolcache", "/usr/lib/python3", *sorted(map(str, pathlib.Path("/usr/lib").glob("python3.*")))]

# not /tmp: mmdebstrap has its own files there, without which its apt would take the host's
EMPTIED = ["/root", "/var/cache", "/var/lib/apt/lists", "/var/log", "/var/tmp", "/run"]
REMOVED = ["/etc/hostname", "/etc/machine-id", "/etc/mailcap.order", "/var/lib/dpkg/status-old",
           "/var/lib/dpkg/diversions-old", "/var/lib/dpkg/statoverride-old", "/var/lib/dpkg/lock",
           "/var/lib/dpkg/lock-frontend", "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-",
           "/etc/subuid-", "/etc/subgid-"]
WRITTEN = {
    "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "/etc/resolv.conf": "",
}
APPENDED = {
    "/etc/passwd": "runner:x:1001:1001:runner:/home/runner:/bin/bash\n",
    "/etc/group": "runner:x:1001:\n",
}


def empty(folder):
    for entry in pathlib.Path(folder).iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def compile_folder(top):
    for folder, folders, files in os.walk(top):
        folders.sort()
        if "__pycache__" in folders:
            folders.remove("__pycache__")
            shutil.rmtree(os.path.join(folder, "__pycache__"))
        for name in sorted(files):
            if name.endswith(".py"):
                compile_file(os.path.join(folder, name))


def compile_file(path):
    # what is younger than the epoch gets the epoch's time in the image, and the
    # compiled file says which time it was made for
    if os.stat(path).st_mtime > EPOCH:
        os.utime(path, (EPOCH, EPOCH))
    try:
        py_compile.compile(path, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP)
    except (py_compile.PyCompileError, UnicodeDecodeError):
        pass  # templates, and what is there to be wrong


def main():
    for top in PYTHON:
        compile_folder(top)
    for folder in EMPTIED:
        empty(folder)
    for path in REMOVED:
        pathlib.Path(path).unlink(missing_ok=True)
    for path, text in WRITTEN.items():
        pathlib.Path(path).unlink(missing_ok=True)
        pathlib.Path(path).write_text(text)
    for path, text in APPENDED.items():
        with open(path, "a") as out:
            out.write(text)
    os.makedirs("/home/runner", exist_ok=True)


main()
