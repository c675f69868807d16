#!/usr/bin/env bats
# The gates themselves can fail: what sums tests, and what reads the tree.

setup() {
	tools=$BATS_TEST_DIRNAME/../tools
	cd "$BATS_TEST_TMPDIR" || return 1
	unset STEPCELL_MUST_RUN TAP_TIMEOUT TAP_WRAP TAP_SHOW
}

tally() { # tally TEXT: the sum of that TAP
	printf '%b' "$1" >t.tap
	run "$tools/tally" t.tap
}

@test "tally counts passes, failures and both ways to skip" {
	tally '1..5\nok 1 - a\nnot ok 2 - b\nok 3 - c # skip why\nnot ok 4 # SKIP d\nok 5\n'
	[ "$status" = 1 ]
	[ "$output" = "2 passed, 1 failed, 2 skipped" ]
}

@test "tally passes when nothing failed, with plans first, last and repeated" {
	tally '1..1\nok 1 - a\n1..2\nok 1 - b\nok 2 - c\n'
	[ "$status" = 0 ]
	[ "$output" = "3 passed, 0 failed, 0 skipped" ]
	tally 'ok 1 - a\nok 2 - b\n1..2\n'
	[ "$status" = 0 ]
	[ "$output" = "2 passed, 0 failed, 0 skipped" ]
}

@test "a planned test that never reported has failed" {
	tally '1..3\nok 1 - a\n'
	[ "$status" = 1 ]
	[ "$output" = "1 passed, 2 failed, 0 skipped" ]
}

@test "STEPCELL_MUST_RUN=1 makes a skip a failure" {
	printf '1..1\nok 1 - a # skip no cgroup\n' >t.tap
	STEPCELL_MUST_RUN=1 run "$tools/tally" t.tap
	[ "$status" = 1 ]
	[ "$output" = "0 passed, 1 failed, 0 skipped" ]
}

@test "tap reports a program that dies without a word" {
	mkdir t
	printf '#!/bin/sh\necho 1..1\necho ok 1\nkill -SEGV $$\n' >t/dies
	chmod +x t/dies
	run "$tools/tap" out t/dies
	[ "$status" = 1 ]
	[[ "$output" == *"1 passed, 1 failed, 0 skipped" ]]
}

@test "tap ends a program that hangs" {
	mkdir t
	printf '#!/bin/sh\nexec sleep 60\n' >t/hangs
	chmod +x t/hangs
	TAP_TIMEOUT=1 run "$tools/tap" out t/hangs
	[ "$status" = 1 ]
	[[ "$output" == *"ended with code 124"* ]]
}

# layers CODE: what the gate says to a src/cell file with this text.
layers() {
	mkdir -p src/cell include/stepcell
	printf '%s\n' 'base : err.h' 'cell : cell.h < base' 'runner : runner.h < base cell' \
		'<yaml.h> : base' '<openssl/> : base' >src/LAYERS
	printf '%s\n' "$1" >src/cell/x.c
	run "$tools/layers" src/LAYERS src/cell/x.c
}

@test "layers allows what is below" {
	layers '#include "stepcell/err.h"'
	[ "$status" = 0 ]
	layers '#include "cell/private.h"'
	[ "$status" = 0 ]
}

@test "layers refuses what is above, private or another's library" {
	for line in '"stepcell/runner.h"' '"base/private.h"' '"stepcell/unknown.h"' '<yaml.h>' '<openssl/evp.h>'; do
		layers "#include $line"
		[ "$status" = 1 ]
		[[ "$output" == "src/cell/x.c:1: 'cell' may not "* ]]
	done
}

@test "sizes refuses a function over 80 lines and a file over 600" {
	command -v ctags || skip "no ctags"
	{ echo 'int f(void)'; echo '{'; yes '	;' | head -n 78; echo '}'; } >long.c
	run "$tools/sizes" long.c
	[ "$status" = 1 ]
	[[ "$output" == *"f has 81 lines"* ]]
	yes '' | head -n 601 >big.c
	run "$tools/sizes" big.c
	[ "$status" = 1 ]
	[[ "$output" == *"big.c: 601 lines"* ]]
}
