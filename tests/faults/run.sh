#!/bin/bash
# run.sh: no cell starts with a wall missing, whatever fails while it is set up.
#
# Every system call of `stepcell exec`, of what it forks and of the cell's init up to the exec of the
# command fails in turn: with EPERM, with ENOSYS, with ENOMEM, and by the death of the process that makes
# it (ERRORS="..." for others; EVERY=10 for each tenth call alone). The command is probe.c, which looks at each wall from inside. Each time
# stepcell either says what went wrong and runs nothing, or gets by without that call and every wall
# stands; nothing hangs, and nothing is left. TAP, a line a process and an error; the calls are in
# OUT (build/release/faults.txt), a line each. As root and, where root runs it, as an ordinary user too.
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
USER_ID=64124 # nobody's

# one PROCESS ERROR N...: make the call fail, and say what became of it, a line each. A worker of xargs.
one() {
	local process=$1 error=$2 n rc call what
	export STEPCELL_HOME=$FAULTS_TMP/$FAULTS_WHO/home$$
	mkdir -m 700 "$STEPCELL_HOME"
	"$STEPCELL" exec -- true 2>"$STEPCELL_HOME.err" # makes the host's skeleton, once
	shift 2
	for n in "$@"; do
		"$FAULTS_TMP/inject" "$process" "$n" "$error" "$STEPCELL" exec --json --policy "$FAULTS_TMP/$FAULTS_WHO/strict.yml" \
			--checkout "$FAULTS_TMP/checkout" -- ./probe "$FAULTS_TMP/canary" "$FAULTS_KEY" \
			>"$STEPCELL_HOME.out" 2>"$STEPCELL_HOME.err"
		rc=$?
		call=$(sed -n '$s/^inject: //p' "$STEPCELL_HOME.err")
		[ "${call#- }" = "$call" ] || continue # this time it made fewer
		case $rc in
		0) what="every wall stands" ;;
		124) what="BAD it hangs" ;;
		137)
			what="it dies"
			if [ "$error" != KILL ]; then
				what="BAD killed"
				! grep -q "init was killed" "$STEPCELL_HOME.err" || what=refused
			fi
			;;
		134) # who cannot become root again ends at once, and says so
			what=refused
			grep -q "becoming root again" "$STEPCELL_HOME.err" || what="BAD aborted"
			;;
		*)
			what=refused
			[ $rc -lt 128 ] || what="BAD code $rc"
			if grep -q '^missing: ' "$STEPCELL_HOME.err"; then
				what="BAD $(grep -m1 '^missing: ' "$STEPCELL_HOME.err")"
			elif [ "$(wc -l <"$STEPCELL_HOME.err")" -lt 2 ] && [ "$call" != write ] && [ "$error" != KILL ]; then
				what="BAD no word about it, code $rc"
			fi
			;;
		esac
		echo "$FAULTS_WHO $process $error $call $n: $what"
	done
	# What a killed one left is swept by the next.
	"$STEPCELL" exec -- true 2>"$STEPCELL_HOME.err" || echo "$FAULTS_WHO $process $error - 0: BAD the next one fails"
	find "$STEPCELL_HOME"/exec "$STEPCELL_HOME"/cgroups -mindepth 1 -not -empty |
		sed "s/^/$FAULTS_WHO $process $error - 0: BAD left behind: /"
	rm -rf "$STEPCELL_HOME"
}

if [ "${1-}" = --one ]; then
	shift
	one "$@"
	exit 0
fi

STEPCELL=${STEPCELL:-$top/build/release/stepcell}
OUT=${OUT:-$top/build/release/faults.txt}
ERRORS=${ERRORS:-EPERM ENOSYS ENOMEM KILL}
EVERY=${EVERY:-1}
FAULTS_TMP=$(mktemp -d /tmp/stepcell-faults.XXXXXX) || exit 1
export STEPCELL FAULTS_TMP FAULTS_KEY FAULTS_WHO STEPCELL_DATA=${STEPCELL_DATA:-$top}
chmod 755 "$FAULTS_TMP"
# shellcheck source=tests/escape/say.bash
. "$here/../escape/say.bash"

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	[ -z "${FAULTS_KEY-}" ] || ipcrm -M "$FAULTS_KEY" 2>/dev/null
	rm -rf "$FAULTS_TMP"
}
trap cleanup EXIT

build() {
	mkdir "$FAULTS_TMP/checkout"
	gcc -O1 -D_GNU_SOURCE -Wall -Wextra -Werror -o "$FAULTS_TMP/checkout/probe" "$here/probe.c" &&
		gcc -O1 -D_GNU_SOURCE -Wall -Wextra -Werror -o "$FAULTS_TMP/inject" "$here/inject.c" -lseccomp
}

