#!/bin/bash
# exhaust.sh: attacks that use things up, and that outlast what should end them. TAP, a line an attack.
#
# Each payload stops by itself at a bound that a machine can bear, also where every limit fails.
set -u

# shellcheck source=tests/escape/rig.bash
. "$(dirname "$0")/rig.bash"

# field NAME: of the last line of --json, the first of that name
field() {
	grep -oE "\"$1\":(\"[a-z-]*\"|[0-9]+)" "$tmp/json" | head -n 1 | cut -d: -f2 | tr -d '"'
}

said() {
	grep -m1 -E '^(held|open|cannot):' "$tmp/stderr"
}

tidy() {
	rm -rf "$tmp"/outside/{fill.*,names,storm,core*}
}

# As many as a control needs, where the host lets this user have so many.
more_descriptors() {
	local hard
	hard=$(ulimit -Hn)
	[ "$hard" != unlimited ] && [ "$hard" -lt 16384 ] || hard=16384
	ulimit -n "$hard"
}

# flood ID "WHAT" VERDICT LIMIT PAYLOAD...: held when the cell ends with VERDICT, or when the payload
# could not pass the limit. PAUSE is for payloads that keep what they have for a while.
flood() {
	local id=$1 what=$2 want=$3 limit=$4 open answer verdict
	shift 4
	open=$(more_descriptors; outside ./attack "$@")
	# an ordinary user's own limits may stop it
	[ "$(id -u)" = 0 ] || [ "${open%%:*}" != held ] || open=
	tidy
	for who in $(users); do
		inside "$who" --json --limit "$limit" --limit step=$((30 * slow))s -- ./attack "$@" ${PAUSE:+"$PAUSE"} >"$tmp/json"
		answer=$(said)
		verdict=$(field verdict)
		if [ "$verdict" = "$want" ]; then
			answer="held: $verdict, by $(field "${limit%%=*}")"
		elif [ "${answer%%:*}" = held ] && [ "${limit%%=*}" = pids ] && [ "$(field pids)" != rlimit ]; then
			answer="open: verdict $verdict, $answer" # by rlimit, nobody is told of what was refused
		elif [ "${answer%%:*}" != held ]; then
			answer="open: verdict $verdict, $answer"
		fi
		judge "$id $what, as $who" "$answer" "$open"
	done
}

# While a cell does its worst (COMMAND...), others start and end, and have processes of their own.
neighbours() {
	local id=$1 what=$2 open start busy out
	shift 2
	# what it is about: processes count by user outside
	# shellcheck disable=SC2016 # for the inner shell
	open=$(as user bash -c 'for i in 1 2 3 4 5 6 7 8; do sleep 2 & done; ulimit -u 12; exec "$0" share 10' \
		"$tmp/outside/attack" 2>&1)
	for who in $(users); do
		inside "$who" --limit pids=24 --limit step=$((20 * slow))s -- "$@" >/dev/null 2>&1 &
		busy=$!
		sleep 0.5
		start=$SECONDS
		out=$(inside "$who" --limit pids=24 -- ./attack share 20 | head -n 1)
		[ $((SECONDS - start)) -lt $((20 * slow)) ] || out="open: $((SECONDS - start)) seconds for a neighbour"
		wait $busy
		judge "$id $what, as $who" "$out" "$open"
	done
}

# ---- logs ----

# The most memory that one of a command's processes had, as a last line.
peak='import resource, subprocess, sys
subprocess.run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)'

log_flood() {
	local name=$1 script=$2 control=$3 dir=$tmp/flood who
	for who in $(users); do
		rm -rf "$dir" && mkdir -p "$dir/.github/workflows"
		printf 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: %s\n' \
			"$script" >"$dir/.github/workflows/ci.yml"
		printf 'name: small\nlimits: { log: 256KiB, step: %ds }\n' $((30 * slow)) >"$dir/small.yml"
		git -C "$dir" init -q -b main && git -C "$dir" add -A &&
			git -C "$dir" -c user.name=a -c user.email=a@host.example.com commit -qm x
		[ "$who" = root ] || [ "$(id -u)" != 0 ] || chown -R $USER_ID:$USER_ID "$dir"
		(cd "$dir" && as "$who" python3 -c "$peak" timeout -k 5 $((90 * slow)) \
			"$tmp/bin/stepcell" run --image host --policy ./small.yml) \
			>"$tmp/said" 2>"$tmp/stderr" </dev/null
		judge "D5 $name, as $who" "$(log_answer "$who")" "$control"
	done
}

