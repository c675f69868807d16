#!/bin/bash
# reach.sh: attacks on stepcell through what a cell could get hold of (its program, its descriptors, its
# init, its environment), and on the network. TAP, a line an attack; run.sh has those on the kernel.
set -u

# shellcheck source=tests/escape/rig.bash
. "$(dirname "$0")/rig.bash"

# beside COMMAND...: meanwhile other cells start and end.
beside() {

	for _ in 1 2 3; do
		(cd "$tmp/outside" && as root timeout $((20 * slow)) "$tmp/bin/stepcell" exec --image host -- sleep 0.2) \
			>/dev/null 2>&1 </dev/null
	done &
	"$@"
	wait $!
}

# ---- stepcell's program ----

# As an ordinary user the program is the user's own: nothing but the cell keeps it from being written.
own_program() {
	mkdir "$tmp/user-bin"
	cp "$STEPCELL" "$tmp/user-bin/stepcell"
	cp "$tmp/outside/attack" "$tmp/user-bin/victim"
	[ "$(id -u)" != 0 ] || chown -R $USER_ID:$USER_ID "$tmp/user-bin"
	snapshot >"$tmp/before" 2>/dev/null
}

program() { [ "$1" = root ] && echo "$tmp/bin/stepcell" || echo "$tmp/user-bin/stepcell"; }

programs() {
	local open who
	open=$(cd "$tmp/user-bin" && as user "$tmp/outside/attack" programs ./victim nap 300)
	for who in $(users); do
		judge "A1 programs of others, as $who" \
			"$(bin=$(program "$who") beside inside "$who" ./attack programs | head -n 1)" "$open"
	done
}

# The kernel reads '#!/proc/self/exe' while the program is still stepcell: so a script of one line starts
# stepcell in the cell, with a library of the attacker's.
interpreter() {
	local open who
	if ! cp "${ATTACK_LIBRARY-}" "$tmp/outside/evil.so" 2>/dev/null &&
		! gcc -shared -fPIC -o "$tmp/outside/evil.so" "$here/lib/evil.c" 2>/dev/null; then
		skipped "A1 a script whose interpreter is /proc/self/exe" "needs gcc"
		return
	fi
	for who in outside root user; do
		[ $who = outside ] || cp "$tmp/outside/evil.so" "$tmp/$who/"
		printf '#!/proc/self/exe\n' >"$tmp/$who/script"
		chmod 755 "$tmp/$who/script"
	done
	snapshot >"$tmp/before" 2>/dev/null
	open=$(cd "$tmp/outside" && as user env LD_PRELOAD="$tmp/outside/evil.so" "$tmp/user-bin/victim" exec ./script)
	for who in $(users); do
		bin=$(program "$who") inside "$who" --env LD_PRELOAD="/home/runner/work/$who/$who/evil.so" -- ./script >"$tmp/said"
		[ -s "$tmp/said" ] || grep -q 'Permission denied' "$tmp/stderr" &&
			echo "held: the script is refused" >>"$tmp/said"
		judge "A1 a script whose interpreter is /proc/self/exe, as $who" "$(head -n 1 "$tmp/said")" "$open"
	done
}

# ---- descriptors, newcomers, verdicts ----

descriptors() {
	local open who code
	exec 7<"$tmp"
	open=$(outside ./attack descriptors)
	for who in $(users); do
		judge "A2 descriptors left open, as $who" "$(inside "$who" ./attack descriptors)" "$open"
		inside "$who" --workdir /proc/self/fd/7 -- ./attack descriptors >/dev/null
		code=$?
		if [ $code = 125 ] && grep -q 'workdir\|working directory\|/proc/self/fd/7' "$tmp/stderr"; then
			judge "A2 a working directory behind a descriptor, as $who" "held: refused" "$open"
		else
			judge "A2 a working directory behind a descriptor, as $who" "open: exit $code" "$open"
		fi
	done
	exec 7<&-
}

newcomers() {
	local open who
	open=$(outside ./attack newcomers "$root_canary")
	for who in $(users); do
		judge "A3 processes that are entering, as $who" "$(beside inside "$who" ./attack newcomers)" "$open"
	done
}

field() {
	grep -oE "\"$1\":(\"[a-z-]*\"|[0-9]+)" "$tmp/said" | tail -n 1 | cut -d: -f2 | tr -d '"'
}

verdicts() {
	local open who keeper held
	for who in $(users); do
		sleep 60 &
		keeper=$!
		open=$(outside ./attack forge $keeper | tail -n 1)
		kill $keeper 2>/dev/null
		wait $keeper 2>/dev/null
		inside "$who" --json -- ./attack forge >"$tmp/said"
		held=$(grep -m1 -E '^(held|open|cannot):' "$tmp/stderr")
		[ "$(field verdict)" = failed ] && [ "$(field exit)" = 7 ] || held="open: $(tail -n 1 "$tmp/said")"
		judge "A15 a forged verdict, as $who" "$held" "$open"
	done
}

