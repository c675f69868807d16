#!/bin/bash
# run.sh: attack every wall from inside a cell, as root and as an ordinary user. TAP, a line an attack.
set -u

# shellcheck source=tests/escape/rig.bash
. "$(dirname "$0")/rig.bash"

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

# terminal "ID WHAT" PAYLOAD: stepcell on a real terminal of the operator's
terminal() {
	local open who
	if ! command -v script >/dev/null; then
		skipped "$1" "there is no script(1)"
		return
	fi
	open=$(cd "$tmp/outside" && script -qec "./attack $2" /dev/null </dev/null)
	for who in $(users); do
		judge "$1, as $who" \
			"$(cd "$tmp/$who" && as "$who" script -qec \
				"'$tmp/bin/stepcell' exec --image host --checkout . -- ./attack $2" \
				/dev/null </dev/null 2>&1 | tr -d '\r' | grep -m1 -E '^(held|open|cannot)')" \
			"$open"
	done
}

# Run COMMAND where somebody sits at a terminal; "open" too when that terminal is not as it was after it.
at_terminal() {
	local said
	said=$(timeout $((60 * slow)) python3 "$top/tests/e2e/onpty.py" -- bash -c \
		"$1; bash -c 'read -r -t 0.5 -n 1 key && echo \"typed: \$key\"'; echo reached" 2>&1)
	case $said in
	*typed:* | *CHANGED*) echo "open: the terminal outside: ${said//$'\n'/ }" ;;
	*reached*) grep -m1 -E '^(held|open|cannot)' <<<"$said" ;;
	*) echo "open: nobody can type outside any more: ${said//$'\n'/ }" ;;
	esac
}

own_terminal() {
	local open attack
	for attack in terminal meddle; do
		open=$(cd "$tmp/outside" && at_terminal "./attack $attack")
		for who in $(users); do
			judge "C14, C15 $attack, by a terminal of its own, as $who" \
				"$(cd "$tmp/$who" && at_terminal "$(declare -f as); USER_ID=$USER_ID tmp=$tmp; as $who \
					'$tmp/bin/stepcell' exec --tty --image host --checkout . -- ./attack $attack")" \
				"$open"
		done
	done
}

# Nodes of its own are root's to make: an ordinary user's cell has the host's, as docs/SANDBOX.md says.
shared_node() {
	local open
	[ "$(id -u)" = 0 ] || return
	exec 8>/dev/full
	flock -n 8 || { exec 8>&-; skipped "C8 a lock on a device that others have" "somebody locks it here"; return; }
	open=$(cd "$tmp/outside" && ./attack shared-node /dev/full 8>&-)
	judge "C8 a lock on a device that others have, as root" "$(inside root ./attack shared-node /dev/full)" "$open"
	exec 8>&-
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
	shared_node
	attack C9 "capabilities" any caps
	attack C10 "refused calls" any calls
	attack C11 "io_uring" any io-uring
	attack C12 "foreign ABIs" any foreign-abi
	terminal "C14 typing into the terminal" terminal
	terminal "C15 setting the terminal" tty
	own_terminal
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
	processes "C21 other processes"
	attack C23 "netlink and raw sockets" any netlink
	attack C24 "socket families" 17 families 0 $(seq 3 9) $(seq 11 15) $(seq 17 50)
	listeners
	nothing_left
}
echo "1..$tests"
exit $((failed > 0))
