#!/bin/bash
# run.sh: attack every wall from inside a cell, as root and as an ordinary user. TAP, a line an attack.
#
# A row passes when the payload (attack.c) says "held" inside, the canaries are untouched, and the same
# payload outside of a cell finds the way open. Where it cannot be tried the row is skipped with the
# reason; STEPCELL_MUST_RUN=1 makes that a failure. Outside, payloads run in mount and network namespaces
# of their own, so that what they can do, they do to nobody.
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
STEPCELL=${STEPCELL:-$top/build/release/stepcell}
USER_ID=64123 # nobody's
tmp=$(mktemp -d /tmp/stepcell-escape.XXXXXX) || exit 1
chmod 755 "$tmp"
helpers=()

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	[ ${#helpers[@]} -eq 0 ] || kill "${helpers[@]}" 2>/dev/null
	wait 2>/dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT

# shellcheck source=tests/escape/say.bash
. "$here/say.bash"

# ---- what must not change, and what nobody may reach ----

plant() {
	echo "canary $RANDOM$RANDOM" >"$tmp/canary"
	export CANARY_ENV=$RANDOM$RANDOM
	python3 - "$tmp" <<-'END' &
		import os, select, socket, sys
		tcp = socket.create_server(("127.0.0.1", 0))
		local = socket.socket(socket.AF_UNIX)
		name = "escape-%d" % os.getpid()
		local.bind("\0" + name)
		local.listen()
		with open(sys.argv[1] + "/ports.new", "w") as f:
		    f.write("%d %s\n" % (tcp.getsockname()[1], name))
		os.rename(sys.argv[1] + "/ports.new", sys.argv[1] + "/ports")
		while True:
		    for s in select.select([tcp, local], [], [])[0]:
		        s.accept()[0].close()
		        with open(sys.argv[1] + "/visitors", "a") as f:
		            f.write("visitor\n")
	END
	helpers+=($!)
	for _ in $(seq 100); do
		[ -e "$tmp/ports" ] && break
		sleep 0.1
	done
	read -r port abstract <"$tmp/ports"
	touch "$tmp/visitors"
	sleep 600 &
	helpers+=($!)
	root_canary=$!
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid $USER_ID --regid $USER_ID --clear-groups sleep 600 &
		helpers+=($!)
		user_canary=$!
	else
		user_canary=$root_canary
	fi
}

own_cgroups() {
	awk -F: '$2 != "" && $2 !~ /name=/ { print "/sys/fs/cgroup/" $2 $3 } $2 == "" { print "/sys/fs/cgroup/unified" $3; print "/sys/fs/cgroup" $3 }' \
		/proc/self/cgroup
}

snapshot() {
	sha256sum "$tmp/bin/stepcell" "$tmp/canary" "$tmp/visitors"
	stat -c '%n %a %u %g %s %Y' "$tmp/canary" "$tmp/bin/stepcell"
	find "$tmp/root" "$tmp/user" -printf '%p %m %U %G %s %T@\n' | sort
	cat /proc/sys/kernel/{core_pattern,modprobe,hostname,domainname} 2>/dev/null
	own_cgroups | while read -r dir; do
		grep -sH . "$dir"/{memory.limit_in_bytes,memory.max,pids.max,cpu.max,cpu.cfs_quota_us,notify_on_release,release_agent}
	done
	for pid in "${helpers[@]}"; do
		kill -0 "$pid" && echo "$pid lives"
	done
	return 0
}

# ---- running a payload ----

# as root|user COMMAND...
as() {
	local who=$1
	shift
	if [ "$who" = user ] && [ "$(id -u)" = 0 ]; then
		setpriv --reuid $USER_ID --regid $USER_ID --clear-groups \
			env HOME="$tmp/user-home" STEPCELL_HOME="$tmp/user-state" "$@"
	else
		env STEPCELL_HOME="$tmp/$who-state" "$@"
	fi
}

# inside root|user [OPTION... --] COMMAND...: in a cell whose checkout is the folder of payloads
inside() {
	local who=$1 options=()
	shift
	case $1 in
	--*)
		while [ "$1" != -- ]; do options+=("$1") && shift; done
		shift
		;;
	esac
	(cd "$tmp/$who" && as "$who" timeout -k 5 60 "$tmp/bin/stepcell" exec --image host --checkout . \
		"${options[@]}" -- "$@") 2>"$tmp/stderr" </dev/null
}

# The same payload without a cell. Root's go where mounts and interfaces are nobody's.
outside() {
	if [ "$(id -u)" = 0 ]; then
		(cd "$tmp/outside" && timeout -k 5 60 unshare --mount --uts --ipc "$@") 2>&1 </dev/null
	else
		(cd "$tmp/outside" && timeout -k 5 60 "$@") 2>&1 </dev/null
	fi
}

whole() {
	snapshot 2>/dev/null | diff "$tmp/before" - >"$tmp/changes"
}

# judge NAME OUTPUT CONTROL: the one place where a row is decided
judge() {
	case $2 in
	held:*) ;;
	cannot:*)
		skipped "$1" "${2#cannot: }"
		return
		;;
	*)
		fail "$1" "inside: $2" "$(tail -n 5 "$tmp/stderr")"
		return
		;;
	esac
	if ! whole; then
		fail "$1" "canaries changed:" "$(cat "$tmp/changes")"
		snapshot >"$tmp/before" 2>/dev/null
	elif [ -z "$3" ]; then
		pass "$1: ${2#held: } (no control: it takes root)"
	else
		case $3 in
		*open:*) pass "$1: ${2#held: }" ;;
		*) fail "$1" "the control finds nothing open outside: $3" ;;
		esac
	fi
}

