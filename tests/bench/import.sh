#!/bin/bash
# import.sh DIR: how long an image of a Python system takes from a file into the store, against unpackers
# that neither verify nor list nor flush what they write. In DIR, alternating, ROUNDS=5; the least counts.
set -eu -o pipefail
tmp=$1/import
mkdir -p "$tmp"
export STEPCELL_HOME=$tmp/home

# A Python and what lies around it on this system, as much as an image with a Python has.
(cd / && { find usr/lib/python3* usr/share/perl usr/share/zoneinfo usr/share/mime usr/bin usr/include usr/lib/gcc \
	usr/lib/x86_64-linux-gnu -xdev \( -type f -size -6M -o -type l \) ! -name "*.a" 2>/dev/null || true; }) | head -n 12000 >"$tmp/names"
tar -C / -cf "$tmp/image.tar" -T "$tmp/names"
files=$(wc -l <"$tmp/names")
zstd -q -3 "$tmp/image.tar" -o "$tmp/image.tar.zst"
umoci init --layout "$tmp/layout"
umoci new --image "$tmp/layout:a" >/dev/null 2>&1
umoci raw add-layer --image "$tmp/layout:a" "$tmp/image.tar" >/dev/null 2>&1
"$(dirname "$0")/layout" "$tmp/image.tar" "$tmp/image.tar.zst" "$tmp/zstd"

# once NAME COMMAND...: milliseconds by the clock and of the processors, to the file NAME.
once() {
	local name=$1
	shift
	rm -rf "$tmp/out" "$STEPCELL_HOME"
	mkdir "$tmp/out"
	sync -f "$tmp"
	TIMEFORMAT='%3R %3U %3S'
	{ time "$@" >/dev/null 2>"$tmp/said"; } 2>>"$tmp/$name.times" || { cat "$tmp/said" >&2; exit 1; }
}
# flushed COMMAND...: what an import waits for too, before the store names what it has written.
flushed() { "$@" && sync -f "$tmp"; }
# least NAME: "CLOCK PROCESSORS" of the quickest run.
least() { sort -n "$tmp/$1.times" | awk 'NR == 1 { printf "%d %d", $1 * 1000, ($2 + $3) * 1000 }'; }

for _ in $(seq "${ROUNDS_IMPORT:-5}"); do
	once ours-zstd "$STEPCELL" image import --quiet --name a "$tmp/zstd"
	once tar tar --zstd -C "$tmp/out" -xf "$tmp/image.tar.zst"
	once tar+sync flushed tar --zstd -C "$tmp/out" -xf "$tmp/image.tar.zst"
	once bsdtar bsdtar -C "$tmp/out" -xpf "$tmp/image.tar.zst"
	once ours-gzip "$STEPCELL" image import --quiet --name a "$tmp/layout"
	once umoci umoci unpack --image "$tmp/layout:a" "$tmp/out/bundle"
done
# row NAME GOAL: stepcell's times of that image against those of another unpacker.
row() {
	read -r clock cpu <<<"$(least "$1")"
	read -r our_clock our_cpu <<<"$(least "ours-$2")"
	awk -v n="$1" -v c="$clock" -v p="$cpu" -v oc="$our_clock" -v op="$our_cpu" -v k="$2" -v goal="$3" 'BEGIN {
		printf "  %s: stepcell %d ms (processors %d), %s %d (%d): %.2f of it by the clock (goal %s), %.2f of the work\n",
			k, oc, op, n, c, p, oc / c, goal, op / p }'
}
printf 'import of an image, %d MB in %d files, the quickest of %d\n' \
	$(($(stat -c %s "$tmp/image.tar") / 1000000)) "$files" "${ROUNDS_IMPORT:-5}"
row tar zstd 1.0
row tar+sync zstd 1.0
row bsdtar zstd 0.3
row umoci gzip 0.6
rm -rf "$tmp"