# The verdict, and what was kept of it.
log_answer() {
	local size
	size=$(find "$tmp/$1-state/runs" -name '*.log' -printf '%s\n' | sort -n | tail -n 1)
	if ! grep -q 'log-limit' "$tmp/said" "$tmp/stderr"; then
		echo "open: $(tail -n 3 "$tmp/said" "$tmp/stderr" | tr '\n' ' ')"
	elif [ "$(tail -n 1 "$tmp/said")" -gt 65536 ]; then
		echo "open: $(tail -n 1 "$tmp/said") KiB of memory"
	elif [ "${size:-0}" -gt 524288 ]; then # the last pieces may have grown to three times what was read
		echo "open: $size bytes were kept"
	else
		echo "held: log-limit, $size bytes kept, at most $(tail -n 1 "$tmp/said") KiB of memory"
	fi
	rm -rf "$tmp/$1-state/runs"
}

# ---- what is counted by user, in all namespaces together ----

# Descriptors that wait in sockets: as many as would keep others of that user from sending any.
under_way() {
	local open who out busy
	as user "$tmp/outside/attack" under-way 3 >"$tmp/ready" &
	busy=$!
	within 10 grep -q ready "$tmp/ready"
	open=$(ulimit -Sn 512; as user "$tmp/outside/attack" under-way)
	wait $busy
	for who in $(users); do
		inside "$who" -- ./attack under-way 6 >"$tmp/ready" &
		busy=$!
		within 10 grep -q ready "$tmp/ready"
		out=$(ulimit -Sn 512; inside "$who" -- ./attack unknown | head -n 1)
		out+=", $(ulimit -Sn 512; inside "$who" --tty -- ./attack unknown | head -n 1)"
		case $out in
		*"ENOSYS"*"ENOSYS"*) out="held: the next cells start, one with a terminal" ;;
		*) out="open: the next cells do not start" ;;
		esac
		wait $busy
		judge "D6 descriptors on their way, as $who" "$out" "$open"
	done
}

# Signals set aside: a cell gets a quarter of them.
alarms() {
	local open who half
	half=$(($(ulimit -Hi) / 2)) 2>/dev/null
	if [ "$half" -lt 1000 ] || [ "$half" -gt 200000 ]; then
		skipped "D6 signals set aside" "this host's limit is $(ulimit -Hi)"
		return
	fi
	open=$(outside ./attack fds alarms "$half")
	for who in $(users); do
		judge "D6 signals set aside, as $who" "$(inside "$who" ./attack fds alarms "$half" | head -n 1)" "$open"
	done
}

# ---- time ----

stubborn() {
	local open who start answer
	open=$(outside timeout -k 4 1 ./attack stubborn 3)
	for who in $(users); do
		start=$SECONDS
		inside "$who" --json --limit step=1s -- ./attack stubborn $((30 * slow)) >"$tmp/json"
		answer="held: $(field verdict)"
		[ "$answer" = "held: timeout" ] && [ $((SECONDS - start)) -lt $((20 * slow)) ] ||
			answer="open: $(field verdict) after $((SECONDS - start)) seconds"
		judge "D13 outlasting the time limit, as $who" "$answer" "$open"
	done
}

