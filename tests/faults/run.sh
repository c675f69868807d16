#!/bin/bash
# run.sh: no cell starts with a wall missing, whatever fails while it is set up.
#
# Three commands are tried. `exec` starts one cell. `run` has a job of two steps: the second one's cell is
# prepared while the first runs. `services` has a step that asks a service with a network of its own, through
# its forwarder; its processes are many, and of each SAMPLE calls are tried (15). Every other system call of stepcell, of what it forks and of each cell's init up
# to the exec of the command fails in turn: with EPERM, with ENOSYS, with ENOMEM, and by the death of the
# process that makes it (ERRORS="..." for others; EVERY=10 for each tenth call alone; SUBJECTS="exec run services").
# What runs in the cells is probe.c, which looks at each wall from inside. Each time stepcell either says
# what went wrong and that step does not run, or gets by without that call and every wall stands; nothing
# hangs, and nothing is left. TAP, a line a process and an error; the calls are in OUT
# (build/release/faults.txt), a line each. As root and, where root runs it, as an ordinary user too.
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
USER_ID=64124 # nobody's

# subject NAME WHO: sets the array `command` to what is tried.
subject() {
	case $1 in
	exec)
		command=("$STEPCELL" exec --json --policy "$FAULTS_TMP/$2/strict.yml"
			--checkout "$FAULTS_TMP/checkout" -- ./probe "$FAULTS_TMP/canary" "$FAULTS_KEY")
		;;
	run) command=("$STEPCELL" run --image host --policy "$FAULTS_TMP/$2/uncounted.yml" -C "$FAULTS_TMP/$2/checkout") ;;
	services) command=("$STEPCELL" run --image host --policy "$FAULTS_TMP/$2/served.yml" -C "$FAULTS_TMP/$2/checkout" -W "$FAULTS_TMP/$2/checkout/services.yml") ;;
	esac
}

# home SUBJECT: what a state home has before anything is tried: the host's skeleton, and the service's image.
home() {
	"$STEPCELL" exec -- true
	[ "$1" != services ] || "$STEPCELL" image import -q "$FAULTS_TMP/layout"
}

# judge SUBJECT ERROR CALL CODE: what became of it, in one line; what it said is in $STEPCELL_HOME.{out,err}.
judge() {
	local said=("$STEPCELL_HOME.out" "$STEPCELL_HOME.err") steps=1
	[ "$1" != run ] || steps=2
	if grep -q 'missing: ' "${said[@]}"; then
		echo "BAD $(grep -hm1 'missing: ' "${said[@]}")"
		return
	fi
	case $4 in
	0)
		# whoever could not print has said nothing of the others either
		if [ "$(cat "${said[@]}" | grep -c 'every wall stands')" = $steps ] || [ "$3" = write ]; then
			echo "every wall stands"
		else
			echo "BAD success, and not every step ran"
		fi
		;;
	124) echo "BAD it hangs" ;;
	134) # who cannot become root again ends at once, and says so
		grep -q 'becoming root again' "${said[@]}" && echo refused || echo "BAD aborted"
		;;
	137)
		if [ "$2" = KILL ]; then
			echo "it dies"
		else
			grep -q 'init was killed' "${said[@]}" && echo refused || echo "BAD killed"
		fi
		;;
	*)
		if [ "$4" -ge 128 ]; then
			echo "BAD code $4"
		elif [ "$3" != write ] && [ "$2" != KILL ] && ! grep -q 'error: \|cannot \|service exec: ' "${said[@]}"; then
			echo "BAD no word about it, code $4"
		else
			echo refused
		fi
		;;
	esac
}

# one SUBJECT PROCESS ERROR N...: make the call fail, and say what became of it, a line each. A worker of xargs.
one() {
	local name=$1 process=$2 error=$3 n rc call command
	export STEPCELL_HOME=$FAULTS_TMP/$FAULTS_WHO/home$$
	mkdir -m 700 "$STEPCELL_HOME"
	mkdir "$STEPCELL_HOME.runs"
	home "$name" >"$STEPCELL_HOME.out" 2>"$STEPCELL_HOME.err"
	subject "$name" "$FAULTS_WHO"
	shift 3
	for n in "$@"; do
		"$FAULTS_TMP/inject" "$process" "$n" "$error" "${command[@]}" >"$STEPCELL_HOME.out" 2>"$STEPCELL_HOME.err"
		rc=$?
		call=$(sed -n '$s/^inject: //p' "$STEPCELL_HOME.err")
		# how many calls a run makes depends on how many were before
		[ "$name" = exec ] || mv "$STEPCELL_HOME"/runs/* "$STEPCELL_HOME.runs" 2>/dev/null
		[ "${call#- }" = "$call" ] || continue # this time it made fewer
		echo "$FAULTS_WHO $name $process $error $call $n: $(judge "$name" "$error" "$call" $rc)"
	done
	# What a killed one left is swept by the next.
	[ "$name" = exec ] || mv "$STEPCELL_HOME.runs"/* "$STEPCELL_HOME/runs" 2>/dev/null # none where each failed early
	"${command[@]}" >"$STEPCELL_HOME.out" 2>"$STEPCELL_HOME.err" ||
		echo "$FAULTS_WHO $name $process $error - 0: BAD the next one fails: $(tail -n 1 "$STEPCELL_HOME.err")"
	find "$STEPCELL_HOME"/{exec,cgroups} "$STEPCELL_HOME"/runs/*/layers -mindepth 1 -not -empty 2>/dev/null |
		sed "s/^/$FAULTS_WHO $name $process $error - 0: BAD left behind: /"
	rm -rf "$STEPCELL_HOME" "$STEPCELL_HOME.runs"
}

