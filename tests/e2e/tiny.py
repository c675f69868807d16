#!/usr/bin/env python3
"""tiny.py OUT REF [KEY=JSON]...: an OCI image layout in the folder OUT, its root a busybox and what it needs.

The keys are those of an image's configuration: Entrypoint='["/bin/sh"]'. FILES='{"path": "text"}' adds files; a
text that begins with "#!" makes one that can be run. ROOT='"FILE"' is the tar of another root, below those files.
"""
import hashlib
import io
import json
import os
import shutil
import sys
import tarfile

APPLETS = "sh cat cp echo env false grep hostname id kill ls mkdir nc ps pwd rm sleep stat tail test touch true wc whoami".split()


def add(tar, path, text=None, mode=0o644, link=None):
    entry = tarfile.TarInfo(path)
    entry.mode = mode
    if link:
        entry.type, entry.linkname = tarfile.SYMTYPE, link
    elif text is None:
        entry.type = tarfile.DIRTYPE
    else:
        entry.size = len(text)
    tar.addfile(entry, io.BytesIO(text) if text is not None else None)


def root():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in ("bin", "dev", "etc", "home", "proc", "root", "tmp", "usr", "usr/bin", "var", "var/lib", "var/lib/db"):
            add(tar, folder, mode=0o755)
        with open("/bin/busybox", "rb") as busybox:
            add(tar, "bin/busybox", busybox.read(), 0o755)
        for applet in APPLETS:
            add(tar, "bin/" + applet, link="busybox")
        add(tar, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\ndb:x:999:999:a server:/var/lib/db:/bin/sh\n")
        add(tar, "etc/group", b"root:x:0:\ndb:x:999:\n")
    return out.getvalue()


def more(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, text in files.items():
            add(tar, path, text.encode(), 0o755 if text.startswith("#!") else 0o644)
    return out.getvalue()


def blob(out, data):
    digest = hashlib.sha256(data).hexdigest()
    with open(f"{out}/blobs/sha256/{digest}", "wb") as f:
        f.write(data)
    return {"digest": "sha256:" + digest, "size": len(data)}


def blob_of_file(out, path):
    with open(path, "rb") as f:
        digest = hashlib.file_digest(f, "sha256").hexdigest()
    shutil.copyfile(path, f"{out}/blobs/sha256/{digest}")
    return {"digest": "sha256:" + digest, "size": os.path.getsize(path)}


def main():
    out, ref = sys.argv[1:3]
    config = {key: json.loads(value) for key, value in (pair.split("=", 1) for pair in sys.argv[3:])}
    os.makedirs(out + "/blobs/sha256")
    files, tar = config.pop("FILES", {}), config.pop("ROOT", None)
    layers = [blob_of_file(out, tar) if tar else blob(out, root())]
    if files:
        layers.append(blob(out, more(files)))
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    about = {"architecture": machine, "os": "linux", "config": config,
             "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}}
    kind = "application/vnd.oci.image."
    manifest = {"schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
                "config": {"mediaType": kind + "config.v1+json", **blob(out, json.dumps(about).encode())},
                "layers": [{"mediaType": kind + "layer.v1.tar", **layer} for layer in layers]}
    entry = {"mediaType": kind + "manifest.v1+json", **blob(out, json.dumps(manifest).encode()),
             "annotations": {"org.opencontainers.image.ref.name": ref}}
    with open(out + "/index.json", "w") as f:
        json.dump({"schemaVersion": 2, "manifests": [entry]}, f)
    with open(out + "/oci-layout", "w") as f:
        f.write('{"imageLayoutVersion": "1.0.0"}')


main()
