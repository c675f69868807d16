#!/usr/bin/env bats
# The demo, as it is told in README.md.
# shellcheck disable=SC2154 # finish sets status

bats_require_minimum_version 1.5.0
load ../helper
load ../toolchains

@test "make demo leaves the packages, the coverage and the test report; a second one builds no image" {
	top=$(cd "$BATS_TEST_DIRNAME/../../.." && pwd)
	rm -rf "$top/out"
	# what is built here serves the other tests, and others may have been quicker
	export STEPCELL_HOME=$toolchains/home
	there=$("$STEPCELL" image show python-3.11 2>/dev/null || true)
	before=$(host_state)
	run --separate-stderr built make -C "$top" demo
	exits 0
	[ "$before" = "$(host_state)" ]
	[ -n "$there" ] || says "packages of Debian"
	names=$(for t in "$top"/out/*/*.tar.zst; do tar --zstd -tf "$t"; done)
	grep -q '\.whl$' <<<"$names"
	grep -q '\.tar\.gz$' <<<"$names"
	grep -q 'coverage\.xml$' <<<"$names"
	grep -qi 'report\|junit' <<<"$names"

	# the second time its first step is enough to see
	(cd "$top" && exec env --default-signal=INT tests/tools/demo) >run.out 2>run.err </dev/null 3>&- &
	pid=$!
	within 60 said "Install dependencies"
	kill -INT $pid
	finish
	says_not "packages of Debian" "is there already"
}
