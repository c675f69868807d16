#!/usr/bin/env bats
# The command line as a whole: help, the man page, exit codes, an installation.
# shellcheck disable=SC2154 # run sets stderr

bats_require_minimum_version 1.5.0
load helper
top=$BATS_TEST_DIRNAME/../..

# commands: what the help lists.
commands() { "$STEPCELL" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p'; }

@test "every command has its help and its place in the man page" {
	[ "$(commands | wc -l)" -ge 5 ]
	for name in $(commands); do
		run --separate-stderr "$STEPCELL" "$name" --help
		exits 0
		[ -n "$output" ]
		grep -qE "^\.It Nm Cm $name( |\$)" "$top/docs/stepcell.1" || { echo "the man page lacks $name"; return 1; }
	done
}

@test "every command of the man page exists" {
	while read -r name; do
		commands | grep -qx "$name" || { echo "no such command: $name"; return 1; }
	done < <(sed -n 's/^\.It Nm Cm \([a-z]*\).*/\1/p' "$top/docs/stepcell.1")
}

@test "the long options of run are those of the man page" {
	"$STEPCELL" run --help | sed -nE 's/^ .*--([a-z-]+).*/\1/p' | grep -v '^help$' | sort >in-help
	sed -n '/^\.It Nm Cm run/,/^\.It Nm Cm plan/p' "$top/docs/stepcell.1" |
		sed -nE 's/^\.It Fl (. , )?-([a-z-]+).*/\2/p' | sort >in-man
	diff in-help in-man
}

@test "no command: the usage on standard error, exit 2" {
	run --separate-stderr "$STEPCELL"
	exits 2
	[ -z "$output" ]
	[[ "$stderr" == usage:* ]]
}

@test "an installation works from where it is put" {
	make -s -C "$top" install PREFIX="$BATS_TEST_TMPDIR/opt" >/dev/null
	cd / && run --separate-stderr "$BATS_TEST_TMPDIR/opt/bin/stepcell" policy list
	exits 0
	says untrusted
	printf '#include <stepcell/cell.h>\n' | gcc -std=gnu17 -fsyntax-only -Wall -Werror -I"$BATS_TEST_TMPDIR/opt/include" -x c -
}