users() {
	[ "$(id -u)" = 0 ] && echo root
	echo user
}

# attack ID "WHAT" CONTROL PAYLOAD [ARGUMENT...]: CONTROL is any, or root where outside takes root,
# or a list of arguments that the control gets instead
attack() {
	local id=$1 what=$2 control=$3 open=
	shift 3
	case $control in
	any) open=$(outside ./attack "$@") ;;
	root) [ "$(id -u)" != 0 ] || open=$(outside ./attack "$@") ;;
	*)
		# shellcheck disable=SC2086 # words on purpose
		open=$(outside ./attack "$1" $control)
		;;
	esac
	for who in $(users); do
		judge "$id $what, as $who" "$(inside "$who" ./attack "$@" | head -n 1)" "$open"
	done
}

# ---- rows that need more than a payload ----

set_id() {
	local open
	if [ "$(id -u)" != 0 ]; then
		skipped "C1 set-id programs" "planting one takes root"
		return
	fi
	open=$(as user "$tmp/outside/suid" setid)
	for who in $(users); do
		judge "C1 a set-uid program, as $who" "$(inside "$who" ./suid setid)" "$open"
	done
	if ! setcap cap_net_raw,cap_sys_admin+ep "$tmp/outside/filecaps" 2>/dev/null; then
		skipped "C1 file capabilities" "setcap does not work here"
		return
	fi
	open=$(as user "$tmp/outside/filecaps" setid)
	for who in $(users); do
		judge "C1 file capabilities, as $who" "$(inside "$who" ./filecaps setid)" "$open"
	done
}

processes() {
	local open canary
	for who in $(users); do
		canary=$root_canary
		[ "$who" = root ] || canary=$user_canary
		open=$(as "$who" "$tmp/outside/attack" processes "$canary")
		judge "C21 other processes, as $who" "$(inside "$who" ./attack processes "$canary")" "$open"
	done
}

# The control itself leaves a trace with the listeners: the canaries count from there.
listeners() {
	local open
	open=$(outside ./attack connect "$port" "$abstract")
	sleep 0.5
	snapshot >"$tmp/before" 2>/dev/null
	for who in $(users); do
		judge "E3 listeners of the host, as $who" \
			"$(inside "$who" ./attack connect "$port" "$abstract")" "$open"
	done
}

terminal() {
	local open
	if ! command -v script >/dev/null; then
		skipped "C14 typing into the terminal" "there is no script(1)"
		return
	fi
	open=$(cd "$tmp/outside" && script -qec "./attack terminal" /dev/null </dev/null)
	for who in $(users); do
		judge "C14 typing into the terminal, as $who" \
			"$(cd "$tmp/$who" && as "$who" script -qec \
				"'$tmp/bin/stepcell' exec --image host --checkout . -- ./attack terminal" \
				/dev/null </dev/null 2>&1 | tr -d '\r' | grep -m1 -E '^(held|open|cannot)')" \
			"$open"
	done
}

field() {
	grep -oE "\"$1\":\"[a-z-]*\"" "$tmp/json" | head -n 1 | cut -d'"' -f4
}

# flood ID "WHAT" VERDICT LIMIT PAYLOAD...: held when the cell ends with VERDICT, or the payload could
# not pass the limit
flood() {
	local id=$1 what=$2 want=$3 limit=$4 open said verdict
	shift 4
	open=$(ulimit -n 8192 2>/dev/null; outside ./attack "$@")
	[ "$1" != memory ] || set -- "$@" 4
	for who in $(users); do
		inside "$who" --json --limit "$limit" --limit step=40s -- ./attack "$@" >"$tmp/json"
		said=$(grep -m1 -E '^(held|open|cannot):' "$tmp/stderr")
		verdict=$(field verdict)
		if [ "$verdict" = "$want" ]; then
			said="held: $verdict"
		elif [ "${limit%%=*}" = memory ] && [ "${said%%:*}" = open ] && [ "$(field memory)" != cgroup ]; then
			said="cannot: no memory cgroup for this user: $(field memory) alone, ${said#open: }"
		elif [ "${said%%:*}" = held ] && [ "$(field pids)" = rlimit ]; then
			: # the kernel tells nobody of a refusal by rlimit, so the verdict cannot
		elif [ "${limit%%=*}" = pids ]; then
			said="open: verdict $verdict, $said"
		fi
		judge "$id $what, as $who" "$said" "$open"
	done
}

