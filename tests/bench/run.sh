#!/bin/bash
# Measure against other sandboxes and bare system calls: paired, in one run. ROUNDS=200 by default.
set -eu
cd "$(dirname "$0")/../.."
build=build/release
export STEPCELL=${STEPCELL:-$PWD/$build/stepcell} STEPCELL_DATA=$PWD
make -s all $build/libstepcell-all.a
mkdir -p $build/bench
read -ra libs < <(pkg-config --libs libseccomp libcap libarchive yaml-0.1 libcurl jansson sqlite3 libcrypto)
gcc -std=gnu17 -O2 -D_GNU_SOURCE -Wall -Wextra -Iinclude -Isrc -o $build/bench/start \
	tests/bench/start.c tests/bench/bare.c $build/libstepcell-all.a "${libs[@]}"
if [ "$(id -u)" -ne 0 ]; then
	echo "the start bench needs root: the bare program maps ids as root does" >&2
	exit 1
fi
$build/bench/start "${ROUNDS:-200}"

# ---- a workflow of 100 trivial steps, against 100 bare shells ----

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
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

steps >/dev/null 2>&1 || true # the skeleton of the host is made once
bare=$(millis shells)
run=$(millis steps)
awk -v n="${STEPS:-100}" -v bare="$bare" -v run="$run" 'BEGIN {
	printf "a workflow of %d steps\n", n
	printf "  %-34s %7.3f ms a step\n", "bash -c true, bare", bare / n
	printf "  %-34s %7.3f ms a step\n", "stepcell run, everything", run / n
	printf "  %-34s %7.3f ms   (goal 5)\n", "on top", (run - bare) / n }'
