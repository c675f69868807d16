# rig.bash: what the attacks on single cells share: canaries, the payload (attack.c), a row's judge.
#
# A row passes when the payload says "held" inside, the canaries are untouched, and the same payload
# outside of a cell finds the way open. Where it cannot be tried the row is skipped with the reason;
# STEPCELL_MUST_RUN=1 makes that a failure. Outside, payloads run in mount and network namespaces of
# their own, so that what they can do, they do to nobody.
# shellcheck shell=bash disable=SC2034 # what is set here is for those who source this

# shellcheck source=tests/escape/place.bash
. "$(dirname "${BASH_SOURCE[0]}")/place.bash"
helpers=()

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	[ ${#helpers[@]} -eq 0 ] || kill "${helpers[@]}" 2>/dev/null
	wait 2>/dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT

# ---- what must not change, and what nobody may reach ----

plant() {
	echo "canary $RANDOM$RANDOM" >"$tmp/canary"
	mkdir "$tmp/.git"
	printf '[http]\n\textraheader = canary-token\n' >"$tmp/.git/config"
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
	within 10 test -e "$tmp/ports"
	read -r port abstract <"$tmp/ports"
	touch "$tmp/visitors"
	sleep $((600 * slow)) &
	helpers+=($!)
	root_canary=$!
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid $USER_ID --regid $USER_ID --clear-groups sleep $((600 * slow)) &
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
	sha256sum "$tmp"/*bin/stepcell "$tmp/canary" "$tmp/visitors" "$tmp/.git/config"
	find "$tmp"/*-state/store/{blobs,trees,images} -printf '%p %m %U %G %s %T@ %l\n' | sort
	find "$tmp"/*-state/store/{blobs,trees,images} -type f -print0 | sort -z | xargs -0 sha256sum
	stat -c '%n %a %u %g %s %Y' "$tmp/canary" "$tmp"/*bin/stepcell
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
	(cd "$tmp/$who" && as "$who" timeout -k 5 $((60 * slow)) "${bin:-$tmp/bin/stepcell}" exec --image "${image:-host}" --checkout . \
		"${options[@]}" -- "$@") 2>"$tmp/stderr" </dev/null
}

# The same payload without a cell. Root's go where mounts and interfaces are nobody's.
outside() {
	if [ "$(id -u)" = 0 ]; then
		(cd "$tmp/outside" && timeout -k 5 $((60 * slow)) unshare --mount --uts --ipc "$@") 2>&1 </dev/null
	else
		(cd "$tmp/outside" && timeout -k 5 $((60 * slow)) "$@") 2>&1 </dev/null
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

# ---- set up ----

mkdir -p "$tmp"/{bin,root,user,outside,root-state,user-state,user-home}
# ATTACK is a payload that was compiled elsewhere, for a machine without a compiler.
if [ -n "${ATTACK-}" ]; then
	cp "$ATTACK" "$tmp/outside/attack"
else
	gcc -std=gnu17 -O1 -D_GNU_SOURCE -Wall -Wextra -o "$tmp/outside/attack" "$here"/*.c -lseccomp -lpthread
fi || exit 1
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

# The first cell of each makes the host's image: what the store holds is compared from there on.
for who in $(users); do
	[ "$(inside "$who" ./attack unknown | head -n 1)" = "held: ENOSYS" ] && continue
	echo "Bail out! a cell does not start: $(tail -n 3 "$tmp/stderr" | tr '\n' ' ')"
	exit 1
done
snapshot >"$tmp/before" 2>/dev/null

# processes "WHAT" [OPTION...]: other processes' memory and descriptors; a process of one's own outside is the canary.
processes() {
	local open canary what=$1
	shift
	for who in $(users); do
		canary=$root_canary
		[ "$who" = root ] || canary=$user_canary
		open=$(as "$who" "$tmp/outside/attack" processes "$canary")
		judge "$what, as $who" "$(inside "$who" "$@" ./attack processes "$canary")" "$open"
	done
}
