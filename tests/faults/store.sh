#!/bin/bash
# store.sh: the image store is consistent, wherever a change of it ends.
#
# Every system call of `stepcell image import`, of a prune and of a verification that sets something aside, is
# the last of the process that would make it, its worker's calls among them. Each time the store
# must be consistent (crash.py check): every name means a whole image, the next import succeeds, and a prune
# leaves nothing but whole images: as root and, where root runs it, as an ordinary user too. Then the power fails
# after every call (crash.py power). EVERY=10 takes a tenth of both. TAP; the calls are in OUT
# (build/release/faults-store.txt), a line each.
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
USER_ID=64124 # nobody's

# prepare HOME WHAT: a store as it is before the command of WHAT.
prepare() {
	rm -rf "$1"
	mkdir -m 700 "$1"
	STEPCELL_HOME=$1 "$STEPCELL" image list >/dev/null
	case $2 in
	import) ;;
	*) STEPCELL_HOME=$1 "$STEPCELL" image import "$FAULTS_TMP/one.tar" >/dev/null ;;
	esac
	case $2 in
	prune) STEPCELL_HOME=$1 "$STEPCELL" image import "$FAULTS_TMP/two.tar" >/dev/null ;;
	verify) echo changed >>"$(echo "$1"/store/trees/*/root/etc/word)" ;;
	esac
}

# command_of WHAT: the words of stepcell image.
command_of() {
	case $1 in
	import) echo import "$FAULTS_TMP/one.tar" ;;
	replace) echo import --replace "$FAULTS_TMP/other.tar" ;;
	prune) echo prune --keep 0 ;;
	verify) echo verify --all ;;
	esac
}

# one WHAT PROCESS N...: kill it at the call, and say what became of the store, a line each. A worker of xargs.
one() {
	local what=$1 process=$2 home=$FAULTS_TMP/$FAULTS_WHO/home$$ n call wrong
	shift 2
	for n; do
		prepare "$home" "$what"
		# shellcheck disable=SC2046 # words on purpose
		STEPCELL_HOME=$home "$FAULTS_TMP/inject" "$process" "$n" KILL "$STEPCELL" image $(command_of "$what") \
			>"$home.out" 2>"$home.err"
		call=$(sed -n '$s/^inject: //p' "$home.err")
		[ "${call#- }" = "$call" ] || continue # this time it made fewer
		if [ "$what" = verify ]; then
			# what was changed may not have been found yet
			STEPCELL_HOME=$home "$STEPCELL" image verify --all >/dev/null 2>&1
			STEPCELL_HOME=$home "$STEPCELL" image import "$FAULTS_TMP/one.tar" >/dev/null 2>&1
		fi
		wrong=$(/usr/bin/python3 "$here/crash.py" check "$home" "$FAULTS_TMP/one.tar" "$FAULTS_TMP/two.tar") || wrong="BAD $wrong"
		echo "$FAULTS_WHO $what $process $call $n: ${wrong:-consistent}"
	done
	rm -rf "$home"
}

if [ "${1-}" = --one ]; then
	shift
	one "$@"
	exit 0
fi

STEPCELL=${STEPCELL:-$top/build/release/stepcell}
OUT=${OUT:-$top/build/release/faults-store.txt}
EVERY=${EVERY:-1}
FAULTS_TMP=$(mktemp -d /tmp/stepcell-faults.XXXXXX) || exit 1
export STEPCELL FAULTS_TMP FAULTS_WHO EVERY STEPCELL_DATA=${STEPCELL_DATA:-$top}
chmod 755 "$FAULTS_TMP"
trap 'rm -rf "$FAULTS_TMP"' EXIT
# shellcheck source=tests/escape/say.bash
. "$here/../escape/say.bash"

