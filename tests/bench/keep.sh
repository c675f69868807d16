#!/bin/bash
# keep.sh DIR KEEP: what a cached image costs at the start of a run, and how fast it is verified. In DIR.
set -eu
tmp=$1/keep
mkdir "$tmp"

# Programs and a Python of this system: some hundred megabytes in some thousand files.
tar -C / --sort=name --warning=no-file-changed -cf "$tmp/image.tar" \
	usr/bin usr/lib/python3 usr/lib/python3.11 usr/share/perl usr/share/zoneinfo 2>/dev/null || true
STEPCELL_HOME=$tmp/home "$STEPCELL" image import --as tar --name bench "$tmp/image.tar" >/dev/null 2>&1
rm "$tmp/image.tar"
"$2" "$tmp/home" bench
rm -rf "$tmp"
