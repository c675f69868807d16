#!/usr/bin/env python3
"""onpty.py [STEP]... -- COMMAND...: run COMMAND on a terminal of 30 rows and 90 columns, as a person would.

A step is `expect TEXT` (wait until it has appeared), `send TEXT` (type it, with Python's escapes), `size ROWS COLUMNS`
or `kill` (SIGTERM to COMMAND). All that appeared is printed, without carriage returns; then whether the terminal's
settings are what they were. Exits with COMMAND's code."""
import fcntl, os, select, signal, struct, sys, termios, time

cut = sys.argv.index("--")
steps, command = sys.argv[1:cut], sys.argv[cut + 1:]
master, slave = os.openpty()


def resize(rows, columns):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


resize(30, 90)
before = termios.tcgetattr(slave)
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in range(3):
        os.dup2(slave, fd)
    os.close(master)
    os.close(slave)
    os.execvp(command[0], command)

shown, seen, status, deadline = b"", 0, None, time.monotonic() + 40
while time.monotonic() < deadline:
    while steps:
        word = steps[0]
        if word == "expect":
            at = shown.find(steps[1].encode(), seen)
            if at < 0:
                break
            seen = at + len(steps[1])
        elif word == "send":
            os.write(master, steps[1].encode().decode("unicode_escape").encode())
        elif word == "size":
            resize(int(steps[1]), int(steps[2]))
        elif word == "kill":
            os.kill(pid, signal.SIGTERM)
        steps = steps[{"expect": 2, "send": 2, "size": 3, "kill": 1}[word]:]
    if select.select([master], [], [], 0.05)[0]:
        shown += os.read(master, 65536)
    elif status is not None:
        break
    if status is None:
        done, code = os.waitpid(pid, os.WNOHANG)
        status = code if done else None
if status is None:
    os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    print("never came: " + " ".join(steps[:2]))
sys.stdout.buffer.write(shown.replace(b"\r", b"") + b"\n")
print("settings: " + ("as before" if termios.tcgetattr(slave) == before else "CHANGED"))
sys.exit(os.waitstatus_to_exitcode(status) & 255)
