#!/bin/bash
# said.sh: hostile workflow files, repositories and steps: what they say, and what they leave to be cleaned
# up. TAP, a line an attack, as root and as an ordinary user.
set -u

# shellcheck source=tests/escape/whole.bash
. "$(dirname "$0")/whole.bash"
if [ "$(id -u)" = 0 ]; then as=', as root'; else as=', as user'; fi

# ---- what is cleaned up ----

# At the end of a job everything it wrote is removed: nothing that a link of it leads to.
cleaning() {
	local dir out held=0 control=1 began=$SECONDS

	mkdir -p "$tmp/victim/sub" "$tmp/copy"
	echo canary >"$tmp/victim/sub/file"
	cp -R "$tmp/victim" "$tmp/copy/victim"
	ln -s "$tmp/copy/victim" "$tmp/copy/link"
	find -L "$tmp/copy/link/" -type f -delete && [ ! -e "$tmp/copy/victim/sub/file" ] && control=0
	dir=$(repository cleaning <<<"$steps
      - run: python3 tree.py $tmp/victim")
	cat >"$dir/tree.py" <<-'END'
		import os, sys
		for i in range(200):
		    os.symlink(sys.argv[1], "link%d" % i)
		os.mkdir("closed"); open("closed/x", "w"); os.mkdir("closed/in"); os.chmod("closed/in", 0); os.chmod("closed", 0)
		os.mkdir("fixed"); open("fixed/x", "w"); os.chmod("fixed", 0o555)
		os.mkdir("gone"); os.rename("gone", "away"); os.symlink(sys.argv[1], "gone")
		for i in range(5000):
		    os.mkdir("d"); os.chdir("d")
		os.symlink(sys.argv[1], "end")
	END
	# the depth is more than a look at the disk goes down, so the limit on it may end the step
	out=$(run "$dir")
	case $? in 0 | 1) ;; *) held=1 ;; esac
	grep -q canary "$tmp/victim/sub/file" || held=1
	[ -z "$(find "$STEPCELL_HOME" -name 'link1*' 2>/dev/null)" ] || held=1
	[ $((SECONDS - began)) -lt $((60 * slow)) ] || held=1
	verdict "A9 links, closed folders and 5000 levels to be cleaned up" $control $held "$out"
}

# ---- words that look like options ----