case ${1-} in
--one)
	shift
	one "$@"
	exit 0
	;;
--home)
	home "$2"
	exit
	;;
esac

STEPCELL=${STEPCELL:-$top/build/release/stepcell}
OUT=${OUT:-$top/build/release/faults.txt}
ERRORS=${ERRORS:-EPERM ENOSYS ENOMEM KILL}
EVERY=${EVERY:-1}
SUBJECTS=${SUBJECTS:-exec run services}
SAMPLE=${SAMPLE:-15}
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
	mkdir -p "$FAULTS_TMP/checkout/.github/workflows"
	gcc -O1 -D_GNU_SOURCE -Wall -Wextra -Werror -o "$FAULTS_TMP/checkout/probe" "$here/probe.c" &&
		gcc -O1 -D_GNU_SOURCE -Wall -Wextra -Werror -o "$FAULTS_TMP/inject" "$here/inject.c" -lseccomp || return 1
	[[ " $SUBJECTS " == *" services "* ]] || return 0
	if [ ! -x /bin/busybox ]; then
		skipped "a job with a service" "needs busybox-static, to make an image"
		SUBJECTS=${SUBJECTS/services/}
		return 0
	fi
	# the service's image has no libraries
	mkdir "$FAULTS_TMP/static" &&
		gcc -static -O1 -D_GNU_SOURCE -Wall -Wextra -Werror -o "$FAULTS_TMP/static/probe" "$here/probe.c" &&
		python3 "$here/../e2e/tiny.py" "$FAULTS_TMP/layout" box:1 'Env=["PATH=/bin"]' && chmod -R a+rX "$FAULTS_TMP/layout"
}

