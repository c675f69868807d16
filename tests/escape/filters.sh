#!/bin/bash
# filters.sh: what is planted where compiled seccomp filters are kept. TAP, a line an attack, as root and as
# an ordinary user.
set -u

# shellcheck source=tests/escape/whole.bash
. "$(dirname "$0")/whole.bash"
if [ "$(id -u)" = 0 ]; then as=', as root'; else as=', as user'; fi

# A command that the filter refuses (add_key, where there is nothing to add), and what it was answered.
ask='import ctypes, errno, platform
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall(248 if platform.machine() == "x86_64" else 217, 0, 0, 0, 0, 0)
print("refused" if ctypes.get_errno() in (errno.EPERM, errno.ENOSYS) else "open")'

answer() { timeout $((60 * slow)) "$STEPCELL" exec -- python3 -c "$ask" 2>"$tmp/stderr" </dev/null; }

# forge FILE: in the place of a kept filter one that lets every call through, with its right digest.
forge() {
	python3 - "$1" "${2-$1}" <<-'END'
		import hashlib, os, struct, sys
		code = struct.pack("=HBBI", 6, 0, 0, 0x7fff0000)
		key = os.path.basename(sys.argv[1])[:64]
		if os.path.lexists(sys.argv[2]): os.unlink(sys.argv[2])
		with open(sys.argv[2], "wb", opener=lambda p, f: os.open(p, f, 0o600)) as f:
		    f.write(code + hashlib.sha256(key.encode() + code).hexdigest().encode())
	END
}

kept() { find "$STEPCELL_HOME/cache/seccomp" -name '*.bpf'; }

# Each way of others to put it there, in the place of every filter that is kept.
plant() {
	local file
	for file in $(kept); do
		forge "$file"
		case $1 in
		own) ;;
		'a file that the group may write') chmod 620 "$file" ;;
		'a file that all may write') chmod 602 "$file" ;;
		"somebody else's file") chown "$((USER_ID + 1))" "$file" ;;
		'a link') mv "$file" "$file.real" && ln -s "$file.real" "$file" ;;
		'a link from a name that is a link') forge "$file" "$tmp/there" && ln -sf "$tmp/there" "$file.2" && ln -sf "$file.2" "$file" ;;
		'a FIFO') rm "$file" && mkfifo -m 600 "$file" ;;
		'a file that is cut') truncate -s -1 "$file" ;;
		'a file with more behind it') echo >>"$file" ;;
		"another filter's digest") sed -i 's/[0-9a-f]\{64\}$/'"$(printf '0%.0s' $(seq 64))/" "$file" ;;
		esac
	done
}

planted() {
	local what held control=1

	[ "$(answer)" = refused ] || { fail "filters: a cell$as" "$(cat "$tmp/stderr")"; return; }
	plant own
	[ "$(answer)" = open ] && control=0
	for what in 'a file that the group may write' 'a file that all may write' "somebody else's file" 'a link' \
		'a link from a name that is a link' 'a FIFO' 'a file that is cut' 'a file with more behind it' "another filter's digest"; do
		[ "$what" != "somebody else's file" ] || [ "$(id -u)" = 0 ] || continue
		held=1
		plant "$what"
		[ "$(answer)" = refused ] && held=0
		verdict "filters: $what" $control $held "$(cat "$tmp/stderr")"
		rm -rf "$STEPCELL_HOME/cache/seccomp" && answer >/dev/null
	done
}

# shellcheck disable=SC2317 # called by within
swapped() {
	local file
	for file in $(kept); do [ "$file" -ef "$file.bad" ] && return; done
	return 1
}

# Between the real ones and others' a thousand times a second, while cells start.
raced() {
	local held=0 control=1 pid file

	for file in $(kept); do cp -p "$file" "$file.good" && forge "$file" "$file.bad"; done
	[ "$(id -u)" = 0 ] && chown "$((USER_ID + 1))" "$STEPCELL_HOME"/cache/seccomp/*.bad
	[ "$(id -u)" = 0 ] || chmod 622 "$STEPCELL_HOME"/cache/seccomp/*.bad
	python3 - "$STEPCELL_HOME/cache/seccomp" <<-'END' &
		import glob, os, sys, time
		end = time.monotonic() + 300
		while time.monotonic() < end:
		    for kind in "bad", "good":
		        for path in glob.glob(sys.argv[1] + "/*.bpf." + kind):
		            os.link(path, path + ".new"); os.rename(path + ".new", path[:-len(kind) - 1])
	END
	pid=$!
	within 20 swapped && control=0
	for _ in $(seq 20); do [ "$(answer)" = refused ] || held=1; done
	kill $pid
	verdict "filters: others' put there and away while cells start" $control $held "$(cat "$tmp/stderr")"
}

# A state home that is somebody else's, or has something of theirs in it.
home_of_others() {
	local held=0 control=1

	[ "$(id -u)" = 0 ] || return # only root gives a folder away
	export STEPCELL_HOME=$tmp/theirs
	mkdir -m 755 "$STEPCELL_HOME"
	[ "$(answer)" = refused ] && control=0
	chown "$((USER_ID + 1))" "$STEPCELL_HOME"
	answer >"$tmp/out" && held=1
	grep -q 'belongs to uid' "$tmp/stderr" || held=1
	chown 0 "$STEPCELL_HOME"
	mv "$STEPCELL_HOME/cache" "$tmp/cache" && ln -s "$tmp/cache" "$STEPCELL_HOME/cache" && chown -h "$((USER_ID + 1))" "$STEPCELL_HOME/cache"
	answer >"$tmp/out" && held=1
	verdict "filters: a state home of somebody else" $control $held "$(cat "$tmp/stderr")"
	export STEPCELL_HOME=$tmp/home
}

planted
raced
home_of_others
again_as_user
