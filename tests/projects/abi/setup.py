"""The rest is in pyproject.toml; this makes the sdist the same for the same tree."""

import gzip
import os
import tarfile
from pathlib import Path

from setuptools import setup
from setuptools.command.sdist import sdist


class ReproducibleSdist(sdist):
    """With SOURCE_DATE_EPOCH set, an archive without times, owners and chance."""

    def make_archive(self, base_name, format, root_dir=None, base_dir=None, **kwargs):
        epoch = os.environ.get("SOURCE_DATE_EPOCH")
        if epoch is None or format != "gztar":
            return super().make_archive(base_name, format, root_dir, base_dir, **kwargs)

        def normal(member):
            member.mtime = int(epoch)
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            return member

        name = Path(f"{base_name}.tar.gz")
        name.parent.mkdir(parents=True, exist_ok=True)
        with name.open("wb") as raw:
            with gzip.GzipFile("", "wb", 9, raw, int(epoch)) as zipped:
                with tarfile.open(fileobj=zipped, mode="w") as tar:
                    tar.add(base_dir, filter=normal)  # sorted by name
        return str(name)


setup(cmdclass={"sdist": ReproducibleSdist})
