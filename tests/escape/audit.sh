#!/bin/bash
# audit.sh: --audit changes no answer and opens no hole. The attacks on the filter once more under an audit,
# and attacks on the audit itself. TAP, a line an attack.
set -u

# shellcheck source=tests/escape/rig.bash
. "$(dirname "$0")/rig.bash"

# audited ID "WHAT" CONTROL PAYLOAD [ARGUMENT...]: as attack, and word for word what it is without an audit.
audited() {
	local id=$1 what=$2 control=$3 open='' plain said
	shift 3
	case $control in
	any) open=$(outside ./attack "$@") ;;
	root) [ "$(id -u)" != 0 ] || open=$(outside ./attack "$@") ;;
	*) open=$(outside ./attack "$1" "$control") ;;
	esac
	for who in $(users); do
		plain=$(inside "$who" ./attack "$@" | head -n 1)
		said=$(inside "$who" --audit -- ./attack "$@" | head -n 1)
		[ "$said" = "$plain" ] || said="without an audit '$plain', with one '$said'"
		judge "audit, $id $what, as $who" "$said" "$open"
	done
}

# alone "WHAT" CONTROL PAYLOAD [ARGUMENT...]: what there is under an audit only.
alone() {
	local what=$1 control=$2 open
	shift 2
	open=$(outside ./attack "$1" "$control")
	for who in $(users); do
		judge "audit, $what, as $who" "$(inside "$who" --audit -- ./attack "$@" | head -n 1)" "$open"
	done
}

# What the report says of a flood: its kinds are capped, and nothing is missing from the sum.
counts_of() {
	python3 - "$1" "$2" <<-'END'
		import json, sys
		report = json.loads(open(sys.argv[1]).read().splitlines()[-1])
		refused = [r for r in report["refused"] if isinstance(r, dict)]
		made, counted = int(sys.argv[2]), sum(r["count"] for r in refused)
		if report["verdict"] != "passed":
		    print("verdict", report["verdict"])
		elif len(refused) > 129 or refused[-1]["call"] != "others":
		    print(len(refused), "kinds, the last", refused[-1]["call"])
		elif not made <= counted <= made + 100:
		    print("made", made, "counted", counted)
		else:
		    print("held: every call answered alike and counted, in", len(refused), "kinds")
	END
}

flood() {
	local open said made began
	open=$(outside ./attack flood 0.1)
	for who in $(users); do
		began=$SECONDS
		inside "$who" --audit --json --limit step=$((40 * slow))s -- ./attack flood 3 >"$tmp/json"
		said=$(grep -m1 -E '^(held|open|cannot):' "$tmp/stderr")
		made=$(tr -dc 0-9 <<<"$said")
		[ "${said%%:*}" != held ] || said=$(counts_of "$tmp/json" "${made:-0}")
		[ $((SECONDS - began)) -lt $((35 * slow)) ] || said="it took $((SECONDS - began)) seconds"
		judge "audit, a flood of refused calls under ever new names, as $who" "$said" "$open"
	done
}

# A loop of refused calls, and the work of refusing them, are the cell's own time: its quota holds for both.
quota() {
	local said open
	open=$(outside ./attack flood 0.1)
	for who in $(users); do
		inside "$who" --audit --json --limit cpus=0.25 --limit step=$((40 * slow))s -- ./attack flood 4 >"$tmp/json"
		said=$(python3 - "$tmp/json" <<-'END'
			import json, sys
			report = json.loads(open(sys.argv[1]).read().splitlines()[-1])
			usage, means = report["usage"], report["means"]["cpus"]
			share = (usage["user_us"] + usage["system_us"]) / usage["wall_us"]
			if means != "cgroup":
			    print("cannot: no cgroup for this user")
			elif share > 0.4:
			    print("open: %.2f processors" % share)
			else:
			    print("held: its quota")
		END
		)
		judge "audit, D11 a flood within its quota, as $who" "$said" "$open"
	done
}

# ---- the rows ----

# shellcheck disable=SC2046 # words on purpose
{
	audited C2 "threads without clone3" any threads
	audited C3 "namespaces" root namespaces
	audited C4 "the mount API" any mount-api
	audited C5 "mount" root mount
	audited C5 "chroot" root chroot
	audited C6 "remounting" root remount
	audited C7 "device nodes" root mknod
	audited C9 "capabilities" any caps
	audited C10 "refused calls" any calls
	audited C11 "io_uring" any io-uring
	audited C12 "foreign ABIs" any foreign-abi
	audited C23 "netlink and raw sockets" any netlink
	audited C24 "socket families" 17 families 0 $(seq 3 9) $(seq 11 15) $(seq 17 50)
	processes "audit, C21 other processes and the responder" --audit --
	alone "filters of the step's own" '' filters
	alone "the listener among its descriptors" own listener
	alone "signals to the responder" '' responder
	alone "signals while a call is judged" '' storm
	flood
	quota
}
echo "1..$tests"
exit $((failed > 0))