plant() {
	echo canary >"$FAULTS_TMP/canary"
	FAULTS_KEY=$((RANDOM * 32768 + RANDOM + 1))
	# the job's id names the cells' host, which the probe looks at
	cat >"$FAULTS_TMP/checkout/.github/workflows/ci.yml" <<-END
		on: push
		jobs:
		  exec:
		    runs-on: ubuntu-latest
		    steps:
		      - uses: actions/checkout@v4
		      - run: exec ./probe $FAULTS_TMP/canary $FAULTS_KEY
		      - run: exec ./probe $FAULTS_TMP/canary $FAULTS_KEY
	END
	cat >"$FAULTS_TMP/checkout/services.yml" <<-END
		on: push
		jobs:
		  exec:
		    runs-on: ubuntu-latest
		    services:
		      exec:
		        image: box:1
		        entrypoint: sh
		        command: -c "/static/probe $FAULTS_TMP/canary $FAULTS_KEY inside && touch /tmp/well; exec nc -ll -p 4000 -e echo served"
		        ports: ['4001:4000']
		        volumes: ['$FAULTS_TMP/static:/static:ro']
		        options: --health-cmd "test -e /tmp/well" --health-interval 100ms --health-timeout 3s --health-retries 1
		    steps:
		      - uses: actions/checkout@v4
		      - run: |
		          exec 3<>/dev/tcp/localhost/4001
		          [ "\$(cat <&3)" = served ]
		          exec 3<&-
		          exec ./probe $FAULTS_TMP/canary $FAULTS_KEY
	END
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

# strict WHO REQUIRED COUNTED: the default policy, with every wall required that WHO can have, and one limit of
# its own. The processes of a run must have the same numbers each time: the limits COUNTED are off, for whoever
# counts (the disk; without a cgroup memory, and forks) is born when its time has come; and the checkout is
# WHO's own, for somebody else's is copied by programs.
strict() {
	mkdir -m 755 "$FAULTS_TMP/$1"
	cp -R "$FAULTS_TMP/checkout" "$FAULTS_TMP/$1/"
	sed -e "s/^require:.*/require: [$2]/; s/open-files: .*/open-files: 777/; s/^name:.*/name: strict/" \
		"$top/policies/default.yml" >"$FAULTS_TMP/$1/strict.yml"
	sed -E "s/^  ($3): .*/  \\1: none/" "$FAULTS_TMP/$1/strict.yml" >"$FAULTS_TMP/$1/uncounted.yml"
	sed "s|^volumes:.*|volumes: [$FAULTS_TMP/static]|" "$FAULTS_TMP/$1/uncounted.yml" >"$FAULTS_TMP/$1/served.yml"
	[ "$1" = root ] || [ "$(id -u)" != 0 ] || chown -R $USER_ID:$USER_ID "$FAULTS_TMP/$1"
}

# calls WHO SUBJECT PROCESS: how many calls it makes; 0 where there is no such process.
calls() {
	local command
	export STEPCELL_HOME=$FAULTS_TMP/$1/count-$2
	[ -d "$STEPCELL_HOME" ] || as "$1" "$0" --home "$2" >/dev/null 2>&1
	subject "$2" "$1"
	as "$1" "$FAULTS_TMP/inject" "$3" 1000000 EPERM "${command[@]}" 2>&1 >/dev/null | sed -n 's/^inject: - //p'
}

# fail_each WHO SUBJECT PROCESS COUNT ERROR: every call of the process, one after another; a line of TAP.
fail_each() {
	local lines=$FAULTS_TMP/lines name step=$EVERY all=9 workers batch
	FAULTS_WHO=$1
	# who waits for others makes more calls, or fewer
	[ "$2" != services ] || { step=$((EVERY * ($4 / SAMPLE + 1))) all=5; }
	# every worker makes a home: they share what is tried, as long as a home does not grow old
	workers=$(nproc)
	batch=$(($4 / step / workers + 1))
	seq 1 "$step" "$4" | as "$1" xargs -P "$workers" -n $((batch < 100 ? batch : 100)) "$0" --one "$2" "$3" "$5" >"$lines"
	cat "$lines" >>"$OUT"
	name="$1: $2, process $3, $4 calls, $5: $(grep -c 'refused$' "$lines") refused, $(grep -c 'stands$' "$lines") got by"
	[ "$5" != KILL ] || name+=", $(grep -c 'dies$' "$lines") died"
	if grep -q BAD "$lines" || [ "$(wc -l <"$lines")" -lt $(($4 * all / 10 / step)) ]; then
		fail "$name" "$(grep BAD "$lines" | head -n 20)"
	else
		pass "$name"
	fi
}

fail_all() {
	local name process count error last
	for name in $SUBJECTS; do
		[ "$name" = services ] && last=19 || last=7
		for process in $(seq 0 $last); do
			count=$(calls "$1" "$name" "$process")
			[ "${count:-0}" -ge 10 ] || continue # none, or one that is killed before it has done much
			for error in $ERRORS; do
				fail_each "$1" "$name" "$process" "$count" "$error"
			done
		done
	done
	replaced "$1"
}

# replaced WHO: the run's second cell was there before its time, or its faults were those of any other.
replaced() {
	[[ " $SUBJECTS " == *" run "* && " $ERRORS " == *" KILL "* ]] || return 0
	# Of a cell's processes that one alone has both: it may die before it has its spec, and not behind that.
	local name="control: a prepared cell that dies is replaced, as $1"
	if awk -v who="$1" '$1 == who && $2 == "run" && $3 > 0 && $4 == "KILL" { n[$3, / stands$/ ? "by" : "refused"]++ }
		END { for (i = 1; i < 8; i++) if (n[i, "by"] && n[i, "refused"]) exit 0; exit 1 }' "$OUT"; then
		pass "$name"
	else
		fail "$name" "no process of the run was replaced at one moment, and missed at another"
	fi
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
	strict root userns,seccomp,landlock,cgroup,timens 'disk|files'
	fail_all root
fi
strict user userns,seccomp,landlock,timens 'disk|files|memory|pids'
fail_all user
sleep 1
left=$(comm -13 <(echo "$before") <(cgroups_left))
if [ -z "$left" ]; then pass "no cgroup is left"; else fail "no cgroup is left" "$left"; fi
# The table: what became of each call's failures.
awk '{ call = $1 " " $2 " " $5; what = $0; sub(/^[^:]*: /, "", what); sub(/ .*/, "", what); n[call " " what]++; calls[call] }
	END { for (c in calls) printf "# %-30s refused %4d   got by %4d   died %4d\n", c, n[c " refused"], n[c " every"], n[c " it"] }' \
	"$OUT" | sort
echo "1..$tests"
[ $failed -eq 0 ]