daemons() {
	local open who start answer
	open=$(outside ./attack daemon 1 | cat)
	for who in $(users); do
		start=$SECONDS
		inside "$who" --json -- ./attack daemon $((25 * slow)) >"$tmp/json"
		answer="held: $(field survivors) killed"
		# the daemon, and perhaps who made it and had not gone yet
		case $(field survivors) in 1 | 2) ;; *) false ;; esac && [ -z "$(said)" ] && [ $((SECONDS - start)) -lt $((20 * slow)) ] ||
			answer="open: $(field survivors) survivors after $((SECONDS - start)) seconds, $(said)"
		judge "D14 a daemon that holds the output, as $who" "$answer" "$open"
	done
}

alive() { pgrep -f "attack outlive $1 " | wc -l; }
gone() { [ "$(alive "$1")" = 0 ]; }

dead_stepcell() {
	local open=held who pid answer mark="mark-$$" left
	outside ./attack outlive "$mark-0" 8 >"$tmp/ready" &
	pid=$!
	within 10 grep -q ready "$tmp/ready"
	kill -9 $pid # the shell around it
	wait $pid 2>/dev/null
	gone "$mark-0" || open="open: it lives on"
	for who in $(users); do
		# no timeout(1) between us and stepcell
		(cd "$tmp/$who" && as "$who" "$tmp/bin/stepcell" exec --image host --checkout . -- \
			./attack outlive "$mark-$who" $((40 * slow)) >"$tmp/ready" 2>"$tmp/stderr" </dev/null) &
		within 10 grep -q ready "$tmp/ready"
		pid=$(pgrep -o -f "$tmp/bin/stepcell exec.*outlive $mark-$who")
		kill -9 "$pid"
		wait $! 2>/dev/null
		within 10 gone "$mark-$who"
		answer="held: nothing lives"
		gone "$mark-$who" || answer="open: $(alive "$mark-$who") processes live"
		inside "$who" true # sweeps
		left=$(find "$tmp/$who-state/cgroups" -type f -size +0; find "$tmp/$who-state" -path '*exec*' -name data)
		[ -z "$left" ] || answer="open: the next start leaves $left"
		judge "D16 stepcell is killed, as $who" "$answer" "$open"
	done
}

# ---- what is left ----

orphans() {
	local open who
	open=$(as user unshare --user --map-root-user --pid --fork --mount-proc "$tmp/outside/attack" orphans 100 2>&1 | tail -n 1)
	for who in $(users); do
		judge "D15 orphans, as $who" "$(inside "$who" --limit pids=64 -- ./attack orphans $((10000 / slow)) | head -n 1)" "$open"
	done
}

teardown() {
	local who start answer open count=$((30000 / slow))
	open=$(outside ./attack names files $count $((count / 2)))
	tidy
	for who in $(users); do
		start=$SECONDS
		inside "$who" --json -- ./attack names files $count $((count / 2)) >"$tmp/json"
		answer="held: $count files went in $((SECONDS - start)) seconds"
		[ "$(said)" = "open: $count files" ] || answer="open: not made, $(said)"
		[ $((SECONDS - start)) -lt $((50 * slow)) ] || answer="open: $((SECONDS - start)) seconds"
		[ -z "$(find "$tmp/$who-state" -path '*/names/*' -print -quit)" ] || answer="open: files are left"
		judge "D21 many files, as $who" "$answer" "$open"
	done
}

namespaces() {
	local open="" who before
	[ "$(id -u)" != 0 ] || open=$(outside ./attack namespaces)
	for who in $(users); do
		before=$(find /proc/[0-9]*/ns -name '*' -printf '%l\n' 2>/dev/null | sort -u | wc -l)
		for _ in $(seq 10); do inside "$who" ./attack namespaces; done | sort -u >"$tmp/out"
		[ "$(wc -l <"$tmp/out")" = 1 ] && [ "$(find /proc/[0-9]*/ns -name '*' -printf '%l\n' 2>/dev/null |
			sort -u | wc -l)" -le $((before + 40)) ] || echo "open: more namespaces than before" >"$tmp/out"
		grep -q "$tmp" /proc/self/mountinfo && echo "open: a mount is left" >"$tmp/out"
		judge "D10 namespaces, ten cells, as $who" "$(head -n 1 "$tmp/out")" "$open"
	done
}

