#!/bin/bash
# terminals.sh: hostile commands against the operator's terminal and pipes, and against job control on it.
# TAP, a line an attack, as root and as an ordinary user.
# shellcheck disable=SC2016 # shells inside expand what is quoted
set -u

# shellcheck source=tests/escape/whole.bash
. "$(dirname "$0")/whole.bash"
if [ "$(id -u)" = 0 ]; then as=', as root'; else as=', as user'; fi
export S="$STEPCELL exec --limit step=2s"

# at_terminal [STEP]... -- COMMAND...: what somebody sees who does the steps at a terminal (onpty.py).
at_terminal() { timeout $((60 * slow)) python3 "$here/../e2e/onpty.py" "$@" 2>&1; }

# in_shell STEP...: the same at an interactive shell's prompt, which is left in the end.
in_shell() { PS1='bash- ' at_terminal expect bash- "$@" send 'exit\r' -- bash --norc -i; }

ticks='for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 0.5; echo tick-$i; done'

# ---- what stops stepcell does not stop its cell ----

# In the background it must not read what is typed: that stops whoever tries.
background() {
	local out held=0 control=1

	in_shell send 'cat &\r' expect bash- send 'x\r' expect Stopped send 'kill -9 %1\r' send 'exit\r' | grep -q Stopped && control=0
	out=$(in_shell send "\$S -- sh -c '$ticks' &\\r" expect tick-1 send ': typed\r' expect timeout)
	grep -q 'warning: timeout' <<<"$out" || held=1
	grep -q 'Stopped\|tick-9' <<<"$out" && held=1
	verdict "terminal: keys for the shell, while a command runs in the background" $control $held "$out"
}

suspended() {
	local out held=0 control=1

	in_shell send "sh -c 'echo be''gun; sleep 5'\\r" expect begun send '\x1a' expect Stopped send 'kill -9 %1\r' send 'exit\r' | grep -q Stopped && control=0
	out=$(in_shell send "\$S -- sh -c '$ticks'\\r" expect tick-1 send '\x1a' expect timeout)
	grep -q 'warning: timeout' <<<"$out" && grep -q 'note: it is not stopped' <<<"$out" || held=1
	grep -q 'Stopped\|tick-9' <<<"$out" && held=1
	verdict "terminal: Ctrl-Z, while a command has limits" $control $held "$out"
}

suspended_run() {
	local dir out held=0 control=1

	dir=$(repository suspended <<<"$steps
      - {run: echo beg''un; sleep 30, timeout-minutes: 0.05}")
	in_shell send "sh -c 'echo be''gun; sleep 5'\\r" expect begun send '\x1a' expect Stopped send 'kill -9 %1\r' send 'exit\r' | grep -q Stopped && control=0
	out=$(in_shell send "$STEPCELL run --image host -C $dir\\r" expect begun send '\x1a' expect 'ran longer')
	grep -q 'ran longer than 3 seconds' <<<"$out" && grep -q 'note: it is not stopped' <<<"$out" || held=1
	grep -q Stopped <<<"$out" && held=1
	verdict "terminal: Ctrl-Z, while a run has limits" $control $held "$(tail -n 5 <<<"$out")"
}

# hang_up SECONDS COMMAND...: COMMAND's terminal goes away once it has said "deaf"; is it there so much later?
hang_up() {
	python3 - "$@" <<-'END'
		import fcntl, os, sys, termios, time
		mine, terminal = os.openpty()
		pid = os.fork()
		if pid == 0:
		    os.setsid(); fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
		    for fd in range(3): os.dup2(terminal, fd)
		    os.close(mine); os.close(terminal)
		    os.execvp(sys.argv[2], sys.argv[2:])
		os.close(terminal)
		said = b""
		while b"deaf\r\n" not in said: said += os.read(mine, 4096)
		os.close(mine)
		until, ended = time.monotonic() + float(sys.argv[1]), 0
		while not ended and time.monotonic() < until:
		    time.sleep(0.1)
		    ended = os.waitpid(pid, os.WNOHANG)[0]
		if not ended: os.kill(pid, 9); os.waitpid(pid, 0)
		print("ended" if ended else "lives on")
	END
}

hung_up() {
	local out option held=0 control=1 deaf='import signal, time
for n in 1, 2, 3, 15: signal.signal(n, signal.SIG_IGN)
print("deaf", flush=True); time.sleep(90)'

	[ "$(hang_up 3 python3 -c "$deaf")" = 'lives on' ] && control=0
	for option in --workdir=/ --tty; do
		out=$(hang_up $((30 * slow)) "$STEPCELL" exec $option -- python3 -c "$deaf")
		[ "$out" = ended ] || { held=1; break; }
	done
	verdict "terminal: it hangs up, and the command hears no signal" $control $held "$option: $out"
}

# A terminal of its own needs the operator's: the command begins when that is there to be had.
shown_in_background() {
	local out held=0 control=1

	in_shell send 'stty -echo & sleep 1; jobs\r' expect Stopped send 'kill -9 %1\r' send 'exit\r' | grep -q Stopped && control=0
	out=$(in_shell send "\$S --tty -- sh -c '$ticks' & sleep 2; jobs\\r" expect Stopped send 'sleep 7; fg\r' expect timeout)
	grep -q 'warning: timeout' <<<"$out" || held=1
	grep -q 'tick-9' <<<"$out" && held=1
	verdict "terminal: exec --tty in the background" $control $held "$out"
}

# ---- who never reads ----

# on_deaf SECONDS COMMAND...: COMMAND's output goes to a terminal that nobody reads; is it there so long after two signals?
on_deaf() {
	python3 - "$@" <<-'END'
		import os, signal, subprocess, sys, time
		unread, terminal = os.openpty()
		p = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=terminal, stderr=subprocess.DEVNULL)
		os.close(terminal)
		time.sleep(2)
		waits = p.poll() is None
		until = time.monotonic() + float(sys.argv[1])
		for _ in range(2):
		    if p.poll() is None: p.send_signal(signal.SIGTERM)
		    time.sleep(0.5)
		while p.poll() is None and time.monotonic() < until: time.sleep(0.1)
		print("deaf" if p.poll() is None else "ended" if waits else "never waited")
		p.kill()
	END
}