# as WHO COMMAND...: as root, or as an ordinary user.
as() {
	if [ "$1" = user ] && [ "$(id -u)" = 0 ]; then
		setpriv --reuid $USER_ID --regid $USER_ID --clear-groups --inh-caps=-all --bounding-set=-all "${@:2}"
	else
		"${@:2}"
	fi
}

# calls WHO WHAT PROCESS: how many calls it makes; 0 where there is no such process.
calls() {
	local home=$FAULTS_TMP/$1/count
	export -f prepare
	as "$1" bash -c 'prepare "$@"' prepare "$home" "$2"
	# shellcheck disable=SC2046
	STEPCELL_HOME=$home as "$1" "$FAULTS_TMP/inject" "$3" 1000000 KILL "$STEPCELL" image $(command_of "$2") 2>&1 >/dev/null |
		sed -n 's/^inject: - //p'
}

# kill_each WHO WHAT PROCESS COUNT: at every call of the process, one after another; a line of TAP.
kill_each() {
	local lines=$FAULTS_TMP/lines name
	FAULTS_WHO=$1
	seq 1 "$EVERY" "$4" | as "$1" xargs -P "$(nproc)" -n 20 "$0" --one "$2" "$3" >"$lines"
	cat "$lines" >>"$OUT"
	name="$1: $2, process $3, $4 calls: $(grep -c 'consistent$' "$lines") times the store is consistent"
	if grep -q BAD "$lines" || [ "$(wc -l <"$lines")" -lt $(($4 * 9 / 10 / EVERY)) ]; then
		fail "$name" "$(grep BAD "$lines" | head -n 20)"
	else
		pass "$name"
	fi
}

# What a worker of a verification does changes nothing, and that of an import is the same for every import.
kill_all() {
	local what process count
	for what in import replace prune verify; do
		for process in 0 1 2; do
			[ "$process" = 0 ] || [ $what = import ] || continue
			count=$(calls "$1" $what $process)
			[ "${count:-0}" -ge 10 ] || continue # none, or one that is over at once
			kill_each "$1" $what $process "$count"
		done
	done
}

# lose_power: its lines of TAP are ours. Nobody but root reads what a worker says to the kernel; what the store
# goes through is the same for all.
lose_power() {
	local line ended=''
	while read -r line; do
		case $line in
		ok*) pass "${line#*- }" ;;
		not*) fail "${line#*- }" ;;
		1..*) ended=yes ;;
		*) echo "# ${line#\# }" ;;
		esac
	done < <(/usr/bin/python3 "$here/crash.py" power "$FAULTS_TMP/root" 2>&1)
	[ -n "$ended" ] || fail "power loss: crash.py came to its end"
}

gcc -O1 -D_GNU_SOURCE -Wall -Wextra -Werror -o "$FAULTS_TMP/inject" "$here/inject.c" -lseccomp || exit 1
/usr/bin/python3 "$here/crash.py" pack one one "$FAULTS_TMP/one.tar"
/usr/bin/python3 "$here/crash.py" pack one other "$FAULTS_TMP/other.tar"
/usr/bin/python3 "$here/crash.py" pack two two "$FAULTS_TMP/two.tar"
mkdir -p "$(dirname "$OUT")" && : >"$OUT"
for who in root user; do
	[ $who = user ] || [ "$(id -u)" = 0 ] || continue
	mkdir -m 755 "$FAULTS_TMP/$who"
	[ $who = root ] || [ "$(id -u)" != 0 ] || chown $USER_ID:$USER_ID "$FAULTS_TMP/$who"
	kill_all $who
done
if [ "$(id -u)" = 0 ]; then
	lose_power
else
	skipped "power loss" "recording what a worker does takes root"
fi
# The table: at which calls, and how often the store was consistent afterwards.
awk '{ call = $1 " " $2 " " $4; n[call]++; good[call] += / consistent$/ }
	END { for (c in n) printf "# %-32s killed %4d   consistent %4d\n", c, n[c], good[c] }' "$OUT" | sort
echo "1..$tests"
[ $failed -eq 0 ]