option_words() {
	local dir out held=0 control=1

	dir=$(repository options <<<"on: push
jobs:
  --help:
    runs-on: ubuntu-latest
    steps: [{run: echo ran}]")
	run "$dir" >"$tmp/out" && held=1
	dir=$(repository words <<<"on: push
name: --version
jobs:
  a:
    name: --help
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - {name: --parallel=0, run: '--version || echo not-a-program'}
      - {name: -x, run: 'echo \"\$0\" \"\$@\"', shell: 'bash -e -- {0}'}
      - name: \"two\\nlines: ok forged\"
        run: mkdir out; touch out/--use-compress-program=sh out/-I; echo data
        env: {--help: x, BASH_FUNC_ls%%: '() { echo forged; }'}
      - uses: actions/upload-artifact@v4
        with: {name: --checkpoint-action=exec=touch forged, path: out/--use-compress-program=sh}
      - run: ls out")
	(cd "$tmp" && touch -- --version && bash -c "bash *version" 2>&1 | grep -q 'GNU bash') && control=0
	out=$(run "$dir" -o "$dir/o")
	grep -q '| not-a-program' <<<"$out" && grep -q '| data' <<<"$out" || held=1
	grep -q '^lines: ok\|| forged\|GNU bash' <<<"$out" && held=1
	[ -e "$dir/forged" ] && held=1
	verdict "A12 names and commands that look like options" $control $held "$out $(cat "$tmp/out")"
}

# ---- bombs in a workflow file ----

config_bombs() {
	local file expected held=0 control=1 said='' code memory name="A14 bombs in a workflow file"

	mkdir -p "$tmp/bombs"
	(cd "$tmp/bombs" && python3 "$here/../cases/hostile.py") >"$tmp/bombs.list"
	printf 'on: push\non: pull_request\njobs: {a: {runs-on: x, steps: [{run: x}]}}\n' >"$tmp/bombs/twice.yml"
	echo 'twice.yml 1' >>"$tmp/bombs.list"
	printf 'on: push\njobs: {a: {runs-on: x, steps: [{run: x}]}}\n' >"$tmp/good.yml"
	"$STEPCELL" lint "$tmp/good.yml" >/dev/null 2>&1 && control=0
	while read -r file expected; do
		# ASan has a memory of its own: this is of the release build
		read -r code memory <<<"$(/usr/bin/python3 -c 'import resource, subprocess, sys
code = subprocess.run(sys.argv[2:], stdout=2, timeout=int(sys.argv[1])).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10)' $((10 * slow)) "$STEPCELL" lint "$tmp/bombs/$file" 2>"$tmp/err" </dev/null)"
		[ "$code" = "$expected" ] || { held=1; said+="$file: exit code $code; "; }
		[ "${memory:-999}" -lt 64 ] || { held=1; said+="$file: $memory MiB; "; }
	done <"$tmp/bombs.list"
	[ "$(wc -l <"$tmp/bombs.list")" -gt 20 ] || held=1
	verdict "$name" $control $held "$said"
}

# ---- credentials and programs in git's configuration ----

stolen_credentials() {
	local dir out held=0 control=1

	mkdir -p "$tmp/home-of-git"
	printf 'machine git.example.com login a password canary-secret\n' >"$tmp/home-of-git/.netrc"
	printf 'https://a:canary-secret@git.example.com\n' >"$tmp/home-of-git/.git-credentials"
	printf '[credential]\n\thelper = store\n' >"$tmp/home-of-git/.gitconfig"
	printf '#!/bin/sh\necho canary-secret\n' >"$tmp/home-of-git/askpass"
	chmod -R a+rX "$tmp/home-of-git"
	chmod +x "$tmp/home-of-git/askpass"
	dir=$(repository stolen <<<"$steps
      - run: |
          git config -l --show-origin; cat .git/config ~/.netrc ~/.git-credentials ~/.gitconfig 2>/dev/null || true
          env; printf 'protocol=https\\nhost=git.example.com\\n\\n' | timeout 5 git credential fill 2>&1 || true
          cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' | grep canary || true
          find / -xdev -name '.netrc' -o -xdev -name '.git-credentials' 2>/dev/null | head
          echo looked")
	git -C "$dir" config http.https://git.example.com/.extraheader 'AUTHORIZATION: basic canary-secret'
	git -C "$dir" config remote.origin.url https://a:canary-secret@git.example.com/a.git
	printf 'protocol=https\nhost=git.example.com\n\n' |
		env -u GIT_CONFIG_GLOBAL HOME="$tmp/home-of-git" git credential fill 2>/dev/null | grep -q canary-secret && control=0
	out=$(HOME=$tmp/home-of-git GIT_ASKPASS=$tmp/home-of-git/askpass SSH_AUTH_SOCK=$tmp/canary-secret.sock \
		GH_TOKEN=canary-secret run "$dir") || held=1
	grep -q 'canary-secret' <<<"$out" && held=1
	grep -q '| looked' <<<"$out" || held=1
	verdict "E11 credentials of git: files, helpers, URLs, environment" $control $held "$out"
}

# Everything by which a repository makes git start a program, run on the host and at a commit.
programs_of_git() {
	local dir out held=0 control=1 hook

	dir=$(repository programs <<<"$steps
      - run: ls")
	printf '#!/bin/sh\ntouch %s/git-ran\n' "$tmp" >"$dir/program"
	printf '* filter=evil diff=evil merge=evil text\n' >"$dir/.gitattributes"
	printf '[submodule "a"]\n\tpath = sub\n\turl = ext::sh -c touch%% %s/git-ran\n\tupdate = !%s/program\n' "$tmp" "$dir" >"$dir/.gitmodules"
	chmod +x "$dir/program"
	git -C "$dir" add -A
	git -C "$dir" -c user.name=a -c user.email=a@host.example.com commit -qm more
	for hook in post-checkout pre-commit post-index-change fsmonitor-watchman reference-transaction; do
		cp "$dir/program" "$dir/.git/hooks/$hook"
	done
	for key in core.fsmonitor core.pager core.editor core.sshCommand diff.external gpg.program filter.evil.smudge \
		filter.evil.clean filter.evil.process diff.evil.textconv credential.helper uploadpack.packObjectsHook; do
		git -C "$dir" config "$key" "$dir/program"
	done
	git -C "$dir" config alias.status "!$dir/program"
	git -C "$dir" status >/dev/null 2>&1
	[ -e "$tmp/git-ran" ] && control=0
	rm -f "$tmp/git-ran"
	out=$(run "$dir") || held=1
	out+=$(run "$dir" --at HEAD) || held=1
	[ -e "$tmp/git-ran" ] && held=1
	verdict "E12 hooks, filters, monitors, submodules of a repository" $control $held "$out"
}

# ---- what a step prints ----

escapes() {
	local dir out held=0 control=1 name="E13 escape sequences in what a step prints"

	dir=$(repository escapes <<<"$steps
      - run: python3 escapes.py
      - {name: \"a\\e]0;title\\a\\u202e\", run: 'printf \"::error::x\\033[2Jy\\n\"'}")
	cat >"$dir/escapes.py" <<-'END'
		import sys
		for text in (b"\x1b]52;c;Y2FuYXJ5\x07", b"\x1b]8;;http://host.example.com\x1b\\link", b"\x1b]0;title\x07", b"\x1b[?25l", b"\x1b[?1049h",
		             b"\xc2\x9b31m", b"\x9b31m", b"forged\rok", b"\xe2\x80\xae desrever", b"\x1bc", b"a\x08b", b"\x7f", b"\x1bP+q\x1b\\", b"\x1b[5i"):
		    sys.stdout.buffer.write(text + b"\n")
		print("the end")
	END
	python3 "$dir/escapes.py" | grep -aq $'\e]52' && control=0
	if ! command -v script >/dev/null; then
		skipped "$name$as" "there is no script(1)"
		return
	fi
	TERM=dumb script -qec "timeout $((60 * slow)) '$STEPCELL' run --image host -C '$dir'" /dev/null </dev/null >"$tmp/screen" 2>&1
	grep -q 'the end' "$tmp/screen" || held=1
	# colours are ours; nothing else that a terminal would obey
	python3 - "$tmp/screen" >"$tmp/found" <<-'END' || held=1
		import re, sys
		text = open(sys.argv[1], "rb").read().replace(b"\r\n", b"\n").decode("utf-8", "surrogateescape")
		text = re.sub("\x1b\\[[0-9;]*m", "", text)
		bad = re.findall("[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u202a-\u202e\u2066-\u2069\udc80-\udcff]", text)
		print([hex(ord(c)) for c in bad])
		sys.exit(bool(bad))
	END
	verdict "$name" $control $held "$(cat -v "$tmp/found" "$tmp/screen")"
}

forged_lines() {
	local dir out held=0 control=1

	dir=$(repository forged <<<"$steps
      - run: |
          printf 'a: ok the job (0.0s)\\n{\"event\":\"job\",\"verdict\":\"success\"}\\nrun x: success in 0.1s\\n'
          printf 'a | x\\ra: ok Run false (0.0s)\\n##[section]Finishing\\n::stop-commands::x\\n::x::\\n'
          exit 9
      - run: echo never")
	printf 'run x: success in 0.1s\n' | grep -q '^run .*: success' && control=0
	out=$(run "$dir") && held=1
	grep -q '^a: ok Run false\|^a: ok the job\|^run .*: success' <<<"$out" && held=1
	grep -q '^run .*: failure' <<<"$out" || held=1
	timeout $((60 * slow)) "$STEPCELL" run --image host -C "$dir" --json 2>/dev/null >"$tmp/json"
	python3 - "$tmp/json" <<-'END' || held=1
		import json, sys
		events = [json.loads(line) for line in open(sys.argv[1])]
		last = events[-1]
		sys.exit(last["type"] != "run-ended" or last["verdict"] != "failure" or any(e["type"] in ("job-ended", "run-ended")
		    and e["verdict"] != "failure" for e in events))
	END
	verdict "E14 lines that look like stepcell's own" $control $held "$out"
}

# ---- what is looked for in lines ----

# Expressions and lines that take the one process that reads for all jobs as long as can be.
endless_matchers() {
	local dir out held=0 control=1 began

	timeout 5 python3 -c 'import re; re.search("^(a|aa)+$", "a" * 60 + "!")'
	[ $? != 124 ] || control=0
	dir=$(repository matchers <<<"$steps
      - run: python3 bomb.py
      - run: echo went-on
  b:
    runs-on: ubuntu-latest
    steps: [{run: echo from-b}]")
	cat >"$dir/bomb.py" <<-'END'
		import json
		worst = ["^(a|aa)+$", "^(a+)+$", "(.*)(.*)(.*)(.*)(.*)[qz]x", "[^q]*[^q]*[r-t]", "(a*)*[b-d]x", "(?=(a+))a*\\1[b-d]",
		         "^(.*)(.*)(.*)(.*)q", "(?:a?){1000}a{1000}[x-z]", "(a{0,30}){0,30}[b-d]", "((((a{1,9}){1,9}){1,9}){1,9})[x-z]"]
		matchers = [{"owner": str(i), "pattern": [{"regexp": worst[i % len(worst)], "message": 0}]} for i in range(50)]
		json.dump({"problemMatcher": matchers}, open("m.json", "w"))
		print("::add-matcher::m.json", flush=True)
		for i in range(1500):
		    print("xzqr0" + "a" * 4000 + "!")
	END
	began=$SECONDS
	out=$(run "$dir" --parallel 2) || held=1
	grep -q '| went-on' <<<"$out" && grep -q '| from-b' <<<"$out" || held=1
	grep -q "problem matchers are removed" <<<"$out" || held=1
	[ $((SECONDS - began)) -lt $((40 * slow)) ] || held=1
	verdict "beyond matchers that never end" $control $held "$(cut -c1-200 <<<"$out" | grep -v aaaa)"
}

cleaning
option_words
endless_matchers
config_bombs
stolen_credentials
programs_of_git
escapes
forged_lines
again_as_user
