#!/bin/bash
# soak.sh: soak.c as root, and as an ordinary user in a user namespace that has room for a few hundred
# namespaces of each kind: one that leaks with each cell is soon one too many.
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
export STEPCELL_DATA=$top
SOAK=${SOAK:-$top/build/release/soak/soak}
USER_ID=64125 # nobody's
# shellcheck source=tests/escape/say.bash
. "$here/../escape/say.bash"

# judge WHO COMMAND...: a line of TAP; what the program says of itself is a comment.
judge() {
	local out rc=0
	out=$("${@:2}" 2>&1) || rc=$?
	grep '^# ' <<<"$out" | sed "s/^# /# $1: /"
	if [ $rc -eq 0 ]; then
		pass "$1: nothing is left of ${CELLS:-10000} cells in a row and ${CELLS_AT_ONCE:-200} at once"
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

# few COMMAND...: in a user namespace in which there can be but 300 namespaces of a kind.
few() {
	# shellcheck disable=SC2016 # the inner shell's
	as_user unshare --user --map-current-user --keep-caps bash -c '
		for f in /proc/sys/user/max_*_namespaces; do echo 300 >"$f" || exit 1; done
		exec setpriv --inh-caps=-all --ambient-caps=-all --bounding-set=-all "$@"' few "$@"
}

[ "$(id -u)" != 0 ] || judge root "$SOAK"
# without a cgroup of his own he may not have as many at once as root
judge user few "$SOAK"
echo "1..$tests"
[ $failed -eq 0 ]