# Other cells start and end while one of them is full.
neighbour() {
	local start
	for who in $(users); do
		inside "$who" --limit pids=24 --limit step=30s -- \
			sh -c 'for i in 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0; do sleep 4 & done 2>/dev/null; sleep 4' >/dev/null &
		sleep 0.5
		start=$SECONDS
		if inside "$who" true && [ $((SECONDS - start)) -lt 10 ]; then
			pass "D1 a neighbour starts beside a full cell, as $who"
		else
			fail "D1 a neighbour starts beside a full cell, as $who" "$(cat "$tmp/stderr")"
		fi
		wait $!
	done
}

nothing_left() {
	local left
	left=$(find "$tmp"/*-state/cgroups -type f -size +0 2>/dev/null; pgrep -f "$tmp/bin/stepcell")
	if [ -z "$left" ]; then
		pass "nothing is left: no cgroup, no process"
	else
		fail "nothing is left: no cgroup, no process" "$left"
	fi
}

# ---- set up ----

mkdir -p "$tmp"/{bin,root,user,outside,root-state,user-state,user-home}
gcc -std=gnu17 -O1 -D_GNU_SOURCE -Wall -Wextra -o "$tmp/outside/attack" "$here"/*.c -lseccomp -lpthread ||
	exit 1
cp "$STEPCELL" "$tmp/bin/stepcell"
export STEPCELL_DATA="$tmp/data"
mkdir "$tmp/data" && cp -r "$top/policies" "$tmp/data/"
[ ! -d "$top/rootfs" ] || cp -r "$top/rootfs" "$tmp/data/"
chmod -R a+rX "$tmp/data"
for dir in outside root user; do
	[ $dir = outside ] || cp "$tmp/outside/attack" "$tmp/$dir/attack"
	cp "$tmp/outside/attack" "$tmp/$dir/suid"
	cp "$tmp/outside/attack" "$tmp/$dir/filecaps"
	chmod 755 "$tmp/$dir" "$tmp/$dir"/*
done
chmod 700 "$tmp"/*-state
if [ "$(id -u)" = 0 ]; then
	chown -R $USER_ID:$USER_ID "$tmp"/user "$tmp"/user-state "$tmp"/user-home
	for dir in outside root user; do
		chown 0:0 "$tmp/$dir/suid" "$tmp/$dir/filecaps"
		chmod 4755 "$tmp/$dir/suid"
		[ $dir = outside ] || setcap cap_net_raw,cap_sys_admin+ep "$tmp/$dir/filecaps" 2>/dev/null
	done
fi
plant
snapshot >"$tmp/before" 2>/dev/null

if [ "$(inside user ./attack unknown | head -n 1)" != "held: ENOSYS" ]; then
	echo "Bail out! a cell does not start: $(tail -n 3 "$tmp/stderr" | tr '\n' ' ')"
	exit 1
fi

# ---- the rows ----

# shellcheck disable=SC2046 # words on purpose
{
	set_id
	attack C2 "threads without clone3" any threads
	attack C3 "namespaces" root namespaces
	attack C4 "the mount API" any mount-api
	attack C5 "mount" root mount
	attack C5 "chroot" root chroot
	attack C6 "remounting" root remount
	attack C7 "device nodes" root mknod
	attack C8 "devices" any devices
	attack C9 "capabilities" any caps
	attack C10 "refused calls" any calls
	attack C11 "io_uring" any io-uring
	attack C12 "foreign ABIs" any foreign-abi
	terminal
	attack C17 "the kernel's settings" root open-write /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe \
		/proc/sys/kernel/hostname /proc/sys/vm/drop_caches /proc/sys/fs/binfmt_misc/register \
		/proc/sys/net/ipv4/ip_forward /sys/kernel/uevent_helper /sys/kernel/mm/ksm/run
	attack C18 "mounting cgroups" root cgroup-mount
	attack C19 "cgroup files" any cgroup
	attack C19 "writing them" root open-write $(own_cgroups | sed 's|$|/cgroup.procs|') \
		/sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/pids/cgroup.procs /sys/fs/cgroup/memory/memory.limit_in_bytes
	attack C20 "triggers" root open-write /proc/sysrq-trigger /dev/kmsg
	attack C20 "what the kernel tells" any open-read /proc/kcore /proc/kallsyms /proc/keys /proc/timer_list \
		/proc/interrupts /proc/kmsg /dev/kmsg /proc/modules /proc/sched_debug /sys/class/powercap /sys/kernel /proc/1/environ
	processes
	attack C23 "netlink and raw sockets" any netlink
	attack C24 "socket families" 17 families 0 $(seq 3 9) $(seq 11 15) $(seq 17 50)
	listeners
	flood D1 "processes" pids-limit pids=48 forks
	flood D1 "threads" pids-limit pids=48 pthreads
	neighbour
	for kind in anonymous shared memfd dev-shm sysv locked pipes sockets; do
		flood D2 "memory: $kind" out-of-memory memory=64MiB memory $kind 160 96
	done
	nothing_left
}
echo "1..$tests"
exit $((failed > 0))
