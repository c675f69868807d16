#!/usr/bin/env bats
# stepcell exec --tty: a private terminal, shown on the operator's.
# shellcheck disable=SC2154,SC2016 # run sets status, output and stderr; scripts for the cell are quoted whole

bats_require_minimum_version 1.5.0
load helper

# on_terminal [STEP]... -- [OPTION]... CMD...: exec --tty of it, by somebody who sits at a terminal.
on_terminal() {
	local steps=()
	while [ "$1" != -- ]; do steps+=("$1") && shift; done
	shift
	run --separate-stderr timeout 60 python3 "$BATS_TEST_DIRNAME/onpty.py" "${steps[@]}" -- \
		"$STEPCELL" exec --tty "$@"
}

@test "the command has a terminal of its own, of the same size, and its code is ours" {
	TERM=screen on_terminal -- sh -c 'tty; stty size; echo "$TERM"; test -t 0 && test -t 1 && test -t 2 && echo all; echo one >/dev/tty; exit 7'
	exits 7
	says /dev/pts/0 "30 90" screen all one "settings: as before"
}

@test "what is typed goes in once, and is shown by the cell's terminal alone" {
	on_terminal expect ready send 'hello\r' expect got -- sh -c 'echo ready; read -r x; echo "got $x"'
	exits 0
	[ "$(grep -c hello <<<"$output")" = 2 ]
	says "got hello" "settings: as before"
}

@test "Ctrl-C is the command's, not ours" {
	on_terminal expect ready send '\x03' expect interrupted -- \
		sh -c 'trap "echo interrupted; exit 9" INT; echo ready; while :; do sleep 0.1; done'
	exits 9
	says "settings: as before"
	on_terminal expect ready send '\x03' -- sh -c 'echo ready; exec sleep 50'
	exits 130
	says "settings: as before"
}

@test "job control, and Ctrl-D" {
	on_terminal expect '$' send "sh -c 'echo un\"\"der way; while :; do :; done'\\r" expect 'under way' send '\x1a' expect Stopped send 'kill %1; bg; wait; echo o""ver\r' expect over expect '$' \
		send '\x04' -- bash --norc -i
	says Stopped "settings: as before"
	on_terminal expect ready send 'a\r\x04' -- sh -c 'echo ready; cat; echo end'
	exits 0
	says end
}

@test "a change of the window's size arrives" {
	on_terminal expect ready size 11 44 expect '11 44' -- \
		sh -c 'trap "stty size; exit 0" WINCH; echo ready; while :; do sleep 0.1; done'
	exits 0
	says "11 44"
}

@test "the terminal is given back whatever the end: a limit, a failure, a signal" {
	on_terminal -- --limit step=1s sh -c 'stty raw -echo; sleep 50'
	exits 137
	says timeout "settings: as before"
	on_terminal -- no-such-command
	exits 125
	says "cannot run 'no-such-command'" "settings: as before"
	on_terminal expect ready kill expect again kill -- sh -c 'trap "echo again" TERM; echo ready; while :; do sleep 0.1; done'
	exits 137
	says "settings: as before"
}

@test "what the terminal answers late is not typed into the shell" {
	run --separate-stderr timeout 60 python3 "$BATS_TEST_DIRNAME/onpty.py" expect asked send 'rm -rf x\r' expect left -- \
		sh -c '"$STEPCELL" exec --tty -- sh -c "echo asked; sleep 1"; if read -r -t 1 x; then echo "typed: $x"; fi; echo left'
	says_not typed:
	says left
}

@test "all of a long output arrives" {
	on_terminal -- sh -c 'seq 20000; echo last'
	exits 0
	[ "$(grep -cE '^[0-9]+$' <<<"$output")" = 20000 ]
	says last
}

@test "without a terminal of ours: pipes go in and come out, and the end of file is typed" {
	run --separate-stderr sh -c 'printf "a\nb" | timeout 60 "$STEPCELL" exec -t -- cat'
	exits 0
	[ "$output" = $'a\r\nb' ] || [[ "$output" == *$'a\r\nb'*a* ]]
	run --separate-stderr sh -c 'timeout 60 "$STEPCELL" exec -t -- sh -c "cat; tty" </dev/null'
	exits 0
	says /dev/pts/0
}

@test "not with --json: there is one stream" {
	run --separate-stderr "$STEPCELL" exec --tty --json -- true
	exits 2
	says "--tty and --json exclude each other"
}
