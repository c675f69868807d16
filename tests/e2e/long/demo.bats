#!/usr/bin/env bats
# The demo, as it is told in README.md.

bats_require_minimum_version 1.5.0
load ../helper

@test "make demo leaves the packages, the coverage and the test report; a second one starts at once" {
	cd "$BATS_TEST_DIRNAME/../../.." || return 1
	rm -rf out
	run --separate-stderr make demo
	exits 0
	names=$(for t in out/*/*.tar.zst; do tar --zstd -tf "$t"; done)
	grep -q '\.whl$' <<<"$names"
	grep -q '\.tar\.gz$' <<<"$names"
	grep -q 'coverage\.xml$' <<<"$names"
	grep -qi 'report\|junit' <<<"$names"

	start=${EPOCHREALTIME/./}
	"$STEPCELL" runs list --json >/dev/null
	make demo >"$BATS_TEST_TMPDIR/second" 2>&1
	first=$("$STEPCELL" runs show --json | python3 -c '
import json, sys
print(min(int(e["at"]) for e in map(json.loads, sys.stdin) if e["type"] == "step-started"))')
	[ $((first - start / 1000)) -lt 1000 ]
}
