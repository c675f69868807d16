#!/bin/bash
# artifacts.sh: hostile steps against what collects their files, and against each other by what they leave.
# TAP, a line an attack, as root and as an ordinary user.
set -u

# shellcheck source=tests/escape/whole.bash
. "$(dirname "$0")/whole.bash"
if [ "$(id -u)" = 0 ]; then as=', as root'; else as=', as user'; fi

# kept DIR NAME: the artifact NAME of job a, unpacked to the folder $tmp/kept
kept() {
	rm -rf "$tmp/kept"
	mkdir "$tmp/kept"
	zstd -qdc "$1/o/a/$2.tar.zst" | tar -C "$tmp/kept" -xf - 2>/dev/null
}
listed() { zstd -qdc "$1/o/a/$2.tar.zst" | tar -tvf - --numeric-owner --quoting-style=escape; }

# ---- links ----

links() {
	local dir out held=0 control=1

	echo canary-content >"$tmp/secret"
	dir=$(repository links <<<"$steps
      - run: |
          mkdir out; cd out
          ln -s $tmp/secret a; ln -s / b; ln -s /proc/1/root c; ln -s /etc/passwd d; ln -s $tmp e
          echo inside > f
      - uses: actions/upload-artifact@v4
        with: {name: x, path: out}
      - uses: actions/upload-artifact@v4
        with: {name: y, path: out/e/secret, if-no-files-found: ignore}
      - uses: actions/upload-artifact@v4
        with: {name: z, path: 'out/b/etc/host*', if-no-files-found: ignore}")
	mkdir "$tmp/naive"
	ln -s "$tmp/secret" "$tmp/naive/a"
	tar -C "$tmp" -chf - naive | grep -q canary-content && control=0
	out=$(run "$dir" -o "$dir/o") || held=1
	zstd -qdc "$dir"/o/a/*.tar.zst | grep -q 'canary-content\|runner:x' && held=1
	listed "$dir" x | grep -q inside || listed "$dir" x | grep -q ' f$\|/f$' || held=1
	verdict "B14 links to files of the host" $control $held "$out $(listed "$dir" x)"
	rm -rf "$tmp/naive"
}

# ---- what changes while it is read ----

flipper='import os, signal, sys
for n in range(1, 65):
    try: signal.signal(n, signal.SIG_IGN)
    except (OSError, ValueError): pass
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
for n in range(int(sys.argv[1])):
    for make in (lambda: os.symlink(sys.argv[2], "new"), lambda: open("new", "w").write("plain\n"), lambda: os.mkfifo("new")):
        try: make(); os.rename("new", "x"); os.utime(".")
        except OSError: pass'

# The daemon ignores every signal and goes on for longer than the job: no artifact of it is read while it lives.
flips() {
	local dir out held=0 control=1 text=$steps i

	for i in 1 2 3 4; do
		text+="
      - run: mkdir -p out; cd out; echo plain >x; python3 ../flip.py 100000000 /etc/passwd & sleep 0.3
      - run: |
          cd out; touch -d @1 .; sleep 0.2
          [ \$(stat -c %Y .) = 1 ] && echo nobody-flips; rm -f new x; echo plain >x
      - uses: actions/upload-artifact@v4
        with: {name: x$i, path: out}"
	done
	dir=$(repository flips <<<"$text")
	echo "$flipper" >"$dir/flip.py"
	mkdir "$tmp/flip"
	echo canary-content >"$tmp/flip.secret"
	(cd "$tmp/flip" && python3 "$dir/flip.py" 20000 "$tmp/flip.secret")
	for _ in $(seq 2000); do
		timeout 0.2 cat "$tmp/flip/x" 2>/dev/null | grep -q canary-content && control=0 && break
	done
	out=$(run "$dir" -o "$dir/o") || held=1
	[ "$(grep -c '| nobody-flips' <<<"$out")" = 4 ] || held=1
	zstd -qdc "$dir"/o/a/*.tar.zst | grep -aq 'runner:x' && held=1
	verdict "B15 a daemon that changes the artifact while it is read" $control $held "$out"
	rm -rf "$tmp/flip"
}

# ---- what cannot be read, or without end ----

no_files() {
	local dir out held=0 control=1

	dir=$(repository kinds <<<"$steps
      - run: |
          mkdir out; cd out
          mkfifo fifo; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"sock\")'
          ln /dev/null null 2>/dev/null || true; echo x >file
      - uses: actions/upload-artifact@v4
        with: {name: x, path: out}
      - uses: actions/upload-artifact@v4
        with: {name: y, path: out/fifo, if-no-files-found: ignore}")
	mkfifo "$tmp/fifo"
	timeout 1 cat "$tmp/fifo"
	[ $? = 124 ] && control=0
	out=$(run "$dir" -o "$dir/o") || held=1
	listed "$dir" x | grep -q '^[psbc]' && held=1
	listed "$dir" x | grep -q 'file$' || held=1
	grep -qi 'skip\|left out\|neither\|no file' <<<"$out" || held=1
	verdict "B16 FIFOs, sockets and devices" $control $held "$out"
}

names() {
	local dir out held=0 control=1

	dir=$(repository names <<<"$steps
      - run: |
          mkdir out; cd out; python3 ../names.py
      - uses: actions/upload-artifact@v4
        with: {name: x, path: out}")
	cat >"$dir/names.py" <<-'END'
		import os
		for name in (b"new\nline", b"esc\x1b[31mred", b"-rf", b"--checkpoint-action=exec=sh", b"\xff\xfe", b"n" * 255, b"a b", b"*", b"\\", b"::error::x"):
		    open(name, "w").write("x")
	END
	mkdir "$tmp/naive"
	(cd "$tmp/naive" && python3 "$dir/names.py")
	out=$(run "$dir" -o "$dir/o") || held=1
	kept "$dir" x
	diff -r "$tmp/naive" "$tmp/kept" >"$tmp/diff" || diff -r "$tmp/naive" "$tmp/kept/out" >"$tmp/diff" || held=1
	find "$tmp/naive" | grep -q $'\e' && control=0
	grep -q $'\e\[31m' <<<"$out" && held=1
	verdict "B18 names with newlines, escapes, options and no text" $control $held "$out $(cat "$tmp/diff")"
	rm -rf "$tmp/naive"
	names_without_end
}

names_without_end() {
	local dir out held=0 control=1

	dir=$(repository deep <<<"$steps
      - run: |
          mkdir out; cd out; python3 ../deep.py 400 2>&1 || true; touch \$GITHUB_WORKSPACE/out/\$(printf 'e\\033[31m')
      - uses: actions/upload-artifact@v4
        with: {name: x, path: out}
      - {if: always(), run: echo goes-on}")
	cat >"$dir/deep.py" <<-'END'
		import os, sys
		for i in range(int(sys.argv[1])):
		    os.mkdir("deep" * 10)
		    os.chdir("deep" * 10)
		open("bottom", "w")
	END
	mkdir "$tmp/naive"
	(cd "$tmp/naive" && python3 "$dir/deep.py" 400)
	[ "$(find "$tmp/naive" -type d | tail -n 1 | wc -c)" -gt 4096 ] && control=0
	out=$(run "$dir" -o "$dir/o")
	case $? in 0 | 1) ;; *) held=1 ;; esac
	grep -q '| goes-on' <<<"$out" || held=1
	grep -q $'\e\[31m' <<<"$out" && held=1
	rm -rf "$tmp/naive"
	verdict "B18 folders deeper than a path can be long" $control $held "$out"
}

bits() {
	local dir out held=0 control=1 name="B19 set-id bits, attributes, owners and times"

	dir=$(repository bits <<<"$steps
      - run: |
          mkdir out; cd out; echo x >suid; chmod 6755 suid; chmod 1777 .
          python3 -c 'import os; os.setxattr(\"suid\", \"user.canary\", b\"1\")' || true
          touch -d @4000000000 late; touch -d @5 suid
      - uses: actions/upload-artifact@v4
        with: {name: x, path: out}")
	touch "$tmp/suid"
	chmod 6755 "$tmp/suid"
	[ -u "$tmp/suid" ] && control=0
	rm "$tmp/suid"
	out=$(run "$dir" -o "$dir/o") || held=1
	listed "$dir" x | grep -qE '^.{3}[sS]|^.{6}[sS]|^.{9}[tT]' && held=1
	listed "$dir" x | awk '$2 != "0/0" { exit 1 }' || held=1
	listed "$dir" x | awk '{ print $4 }' | sort -u | wc -l | grep -qx 1 || held=1
	zstd -qdc "$dir/o/a/x.tar.zst" | grep -aq 'user.canary' && held=1
	verdict "$name" $control $held "$out $(listed "$dir" x)"
}

credentials() {
	local dir out held=0 control=1

	dir=$(repository credentials <<<"$steps
      - run: git config -l; cat .git/config
      - uses: actions/upload-artifact@v4
        with: {name: hidden, path: '**', include-hidden-files: true}
      - uses: actions/upload-artifact@v4
        with: {name: x, path: '**'}")
	git -C "$dir" config http.extraheader canary-token
	tar -C "$dir" -cf - . | grep -aq canary-token && control=0
	out=$(run "$dir" -o "$dir/o") || held=1
	zstd -qdc "$dir"/o/a/*.tar.zst | grep -aq canary-token && held=1
	grep -q '| .*canary-token' <<<"$out" && held=1
	listed "$dir" x | grep -q '\.git/' && held=1
	verdict "B20 the whole workspace with .git, where a token is" $control $held "$out"
}

holes() {
	local dir out held=0 control=1

	dir=$(repository holes <<<"$steps
      - run: |
          mkdir out; (truncate -s 8T out/x) 2>/dev/null || echo refused; ls -s out; echo y >out/y
      - uses: actions/upload-artifact@v4
        with: {name: x, path: out}")
	truncate -s 8T "$tmp/sparse" && control=0
	rm -f "$tmp/sparse"
	out=$(run "$dir" -o "$dir/o") || held=1
	grep -q '| refused' <<<"$out" || held=1
	verdict "B7 a file of 8 TiB that is one hole" $control $held "$out"
}

# A name and a pattern of hundreds of kilobytes are compared for ever, and no other job goes on meanwhile.
endless_names() {
	local dir out held=0 control=1 began=$SECONDS

	dir=$(repository endless <<<"$steps
      - id: n
        run: |
          mkdir out; echo x >out/x
          echo \"name=\$(head -c 255 /dev/zero | tr '\\0' a)\" >>\$GITHUB_OUTPUT
          echo \"long=\$(head -c 300000 /dev/zero | tr '\\0' a)\" >>\$GITHUB_OUTPUT
      - {uses: actions/upload-artifact@v4, with: {name: '\${{ steps.n.outputs.name }}', path: out}}
      - {uses: actions/upload-artifact@v4, continue-on-error: true, with: {name: '\${{ steps.n.outputs.long }}', path: out}}
      - {uses: actions/download-artifact@v4, continue-on-error: true, with: {pattern: '*\${{ steps.n.outputs.long }}b', path: in}}
      - {uses: actions/download-artifact@v4, with: {path: in}}
      - run: find in -type f | wc -l")
	timeout 3 python3 -c 'import ctypes; ctypes.CDLL(None).fnmatch(b"*" + b"a" * 150000 + b"b", b"a" * 300000, 0)'
	[ $? = 124 ] && control=0
	out=$(run "$dir")
	grep -q '| 1$' <<<"$out" && grep -q 'has more than 255 bytes' <<<"$out" && grep -q 'pattern: more than' <<<"$out" || held=1
	[ $((SECONDS - began)) -lt $((60 * slow)) ] || held=1
	verdict "artifacts: a name and a pattern that take for ever to compare" $control $held "$out"
}

# Several jobs at once say that theirs is the one of that name; a second upload may say that it replaces the first.
one_name() {
	local dir out held=0 control=1 job text="on: push
jobs:"

	for job in a b c; do
		text+="
  $job:
    runs-on: ubuntu-latest
    steps:
      - run: mkdir out; yes $job | head -c 3000000 >out/x
      - {uses: actions/upload-artifact@v4, with: {name: one, path: out}}"
	done
	dir=$(repository one <<<"$text
  last:
    needs: [a, b, c]
    if: always()
    runs-on: ubuntu-latest
    steps:
      - {uses: actions/download-artifact@v4, with: {name: one, path: in}}
      - run: wc -c <in/x; sort -u in/x; ls in | wc -l")
	: >"$tmp/naive"
	for job in a b c; do yes $job | head -c 3000000 >>"$tmp/naive" & done
	wait
	[ "$(sort -u "$tmp/naive" | wc -l)" -gt 1 ] && control=0
	out=$(run "$dir" -o "$dir/o")
	grep -q '^last | 3000000$' <<<"$out" && [ "$(grep -c '^last | [abc]$' <<<"$out")" = 1 ] || held=1
	[ "$(grep -c "an artifact named 'one' exists already" <<<"$out")" -ge 2 ] || held=1
	[ "$(find "$dir/o" -name 'one*' | wc -l)" = 1 ] || held=1
	rm "$tmp/naive"
	verdict "artifacts: three jobs at once, one name" $control $held "$out"
}

# What a download finds in its way, and -o in the checkout, are links to elsewhere.
links_in_the_way() {
	local dir out held=0 control=1 text="$steps
      - run: mkdir -p out/d; echo new >out/d/x; echo new >out/y
      - {uses: actions/upload-artifact@v4, with: {name: one, path: out}}
      - run: mkdir in; ln -s $tmp/victim in/d; ln -s $tmp/victim/y in/y; mkdir -p all; ln -s $tmp/victim all/one
      - {uses: actions/download-artifact@v4, continue-on-error: true, with: {name: one, path: in}}
      - {uses: actions/download-artifact@v4, continue-on-error: true, with: {path: all}}
      - run: cat in/y || true; echo went on"

	dir=$(repository way <<<"$text")
	mkdir -p "$tmp/victim" "$tmp/naive/out" "$dir/o"
	echo old >"$tmp/victim/y"
	ln -s "$tmp/victim" "$dir/o/a"
	ln -s "$tmp/victim/y" "$tmp/naive/y" && echo new >"$tmp/naive/out/y"
	(cd "$tmp/naive" && cp out/y y) && grep -q new "$tmp/victim/y" && control=0
	echo old >"$tmp/victim/y"
	out=$(run "$dir" -o "$dir/o"; mkdir "$dir/p" "$dir/p/a" && ln -s "$tmp/victim/y" "$dir/p/a/one.tar.zst" && run "$dir" -o "$dir/p")
	[ "$(cat "$tmp/victim/y"; ls -A "$tmp/victim")" = $'old\ny' ] || held=1
	[ "$(grep -c '| went on' <<<"$out")" -ge 1 ] || held=1
	[ -f "$dir/p/a/one.tar.zst" ] && [ ! -L "$dir/p/a/one.tar.zst" ] || held=1
	rm -rf "$tmp/victim" "$tmp/naive"
	verdict "artifacts: links where one is unpacked, and where it is copied to" $control $held "$out"
}

# ---- what is reached from outside, and what the next one finds ----

# Somebody else on the machine, while a step opens all that it has to everybody.
opened_to_peers() {
	local dir held=0 control=1 peer pid found

	[ "$(id -u)" = 0 ] || { skipped "B13 a step that opens its folders to other users$as" "to be another user takes root"; return; }
	dir=$(repository peers <<<"$steps
      - run: |
          cp /bin/true tool; chmod 6777 tool . .. /tmp 2>/dev/null; chmod 777 \$HOME; echo canary-content >/tmp/open
          echo opened; sleep 2")
	peer=(setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups)
	mkdir -m 777 "$tmp/open"
	cp /bin/true "$tmp/open/tool"
	chmod 6777 "$tmp/open/tool"
	[ -n "$("${peer[@]}" find "$tmp/open" -name tool -perm -4000)" ] && control=0
	chmod 711 "$tmp"
	run "$dir" >"$tmp/out" &
	pid=$!
	within 10 grep -q '| opened' "$tmp/out"
	find "$STEPCELL_HOME" -name tool | grep -q . || held=1
	found=$("${peer[@]}" find "$STEPCELL_HOME" -mindepth 1 2>/dev/null)
	[ -z "$found" ] || held=1
	wait $pid || held=1
	chmod 755 "$tmp"
	verdict "B13 a step that opens its folders to other users" $control $held "$found $(cat "$tmp/out")"
}

residue() {
	local dir out held=0 control=1
	cat >"$tmp/leave.py" <<-'END'
		import ctypes, os, socket, sys
		libc = ctypes.CDLL(None)
		leave, key = sys.argv[1] == "leave", 0x657363
		for path in ("/tmp/residue", "/dev/shm/residue", "/var/tmp/residue", os.path.expanduser("~/residue"), "/dev/mqueue/residue"):
		    try:
		        if leave: open(path, "w").write("mark")
		        elif os.path.exists(path): print("found", path)
		    except OSError: pass
		if libc.shmget(key, 4096, 0o1666 if leave else 0) >= 0 and not leave: print("found shm")
		if libc.msgget(key, 0o1666 if leave else 0) >= 0 and not leave: print("found msg")
		if libc.semget(key, 1, 0o1666 if leave else 0) >= 0 and not leave: print("found sem")
		s = socket.socket(socket.AF_UNIX)
		try:
		    if leave:
		        s.bind("\0residue"); s.listen()
		        if os.fork() == 0: os.setsid(); os.close(0); os.close(1); os.close(2); __import__("time").sleep(20); os._exit(0)
		    else:
		        s.connect("\0residue"); print("found socket")
		except OSError: pass
		print("looked")
	END
	dir=$(repository residue <<<"on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps: [{uses: actions/checkout@v4}, {run: python3 leave.py leave}]
  b:
    needs: a
    runs-on: ubuntu-latest
    steps: [{uses: actions/checkout@v4}, {run: python3 leave.py look}]")
	cp "$tmp/leave.py" "$dir/leave.py"
	timeout $((20 * slow)) unshare --user --map-root-user --ipc --net --mount --pid --fork sh -c "mount -t tmpfs none /dev/shm
		mount -t tmpfs none /var/tmp; HOME=/var/tmp python3 $dir/leave.py leave >/dev/null
		HOME=/var/tmp python3 $dir/leave.py look; rm -f /tmp/residue" | grep -q 'found shm' && control=0
	out=$(run "$dir") || held=1
	grep -q '| found' <<<"$out" && held=1
	[ "$(grep -c '| looked' <<<"$out")" = 2 ] || held=1
	verdict "E15 what a job leaves in files, shared memory, names" $control $held "$out"
}

same_bytes() {
	local dir held=0 control=1 text="$steps
      - run: |
          mkdir -p out/b out/a; for i in 3 1 2; do echo \$i >out/\$i; done; chmod 640 out/1; ln -s 1 out/l; ln out/2 out/a/h
      - uses: actions/upload-artifact@v4
        with: {name: x, path: out}"
	dir=$(repository same <<<"$text")
	run "$dir" -o "$dir/o" >"$tmp/out" || held=1
	sleep 1.1
	run "$dir" -o "$dir/p" >>"$tmp/out" || held=1
	cmp "$dir/o/a/x.tar.zst" "$dir/p/a/x.tar.zst" || held=1
	for i in 1 2; do
		rm -rf "$tmp/same.d" && mkdir "$tmp/same.d" && touch "$tmp/same.d/x"
		tar -C "$tmp/same.d" -cf "$tmp/same.$i" . && sleep 1.1
	done
	cmp -s "$tmp/same.1" "$tmp/same.2" || control=0
	verdict "E18 the same tree twice, byte by byte" $control $held "$(cat "$tmp/out")"
}

links
flips
no_files
names
bits
credentials
holes
endless_names
one_name
links_in_the_way
opened_to_peers
residue
same_bytes
again_as_user
