#!/usr/bin/env bats
# What doctor answers, and whether it is true: on this host as root and as an ordinary user, with cgroups
# that were given to that user, and inside containers. `make vm` asks the same on another kernel.
# shellcheck disable=SC2154 # user_open sets user and user_home

bats_require_minimum_version 1.5.0
load helper

setup_file() { user_open; }
teardown_file() { user_close; }

# wall NAME STATE [TEXT]: $output is doctor's JSON, whose row has the state, and TEXT in why or mend.
wall() {
	local row
	row=$(python3 -c '
import json, sys
rows = {w["name"]: w for w in json.loads(sys.argv[1])["walls"]}
print(json.dumps(rows[sys.argv[2]]))' "$output" "$1")
	[[ $row == *"\"state\": \"$2\""* && $row == *"${3-}"* ]] && return
	printf 'expected %s %s "%s", got %s\n' "$1" "$2" "${3-}" "$row"
	return 1
}

# ---- this host ----

@test "what doctor says of this host's cgroups is what a cell gets" {
	run --separate-stderr "$STEPCELL" doctor --json
	exits 0
	wall userns up
	wall proc up
	local walls=$output
	run --separate-stderr "$STEPCELL" exec --json --limit io=1GiB true
	exits 0
	local cell=$output
	output=$walls
	if [[ $cell == *'"memory":"cgroup"'* ]]; then wall cgroup-memory up; else wall cgroup-memory down; fi
	if [[ $cell == *'"pids":"cgroup"'* ]]; then wall cgroup-pids up; else wall cgroup-pids down; fi
	if [[ $cell == *'"io":"cgroup"'* ]]; then wall cgroup-io up; else
		wall cgroup-io down
		[[ $cell == *'"missing":['*'"cgroup"'* ]] # a limit that nothing enforces is a missing wall
	fi
}

@test "an ordinary user without cgroups: why, and who mends it" {
	run --separate-stderr as_user stepcell doctor --json
	exits 0
	wall userns up
	wall overlay up
	[[ $output != *'"cgroup-memory","state":"up"'* ]] || cannot "this user has cgroups of its own"
	wall cgroup-memory down "is not ours: memory is counted"
	wall cgroup-memory down "stepcell doctor --delegate $user --apply"
}

@test "doctor takes no other words, and --apply takes a user" {
	run --separate-stderr "$STEPCELL" doctor --apply
	exits 2
	says "--delegate USER"
	run --separate-stderr "$STEPCELL" doctor --delegate nobody-of-that-name
	exits 2
	says "no user 'nobody-of-that-name'"
	run --separate-stderr as_user stepcell doctor --delegate "$user" --apply
	exits 2
	says "only root"
}

# ---- cgroups given to a user ----

# hierarchies: our own directory in each hierarchy of a host with v1.
hierarchies() {
	awk -F: '$2 == "" { print "/sys/fs/cgroup/unified" $3 }
		$2 ~ /^(memory|pids|cpu|cpuacct|freezer)$/ { print "/sys/fs/cgroup/" $2 $3 }' /proc/self/cgroup | sed 's|/$||'
}

# What somebody could call the cgroup that root is in; systemd's own have backslashes.
odd="stepcell-doctor-$$ ';touch harmed;'\$(touch harmed)\\x2d"

teardown() {
	local top dir
	for top in $(hierarchies); do
		for dir in "$top/stepcell-doctor-$$" "$top/$odd"; do
			[ ! -d "$dir/stepcell.$user" ] || rmdir "$dir/stepcell.$user"
			[ ! -d "$dir" ] || rmdir "$dir"
		done
	done
}

@test "--delegate prints what --apply does, and the user has limits that hold" {
	[ "$(id -u)" = 0 ] || cannot "needs root"
	[ -d /sys/fs/cgroup/memory ] || cannot "needs cgroup v1; make vm has v2"
	local dir own=stepcell-doctor-$$
	for dir in $(hierarchies); do mkdir "$dir/$own"; done
	# all that is made below goes with it
	enter() { for dir in $(hierarchies); do echo "$BASHPID" >"$dir/$own/cgroup.procs"; done; }

	(enter && "$STEPCELL" doctor --delegate "$user") >printed
	grep -q "^mkdir -p .*/memory.*/$own/stepcell.$user\$" printed
	(enter && "$STEPCELL" doctor --delegate "$user" --apply) >left
	(enter && "$STEPCELL" doctor --delegate "$user" --apply) >again
	cmp left again
	[ "$(wc -l <left)" = 1 ]
	for dir in $(hierarchies); do
		[ "$(stat -c %U "$dir/$own/stepcell.$user")" = "$user" ]
		[ "$(stat -c %U "$dir/$own/stepcell.$user/cgroup.procs")" = "$user" ]
	done
	dir=$(hierarchies | grep /memory)/$own/stepcell.$user
	[ "$(stat -c %U "$dir/memory.limit_in_bytes")" = root ]

	# the line that was left to do, with another program for the user's shell
	sed "s|exec su - $user|exec setpriv --reuid $user --regid $user --init-groups env -i PATH='$user_home/opt/bin:$PATH' HOME='$user_home' sh -c \"\$1\"|" left >enter-as-user
	run --separate-stderr bash enter-as-user 'cd; stepcell doctor --json'
	exits 0
	wall cgroup-memory up "$own/stepcell.$user"
	wall cgroup-pids up
	wall cgroup-cpu up
	run --separate-stderr bash enter-as-user 'cd; stepcell exec --json --limit memory=64MiB -- python3 -c "b = bytearray(200 << 20)"'
	says '"verdict":"out-of-memory"' '"memory":"cgroup"'
	# what root keeps is not the user's to change
	run bash enter-as-user "echo 1 >$dir/memory.limit_in_bytes"
	[ "$status" != 0 ]
}

@test "--delegate in a cgroup whose name is a command: the name is printed for a shell" {
	[ "$(id -u)" = 0 ] || cannot "needs root"
	[ -d /sys/fs/cgroup/memory ] || cannot "needs cgroup v1; make vm has v2"
	local dir
	for dir in $(hierarchies); do mkdir "$dir/$odd"; done
	(for dir in $(hierarchies); do echo "$BASHPID" >"$dir/$odd/cgroup.procs"; done && "$STEPCELL" doctor --delegate "$user") >printed
	sed '$d' printed | bash -e
	# the last line takes a shell in, and then to be the user
	sed -n '$s/exec su .*/cat \/proc\/self\/cgroup/p' printed | bash -e >entered
	for dir in $(hierarchies); do
		[ "$(stat -c %U "$dir/$odd/stepcell.$user/cgroup.procs")" = "$user" ]
	done
	grep -F "/$odd/stepcell.$user" entered
	[ ! -e harmed ]
}

# under_systemd COMMAND...: as on a host where systemd is in charge of a v2 hierarchy, by what can be seen of
# that in files. What is written below /etc stays below $etc. `systemctl` says what it was asked.
under_systemd() {
	etc=$etc unshare --mount bash -c '
		set -e
		[ ! -d /sys/fs/cgroup/unified ] || mount --bind /sys/fs/cgroup/unified /sys/fs/cgroup
		[ -e /sys/fs/cgroup/cgroup.controllers ] || mount -t cgroup2 none /sys/fs/cgroup
		mkdir -p "$etc/data" "$etc/work"
		mount -t overlay none -o "lowerdir=/etc,upperdir=$etc/data,workdir=$etc/work" /etc
		mount -t tmpfs none /run
		mkdir -p /run/systemd/system
		systemctl() { echo "systemctl: $*"; }
		export -f systemctl
		"$@"' bash "$@"
}

@test "--delegate where systemd is in charge: it is asked to delegate, in its own files" {
	[ "$(id -u)" = 0 ] || cannot "needs root, to make mounts"
	local etc uid drop
	uid=$(id -u "$user")
	drop=data/systemd/system/user@$uid.service.d

	etc=$BATS_TEST_TMPDIR/printed
	under_systemd "$STEPCELL" doctor --delegate "$user" >script
	[ ! -e "$etc/$drop" ] # printed, not done
	[ "$(grep -c '^systemctl daemon-reload$' script)" = 1 ]
	grep -q "^# $user logs in anew, .* systemd-run --user --scope -p Delegate=yes stepcell" script
	run under_systemd bash -e script
	exits 0
	[ "$output" = "systemctl: daemon-reload" ]
	[ "$(cat "$etc/$drop/stepcell.conf")" = $'[Service]\nDelegate=cpu io memory pids' ]

	# what root does is what is printed, but for what is left to a person
	etc=$BATS_TEST_TMPDIR/applied
	under_systemd "$STEPCELL" doctor --delegate "$user" --apply >left
	diff -r "$BATS_TEST_TMPDIR/printed/data" "$etc/data"
	[ "$(stat -c '%a %u' "$etc/$drop" "$etc/$drop/stepcell.conf")" = $'755 0\n644 0' ]
	[ "$(cat left)" = "$(tail -n 2 script)" ]
	under_systemd "$STEPCELL" doctor --delegate "$user" --apply >again
	cmp left again

	# no hierarchy of systemd's own is changed behind its back
	run cat script
	says_not cgroup "chown"
}

# ---- containers ----

# container KIND UID COMMAND...: as docker makes them. KIND is default (no system call for namespaces and
# mounts), userns (those are allowed, /proc is masked) or unmasked (docker's systempaths=unconfined).
container() {
	local bundle=$BATS_TEST_TMPDIR/bundle
	[ "$(id -u)" = 0 ] || cannot "needs root, to make a container"
	command -v crun >/dev/null || cannot "needs crun (make deps)"
	mkdir -p "$bundle/rootfs"
	for link in bin lib lib64 sbin; do ln -sfn "usr/$link" "$bundle/rootfs/$link"; done
	python3 "$BATS_TEST_DIRNAME/container.py" "$@" >"$bundle/config.json"
	# crun looks at what is mounted there, and knows no host with both versions of cgroups
	run --separate-stderr unshare --mount sh -c '
		[ ! -d /sys/fs/cgroup/unified ] || mount --bind /sys/fs/cgroup/unified /sys/fs/cgroup
		exec crun --cgroup-manager=disabled --root "$1/state" run -b "$1" "$2"' \
		sh "$bundle" "stepcell-test-$$-$BATS_TEST_NUMBER" </dev/null
}

@test "an unprivileged container: no user namespaces, said with the mend; no cell, exit 4 and 125" {
	for uid in 0 1000; do
		container default $uid stepcell doctor --json
		exits 0
		wall userns down "a seccomp filter that was here before us"
		wall userns down "--security-opt seccomp="
		wall overlay down "what mends userns"
		wall landlock up
		wall cgroup-memory down "in a container: give it a writable cgroup"
		container default $uid stepcell exec true
		exits 125
		says "gives no userns" "seccomp"
		container default $uid sh -c "$small_run"
		exits 4
		says "gives no userns"
		says_not did-2
	done
}

@test "a container with user namespaces and a masked /proc: everything but /proc, and no stand-in for it" {
	for uid in 0 1000; do
		container userns $uid stepcell doctor --json
		exits 0
		wall userns up
		wall overlay up
		wall proc down "systempaths=unconfined"
		container userns $uid stepcell exec true
		exits 125
		says "gives no proc" "systempaths=unconfined"
		container userns $uid sh -c "$small_run"
		exits 4
		says_not did-2
	done
}

@test "a container with a whole /proc: cells stand in it, and name what is missing" {
	for uid in 0 1000; do
		container unmasked $uid stepcell doctor --json
		exits 0
		wall proc up
		wall cgroup-memory down
		container unmasked $uid sh -c "$small_run"
		exits 0
		says did-2 "no cgroup wall"
		container unmasked $uid sh -c "$small_run --policy untrusted"
		exits 4
		says cgroup
		says_not did-2
	done
}

small_run='mkdir -p /tmp/p/.github/workflows && printf "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: printf did-; echo 2\n" >/tmp/p/.github/workflows/ci.yml; stepcell run -C /tmp/p --image host'
