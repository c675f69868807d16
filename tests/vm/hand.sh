#!/bin/bash
# hand.sh: in the virtual machine, as root: a cgroup given to a user by hand, as docs of other programs say
# (a directory and the three files). Limits must hold in it for stepcell alone, and beside a shell.
set -u
here=$(dirname "$0")
top=/sys/fs/cgroup hand=$top/hand

# shellcheck source=tests/escape/say.bash
. "$here/../escape/say.bash"

echo '+memory +pids +cpu +io' >$top/cgroup.subtree_control
mkdir $hand
chown builder $hand $hand/cgroup.{procs,threads,subtree_control}

# in_hand COMMAND...: as the user, born in there.
in_hand() {
	(echo "$BASHPID" >$hand/cgroup.procs && exec "$here/as" user "$@") 2>&1
}

# limited WHAT SAID: the memory limit ended the cell, by cgroup.
limited() {
	if [[ $2 == *'"verdict":"out-of-memory"'* && $2 == *'"memory":"cgroup"'* ]]; then
		pass "$1"
	else
		fail "$1" "$2"
	fi
}

eat=(exec --json --limit memory=64MiB -- python3 -c 'b = bytearray(200 << 20)')
limited "stepcell alone in a cgroup: a memory limit that holds" "$(in_hand "$STEPCELL" "${eat[@]}")"
if [ ! -e $hand/stepcell-runner ] && [ -z "$(cat $hand/cgroup.subtree_control)" ]; then
	pass "nothing of it stays in the cgroup"
else
	fail "nothing of it stays in the cgroup" "$(ls -d $hand/*/)" "$(cat $hand/cgroup.subtree_control)"
fi
limited "beside a shell: a memory limit that holds" "$(in_hand sh -c '"$@"; :' sh "$STEPCELL" "${eat[@]}")"
find $hand -mindepth 1 -type d -name 'stepcell-exec-*' | grep . >/tmp/left
if [ ! -s /tmp/left ]; then
	pass "no cell's cgroup is left"
else
	fail "no cell's cgroup is left" "$(cat /tmp/left)"
fi
echo "1..$tests"
exit $((failed > 0))
