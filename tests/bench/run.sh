#!/bin/bash
# run.sh START: measure against other sandboxes and bare system calls, paired, in one run. ROUNDS=200 by default.
set -eu
if [ "$(id -u)" -ne 0 ]; then
	echo "the bench needs root: the bare program maps ids as root does" >&2
	exit 1
fi
# Mounts of its own, which go with it.
[ -n "${BENCH_TMP-}" ] || {
	BENCH_TMP=$(mktemp -d /var/tmp/stepcell-bench-XXXXXX)
	export BENCH_TMP
	trap 'rm -rf "$BENCH_TMP"' EXIT
	unshare --mount -- "$0" "$@"
	exit
}
here=$(dirname "$0")
export STEPCELL_DATA=$PWD

# An ext4 as disks have it. Without a journal, as on some virtual machines, it looks the longer for a
# new inode the more were removed of late, and the numbers of a second run are others.
tmp=$BENCH_TMP/disk
mkdir "$tmp"
truncate -s 4G "$BENCH_TMP/image"
if mkfs.ext4 -q "$BENCH_TMP/image" && mount -o loop "$BENCH_TMP/image" "$tmp" 2>/dev/null; then
	echo "layers on an ext4 of their own, kernel $(uname -r), load $(cut -d ' ' -f 1-3 /proc/loadavg)"
else
	echo "layers on the $(stat -f -c %T "$tmp") of /var/tmp (no loop device), kernel $(uname -r)"
fi

# ---- a start, its phases, the cost inside, memory ----

mkdir "$tmp/bundle"
"$here/bundle" "$tmp/bundle" "$tmp/root"
STEPCELL_HOME=$tmp/home "$1" "$tmp" "${ROUNDS:-200}"

# ---- a workflow of 100 trivial steps, against 100 bare shells ----

export STEPCELL_HOME=$tmp/home
mkdir -p "$tmp/project/.github/workflows"
{
	printf 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n'
	for _ in $(seq "${STEPS:-100}"); do printf '      - run: "true"\n'; done
} >"$tmp/project/.github/workflows/ci.yml"

# millis COMMAND...: how long it takes; its output is dropped.
millis() {
	local start
	start=$(date +%s%N)
	"$@" >"$tmp/out" 2>&1 || { cat "$tmp/out" >&2; exit 1; }
	echo $((($(date +%s%N) - start) / 1000000))
}
shells() { for _ in $(seq "${STEPS:-100}"); do bash -c true; done; }
steps() { "$STEPCELL" run -C "$tmp/project" --image host; }
middle() { sort -n | sed -n 3p; }

steps >/dev/null 2>&1 || true # the skeleton of the host is made once
for _ in 1 2 3 4 5; do
	millis shells >>"$tmp/bare"
	millis steps >>"$tmp/steps"
done
awk -v n="${STEPS:-100}" -v bare="$(middle <"$tmp/bare")" -v run="$(middle <"$tmp/steps")" 'BEGIN {
	printf "a workflow of %d steps, the middle one of five runs\n", n
	printf "  bash -c true, bare %.2f ms a step; stepcell run, everything %.2f; on top %.2f (goal 5)\n",
		bare / n, run / n, (run - bare) / n }'

# ---- an image from a registry ----

mkdir "$tmp/pull"
"$here/pull.sh" "$tmp/pull"

# ---- an image into the store, against unpackers ----

"$here/import.sh" "$tmp"

# ---- keeping it ----

"$here/keep.sh" "$tmp" "$(dirname "$1")/keep"
