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