# ---- processor time ----

quota() {
	local open who
	open=$(outside ./attack burn 2 4)
	for who in $(users); do
		inside "$who" --json --limit cpus=0.2 -- ./attack burn 2 4 >"$tmp/json"
		if [ "$(field cpus)" != cgroup ]; then
			skipped "D11 more than a fifth of a processor, as $who" "no cpu cgroup for this user"
			continue
		fi
		judge "D11 more than a fifth of a processor, as $who" "$(said)" "$open"
	done
}

answers() {
	local open who
	# one answer may be an init's; outside there are two at least, the canary's and this shell's
	# shellcheck disable=SC2016 # for the inner shell
	open=$(as user bash -c '"$0" answers; :' "$tmp/outside/attack")
	for who in $(users); do
		judge "D17 signals to others, as $who" "$(inside "$who" ./attack answers | head -n 1)" "$open"
	done
}

dumps() {
	local open who
	open=$(cd "$tmp/outside" && ulimit -c unlimited && ./attack dump 2>&1)
	tidy
	for who in $(users); do
		judge "D18 core dumps, as $who" "$(inside "$who" ./attack dump | head -n 1)" "$open"
	done
}

nothing_left() {
	local left
	left=$(find "$tmp"/*-state/cgroups -type f -size +0 2>/dev/null; pgrep -f "$tmp/bin/stepcell"
		find "$tmp"/*-state -path '*/data/*' -name 'fill.*' -print -quit)
	if [ -z "$left" ]; then
		pass "nothing is left: no cgroup, no process, no file"
	else
		fail "nothing is left: no cgroup, no process, no file" "$left"
	fi
}

# ---- the rows ----

flood D1 "processes" pids-limit pids=48 forks
flood D1 "threads" pids-limit pids=48 pthreads
for kind in anonymous shared memfd dev-shm sysv locked pipes sockets; do
	PAUSE=$((8 * slow)) flood D2 "memory: $kind" out-of-memory memory=64MiB memory $kind 160 96
done
attack D2 "terminals" any ptys 100
for way in named unlinked tmpfile mapped shared queued executed xattrs; do
	PAUSE=$((8 * slow)) flood D3 "disk: $way" disk-limit disk=16MiB fill $way 96 64
done
# no count is as quick as these: refused, not counted
for way in reserved by-ioctl zeroed; do
	flood D3 "disk: $way" disk-limit disk=16MiB fill $way 96 64
done
PAUSE=$((8 * slow)) flood D3 "disk: descriptors of a thread" disk-limit disk=16MiB fill-thread 96 64
for kind in files directories links hard-links; do
	PAUSE=$((8 * slow)) flood D4 "names: $kind" disk-limit files=500 names $kind 2000 1000
done
bytes=$(yes | head -c 1000000 | wc -c)
log_flood "a flood of lines" "yes" "open: $bytes"
log_flood "one line without an end" "yes | tr -d '\\n' | head -c 64M" "open: $bytes"
log_flood "zeros" "head -c 64M /dev/zero" "open: $bytes"
log_flood "a byte at a time" "python3 -c 'import os; [os.write(1, b\"x\") for i in range(2000000)]'" "open: $bytes"
for kind in files eventfds epolls timerfds signalfds inotifies; do
	bound=1500
	[ $kind != inotifies ] || bound=64 # one user's are 128 by default
	open=$(more_descriptors; outside ./attack fds $kind $bound)
	for who in $(users); do
		judge "D6 descriptors: $kind, as $who" \
			"$(inside "$who" --limit open-files=$((bound / 2)) -- ./attack fds $kind $bound | head -n 1)" "$open"
	done
done
under_way
alarms
namespaces
attack D11 "priorities" root priorities
quota
neighbours D12 "beside a cell that flushes" ./attack flush 4
stubborn
daemons
orphans
dead_stepcell
answers
dumps
neighbours D20 "beside a cell without a process to spare" ./attack share 100
teardown
nothing_left
echo "1..$tests"
exit $((failed > 0))