# ---- what is told ----

# What an image's environment may add begins with PIP_ here.
environment() {
	local open who canary
	canary=$(rev <<<"$CANARY_ENV")
	open=$(outside ./attack environment "$canary")
	for who in $(users); do
		judge "E9 the environment, as $who" "$(inside "$who" ./attack environment "$canary" \
			HOME PATH LANG PWD PIP_DISABLE_PIP_VERSION_CHECK PIP_BREAK_SYSTEM_PACKAGES)" "$open"
	done
	open=$(outside ./attack title /proc/self/cmdline a b c d e f g h)
	for who in $(users); do
		judge "E9 the operator's command line, as $who" "$(inside "$who" ./attack title)" "$open"
	done
}

# A command line that is shorter than init's name: what follows it in memory is the environment.
short_line() {
	local who said open
	open=$(env -i "$CANARY_ENV=1" sh -c 'tr "\0" "\n" </proc/self/environ' | grep -q "$CANARY_ENV" && echo "open: it is there")
	for who in $(users); do
		ln -sf "$(program "$who")" "$tmp/outside/s"
		said=$(cd / && echo 'cat /proc/1/cmdline' | as "$who" env PATH="$tmp/outside:$PATH" \
			sh -c 'exec env -i "$0=1" STEPCELL_HOME="$STEPCELL_HOME" STEPCELL_DATA="$STEPCELL_DATA" PATH="$PATH" s exec sh' \
			"$CANARY_ENV" 2>"$tmp/stderr" | tr -d '\0')
		case $said in
		stepcell*[!a-z-]* | '') said="open: '$said'" ;;
		*) said="held: '$said'" ;;
		esac
		judge "E9 the environment behind a short command line, as $who" "$said" "$open"
	done
	rm "$tmp/outside/s"
}

# ---- the network ----

# alone ADDRESS COMMAND...: in a network that is nothing but a loopback, which has that address too.
alone() {
	local user=() address=$1
	shift
	[ "$(id -u)" = 0 ] || user=(--user --map-root-user)
	(cd "$tmp/outside" && timeout -k 5 $((60 * slow)) unshare "${user[@]}" --net --mount sh -c '
		ip link set lo up && ip addr add "$0/32" dev lo && exec "$@"' "$address" "$@") 2>/dev/null </dev/null
}

sent() {
	local name=$1 open who
	shift
	open=$(alone "$1" ./attack egress "$1")
	for who in $(users); do
		judge "$name, as $who" "$(inside "$who" ./attack egress "$@")" "$open"
	done
}

resolvers() {
	local open who
	open=$(alone 192.0.2.1 ./attack resolve serve)
	for who in $(users); do
		judge "E7 a secret in a name, as $who" "$(inside "$who" ./attack resolve)" "$open"
	done
}

# The controls leave a trace with the listeners: the canaries count from there.
spellings() {
	local open who
	open=$(outside ./attack spellings "$port" 127.0.0.1)
	sleep 0.5
	snapshot >"$tmp/before" 2>/dev/null
	for who in $(users); do
		judge "E8 a listener of the host under other spellings, as $who" "$(inside "$who" ./attack spellings "$port" \
			127.0.0.1 127.1 2130706433 0x7f000001 0177.0.0.1 0.0.0.0 0 ::1 :: ::ffff:127.0.0.1 ::ffff:7f00:1 \
			10.0.2.2 10.0.2.3 192.168.127.1 192.168.127.254 localhost)" "$open"
	done
}

abstract_names() {
	local open who
	open=$(outside ./attack abstract "$abstract")
	sleep 0.2
	snapshot >"$tmp/before" 2>/dev/null
	for who in $(users); do
		judge "E4 abstract sockets of the host, as $who" "$(inside "$who" ./attack abstract "$abstract")" "$open"
	done
}

own_program
programs
interpreter
descriptors
newcomers
verdicts
environment
short_line
attack B11 "sockets that write into the pages of files (AF_ALG)" 17 families 38
attack C26 "a core shared with strangers" root core
sent "E1 packets to anywhere" 198.51.100.7 192.0.2.53 203.0.113.1 2001:db8:1::7 8.8.8.8 255.255.255.255 224.0.0.1
sent "E2 the metadata service, in any spelling" 169.254.169.254 0xa9fea9fe 2852039166 0251.0376.0251.0376 \
	::ffff:169.254.169.254 fd00:ec2::254 169.254.170.2 metadata.google.internal
abstract_names
attack E6 "sockets to the hypervisor (AF_VSOCK)" any families 40
resolvers
spellings
echo "1..$tests"
exit $((failed > 0))