plant() {
	echo canary >"$FAULTS_TMP/canary"
	FAULTS_KEY=$((RANDOM * 32768 + RANDOM + 1))
	python3 -c 'import ctypes, sys; sys.exit(ctypes.CDLL(None).shmget(int(sys.argv[1]), 4096, 0o1600) < 0)' "$FAULTS_KEY"
}

# cgroups_left: those of cells without a process; another run's come and go.
cgroups_left() {
	find /sys/fs/cgroup -name 'stepcell-exec-*' -type d 2>/dev/null | while read -r dir; do
		[ -s "$dir/cgroup.procs" ] && [ -n "$(cat "$dir/cgroup.procs")" ] || echo "$dir"
	done | sort
}

# as WHO COMMAND...: as root, or as an ordinary user.
as() {
	if [ "$1" = user ] && [ "$(id -u)" = 0 ]; then
		setpriv --reuid $USER_ID --regid $USER_ID --clear-groups --inh-caps=-all --bounding-set=-all "${@:2}"
	else
		"${@:2}"
	fi
}

# strict WHO REQUIRED: the default policy, with every wall required that WHO can have, and one limit of its own.
strict() {
	mkdir -m 755 "$FAULTS_TMP/$1"
	sed -e "s/^require:.*/require: [$2]/; s/open-files: .*/open-files: 777/; s/^name:.*/name: strict/" \
		"$top/policies/default.yml" >"$FAULTS_TMP/$1/strict.yml"
	[ "$1" = root ] || [ "$(id -u)" != 0 ] || chown -R $USER_ID:$USER_ID "$FAULTS_TMP/$1"
}

# calls WHO PROCESS: how many calls it makes; 0 where there is no such process.
calls() {
	export STEPCELL_HOME=$FAULTS_TMP/$1/count
	as "$1" "$STEPCELL" exec -- true 2>/dev/null
	as "$1" "$FAULTS_TMP/inject" "$2" 1000000 EPERM "$STEPCELL" exec --json \
		--policy "$FAULTS_TMP/$1/strict.yml" --checkout "$FAULTS_TMP/checkout" -- ./probe \
		"$FAULTS_TMP/canary" "$FAULTS_KEY" 2>&1 >/dev/null | sed -n 's/^inject: - //p'
}

# fail_each WHO PROCESS COUNT ERROR: every call of the process, one after another; a line of TAP.
fail_each() {
	local lines=$FAULTS_TMP/lines name
	FAULTS_WHO=$1
	seq 1 "$EVERY" "$3" | as "$1" xargs -P "$(nproc)" -n 100 "$0" --one "$2" "$4" >"$lines"
	cat "$lines" >>"$OUT"
	name="$1: process $2, $3 calls, $4: $(grep -c 'refused$' "$lines") refused, $(grep -c 'stands$' "$lines") got by"
	[ "$4" != KILL ] || name+=", $(grep -c 'dies$' "$lines") died"
	if grep -q BAD "$lines" || [ "$(wc -l <"$lines")" -lt $(($3 * 9 / 10 / EVERY)) ]; then
		fail "$name" "$(grep BAD "$lines" | head -n 20)"
	else
		pass "$name"
	fi
}

fail_all() {
	local process count error
	for process in 0 1 2 3 4 5; do
		count=$(calls "$1" $process)
		[ "${count:-0}" -ge 10 ] || continue # none, or one that is killed before it has done much
		for error in $ERRORS; do
			fail_each "$1" $process "$count" "$error"
		done
	done
}

build && plant || exit 1
mkdir -p "$(dirname "$OUT")" && : >"$OUT"
before=$(cgroups_left)
if "$FAULTS_TMP/checkout/probe" "$FAULTS_TMP/canary" "$FAULTS_KEY" >"$FAULTS_TMP/outside"; then
	fail "control: outside of a cell the probe finds no wall" "it says that every wall stands"
else
	pass "control: outside of a cell the probe finds $(grep -c '^missing' "$FAULTS_TMP/outside") walls missing"
fi
if [ "$(id -u)" = 0 ]; then
	strict root userns,seccomp,landlock,cgroup,timens
	fail_all root
fi
strict user userns,seccomp,landlock,timens
fail_all user
sleep 1
left=$(comm -13 <(echo "$before") <(cgroups_left))
if [ -z "$left" ]; then pass "no cgroup is left"; else fail "no cgroup is left" "$left"; fi
# The table: what became of each call's failures.
awk '{ call = $1 " " $4; what = $0; sub(/^[^:]*: /, "", what); sub(/ .*/, "", what); n[call " " what]++; calls[call] }
	END { for (c in calls) printf "# %-26s refused %4d   got by %4d   died %4d\n", c, n[c " refused"], n[c " every"], n[c " it"] }' \
	"$OUT" | sort
echo "1..$tests"
[ $failed -eq 0 ]
