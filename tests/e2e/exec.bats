#!/usr/bin/env bats
# stepcell exec: one command in one cell.
# shellcheck disable=SC2154,SC2016 # run sets status, output and stderr; scripts for the cell are quoted whole

bats_require_minimum_version 1.5.0
load helper

# x [OPTION]... [--] CMD...: exec it.
x() {
	run --separate-stderr timeout 60 "$STEPCELL" exec "$@" </dev/null
}

# field NAME: of the line of JSON that the last command ended with.
field() {
	printf '%s\n' "${lines[-1]}" | python3 -c 'import json, sys
value = json.load(sys.stdin)
for name in sys.argv[1].split("."): value = value[name]
print(json.dumps(value))' "$1"
}

@test "the command's words, output and code" {
	x -- sh -c 'echo "$0 $1"; echo talk >&2; exit 7' 'a  b' '--json'
	exits 7
	[ "$output" = 'a  b --json' ]
	[ "$stderr" = talk ]
}

@test "options end at the command" {
	x sh -c 'echo "$0"' --help
	exits 0
	[ "$output" = --help ]
}

@test "standard input is handed in" {
	run --separate-stderr sh -c 'echo hello | "$STEPCELL" exec -- tr a-z A-Z'
	[ "$output" = HELLO ]
}

@test "a command that is not there is stepcell's failure: 125" {
	x -- no-such-command
	exits 125
	says "cannot run 'no-such-command': No such file or directory"
	x --policy no-such-policy -- true
	exits 125
	x --image no-such-image -- true
	exits 125
	says no-such-image
}

@test "no command is wrong usage" {
	x
	exits 2
	says "no command"
}

@test "a signal is 128 and its number" {
	x -- sh -c 'kill -SEGV $$'
	exits 139
}

@test "each limit has its verdict, in JSON too, and the output goes to standard error" {
	x --json --limit step=1s -- sh -c 'echo out; sleep 100'
	exits 137
	[ "${#lines[@]}" = 1 ]
	[ "$(field verdict)" = '"timeout"' ]
	[ "$(field exit)" = null ]
	[ "$stderr" != "${stderr/out/}" ]

	x --json --limit memory=64MiB -- perl -e '$x = "y" x (200 << 20); print length $x'
	[ "$status" != 0 ]
	[ "$(field verdict)" = '"out-of-memory"' ]

	x --json --limit pids=16 -- sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18; do sleep 9 & done'
	[ "$status" != 0 ]
	[ "$(field verdict)" = '"pids-limit"' ]
	[ "$(field refused)" = '["processes"]' ]

	x --json --limit disk=1MiB -- sh -c 'head -c 3M /dev/zero >/tmp/x'
	[ "$status" != 0 ]
	[ "$(field verdict)" = '"disk-limit"' ]

	x --json -- true
	exits 0
	[ "$(field verdict)" = '"passed"' ]
	[ "$(field exit)" = 0 ]
}

@test "an unknown limit is named, with those there are" {
	x --limit memroy=1GiB -- true
	exits 125
	says memroy memory pids
}

@test "variables, and nothing of the caller's" {
	export CANARY=secret
	x --env A=1 --env A=2 --env 'B=x y' -- sh -c 'echo "$A" "$B"; env; cat /proc/1/cmdline'
	exits 0
	[ "${lines[0]}" = '2 x y' ]
	says HOME=/home/runner
	says_not CANARY
	says_not --env
}