deaf() {
	local out held=0 control=1 option

	[ "$(on_deaf 2 bash -c 'trap "" TERM; head -c 40000 /dev/zero')" = deaf ] && control=0
	for option in '' --tty; do
		# shellcheck disable=SC2086 # none or one word
		out=$(on_deaf $((20 * slow)) "$STEPCELL" exec $option -- head -c 40000 /dev/zero)
		[ "$out" = ended ] || { held=1; break; }
	done
	verdict "terminal: more than it takes, and then signals" $control $held "$option: $out"
}

# ---- what is left of a command on what it was handed ----

flags='import fcntl, os
for fd in 0, 1:
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_NONBLOCK)'

# left_nonblocking COMMAND...: between two pipes; prints which of them are not as they were.
left_nonblocking() {
	python3 - "$@" <<-'END'
		import fcntl, os, subprocess, sys
		theirs, ours = os.pipe(), os.pipe()
		subprocess.run(sys.argv[1:], stdin=theirs[0], stdout=ours[1], stderr=subprocess.DEVNULL)
		print([n for n, fd in enumerate((theirs[0], ours[1])) if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK])
	END
}

handed_in() {
	local out held=0 control=1

	[ "$(left_nonblocking python3 -c "$flags")" = '[0, 1]' ] && control=0
	out=$(left_nonblocking "$STEPCELL" exec -- python3 -c "$flags; print('set')")
	[ "$out" = '[]' ] || held=1
	verdict "pipes: a command sets the flags of the operator's" $control $held "$out"
}

# The master of its terminal, the size of the operator's, and a first process that is killed from outside.
own_terminal() {
	local out held=0 control=1 look='import glob, os
for link in glob.glob("/proc/[0-9]*/fd/*"):
    try: print("has", os.readlink(link))
    except OSError: pass
os.system("stty rows 1 cols 1"); print("looked")'

	python3 -c "import os, pty; pty.openpty(); $look" </dev/null 2>/dev/null | grep -q 'has /dev/.*ptmx' && control=0
	out=$(at_terminal -- bash -c '$S --tty -- python3 -c "$1"; stty size' bash "$look")
	grep -q looked <<<"$out" && grep -qx '30 90' <<<"$out" || held=1
	grep 'has /dev' <<<"$out" | grep -qvx 'has /dev/pts/0' && held=1
	verdict "terminal: its master, and its size" $control $held "$out"

	control=1
	at_terminal -- sh -c 'stty raw; kill -9 $$' | grep -q CHANGED && control=0
	out=$(at_terminal -- bash -c '(for _ in {1..300}; do p=$(pgrep -P $$ -f ^stepcell-init) && break; sleep 0.1; done; sleep 1; kill -9 $p && echo it is dead) &
		exec $S --tty -- sh -c "stty raw; sleep 20"')
	grep -q 'it is dead' <<<"$out" && grep -q 'settings: as before' <<<"$out" || held=1
	verdict "terminal: the cell's first process is killed" $control $held "$out"
}

background
suspended
suspended_run
hung_up
shown_in_background
deaf
handed_in
own_terminal
again_as_user
