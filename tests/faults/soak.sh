#!/bin/bash
# soak.sh: soak.c as root, and as an ordinary user in a user namespace that has room for a few hundred
# namespaces of each kind: one that leaks with each cell is soon one too many. That it would be noticed is
# shown first, with cells that do leave one.
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
export STEPCELL_DATA=$top
SOAK=${SOAK:-$top/build/release/soak/soak}
USER_ID=64125 # nobody's
CELLS=${CELLS:-10000} CELLS_AT_ONCE=${CELLS_AT_ONCE:-200}
ROOM=$((CELLS_AT_ONCE + 100)) # how many namespaces of a kind there can be
export CELLS CELLS_AT_ONCE ROOM
# shellcheck source=tests/escape/say.bash
. "$here/../escape/say.bash"

# judge WHO COMMAND...: a line of TAP; what the program says of itself is a comment.
judge() {
	local out rc=0
	out=$("${@:2}" 2>&1) || rc=$?
	grep '^# ' <<<"$out" | sed "s/^# /# $1: /"
	if [ $rc -eq 0 ]; then
		pass "$1: nothing is left of $CELLS cells in a row and $CELLS_AT_ONCE at once"
	else
		fail "$1: nothing is left" "$out"
	fi
}

as_user() {
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid $USER_ID --regid $USER_ID --clear-groups "$@"
	else
		"$@"
	fi
}

# few COMMAND...: in a user namespace in which there can be but so many namespaces of a kind.
few() {
	# shellcheck disable=SC2016 # the inner shell's
	as_user unshare --user --map-current-user --keep-caps bash -c '
		for f in /proc/sys/user/max_*_namespaces; do echo "$ROOM" >"$f" || exit 1; done
		exec setpriv --inh-caps=-all --ambient-caps=-all --bounding-set=-all "$@"' few "$@"
}

# control KIND: where a namespace of the kind stays of each cell, there is soon one too many.
control() {
	local out cells=$((ROOM + 50))
	if out=$(CELLS=$cells LEAK=$1 few "$SOAK" 2>&1); then
		fail "control: $1 namespaces that stay" "$cells cells started, and each left one"
	elif grep -q 'No space left on device' <<<"$out"; then
		pass "control: $1 namespaces that stay are noticed before $cells cells"
	else
		fail "control: $1 namespaces that stay" "$out"
	fi
}

for kind in user pid mnt net ipc uts cgroup time; do
	control $kind
done
if [ $((CELLS + CELLS_AT_ONCE)) -le $ROOM ]; then
	fail "enough cells" "CELLS=$CELLS are so few that namespaces which stay would not be noticed"
fi
[ "$(id -u)" != 0 ] || judge root "$SOAK"
# without a cgroup of his own he may not have as many at once as root
judge user few "$SOAK"
echo "1..$tests"
[ $failed -eq 0 ]