@test "a checkout: seen, written to, unchanged; .git is not there" {
	mkdir -p "$project/.git"
	echo token >"$project/.git/config"
	echo old >"$project/file"
	before=$(tree_hash "$project")
	x --checkout "$project" -- sh -c 'pwd; ls -A; echo new >file; cat file; rm -r .github; ls -A'
	exits 0
	[ "$output" = "/home/runner/work/project/project
.github
file
new
file" ]
	[ "$before" = "$(tree_hash "$project")" ]
	[ -z "$(ls -A "$STEPCELL_HOME/exec")" ]
}

@test "a strict policy: the checkout cannot be written" {
	echo old >"$project/file"
	sed 's/^checkout: .*/checkout: strict/' \
		"$(dirname "$STEPCELL")/../../policies/untrusted.yml" >strict.yml
	grep -q 'checkout: strict' strict.yml
	x --policy ./strict.yml --checkout "$project" -- sh -c 'cat file; ls -A; echo new >file'
	[ "$status" != 0 ]
	says old "Read-only file system"
	says_not .git/
}

@test "a working directory" {
	x --workdir /tmp -- pwd
	[ "$output" = /tmp ]
	x --workdir /proc/self/fd/3 -- pwd
	exits 125
	x --workdir /missing -- pwd
	exits 125
	says "entering the working directory"
}

@test "where an image without /home/runner starts: where it says, else in its root" {
	[ -x /bin/busybox ] || cannot "needs a busybox"
	for at in '' /tmp /missing; do
		rm -rf layout
		python3 "$BATS_TEST_DIRNAME/tiny.py" layout "starts:1" "WorkingDir=\"$at\""
		"$STEPCELL" image import -q --replace --name starts layout
		x --image starts -- pwd
		exits 0
		[ "$output" = "$([ "$at" = /tmp ] && echo /tmp || echo /)" ]
	done
	x --image starts --workdir /missing -- pwd
	exits 125
	says "entering the working directory"
}

@test "a state home in which another user has put something is refused" {
	[ "$(id -u)" = 0 ] || cannot "needs root, to be two users"
	mkdir -m 777 "$STEPCELL_HOME"
	ln -s "$project" "$STEPCELL_HOME/store"
	x -- true
	exits 0
	chown -h 54321 "$STEPCELL_HOME/store"
	x -- true
	exits 125
	says "/home/store' belongs to uid 54321"
}

@test "a terminal is never handed in" {
	command -v script >/dev/null || cannot "needs script(1)"
	run script -qec "'$STEPCELL' exec -- sh -c 'test -t 0 || test -t 1 || test -t 2 || echo none; ls -l /proc/self/fd'" \
		/dev/null
	says none pipe
	says_not /dev/pts
}

@test "an interrupt is passed on; a second one kills" {
	"$STEPCELL" exec -- sh -c 'trap "echo got it" INT; echo under way; while :; do sleep 0.1; done' \
		>run.out 2>run.err </dev/null 3>&- &
	pid=$!
	within 20 grep -q 'under way' run.out
	kill -INT $pid
	within 20 grep -q 'got it' run.out
	kill -INT $pid
	finish
	exits 137
	says cancelled
}

@test "kill -9 of stepcell: the cell dies, and the next start sweeps" {
	mark=exec-killed-$$
	"$STEPCELL" exec -- bash -c "trap '' TERM; echo under way; exec -a $mark sleep 1000" \
		>run.out 2>run.err </dev/null 3>&- &
	pid=$!
	within 20 alive $mark
	cgroups=$(cgroups_of_run)
	kill -KILL $pid
	wait $pid || true
	within 10 dead $mark
	x -- true
	exits 0
	nothing_left $mark "$cgroups"
	[ -z "$(ls -A "$STEPCELL_HOME/exec")" ]
}

@test "audit: what was refused, to whom and how often; the verdict is the same" {
	x --audit --json -- perl -e '$0 = "stran\ng\e[2Jer"; syscall(1000) for 1..3; exit 3'
	exits 3
	[ "$(field verdict)" = '"failed"' ]
	[ "$(field refused)" = '[{"call": "call 1000", "answer": "ENOSYS", "program": "stran\\ng\\x1b[2Jer", "count": 3}]' ]
	grep -qF 'note: refused: call 1000 ENOSYS, 3 times, by stran\ng\x1b[2Jer' <<<"$stderr"

	x --json -- perl -e 'syscall(1000); exit 3'
	exits 3
	[ "$(field refused)" = '[]' ]
}

@test "audit: the policy must allow it" {
	x --audit --policy untrusted -- true
	exits 125
	says "policies/untrusted.yml:" "--audit is refused" "'audit: allowed'"
}
