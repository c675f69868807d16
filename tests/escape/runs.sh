#!/bin/bash
# runs.sh: hostile checkouts and hostile earlier steps against the runner, and against the cells of its
# own. TAP, a line an attack; run.sh has the attacks on one cell.
set -u

# shellcheck source=tests/escape/whole.bash
. "$(dirname "$0")/whole.bash"

# ---- a hostile .git ----

# The repository's configuration names a program that `git log` runs for a signed commit. Here it takes
# git's place in the cell that makes the .git of the steps, and leaves a link instead.
git_runs_programs() {
	local dir commit out held=0 control=1

	mkdir -p "$tmp/host/.git"
	echo canary-content >"$tmp/host/secret"
	chmod 700 "$tmp/host"
	dir=$(repository signed <<<"$steps
      - run: ls -a; cat secret || true")
	commit=$(git -C "$dir" cat-file commit HEAD |
		sed '0,/^$/s/^$/gpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n/' |
		git -C "$dir" hash-object -t commit -w --stdin)
	git -C "$dir" update-ref refs/heads/main "$commit"
	git -C "$dir" config log.showSignature true
	cat >"$dir/.git/program" <<-END
		#!/bin/sh
		touch $tmp/program-ran 2>/dev/null
		cat >/usr/local/bin/git <<'GIT'
		#!/bin/sh
		case "\$*" in
		*init*) mkdir -p /out/git/.git ;;
		*read-tree*) rm -rf /out/git; ln -s $tmp/host /out/git ;;
		esac
		GIT
		chmod 755 /usr/local/bin/git
	END
	sed -n 1,2p "$dir/.git/program" >"$tmp/control-program"
	chmod +x "$dir/.git/program" "$tmp/control-program"
	git -C "$dir" config gpg.program "$tmp/control-program"
	git -C "$dir" log -1 >"$tmp/out" 2>&1
	[ -e "$tmp/program-ran" ] && control=0
	git -C "$dir" config gpg.program /repo.git/program
	out=$(run "$dir") || held=1
	grep -q '| canary-content' <<<"$out" && held=1
	verdict "E12 git: a program of the repository's configuration" $control $held "$out"
}

# Git gives no commit: what is in .git must not be shown instead of what would have been made.
token_of_an_unreadable_git() {
	local dir out held=0 control=1

	dir=$(repository unreadable <<<"$steps
      - run: cat .git/config .git || true; grep -r --exclude-dir=.github canary-token . || true")
	git -C "$dir" config http.extraheader canary-token
	echo 1111111111111111111111111111111111111111 >"$dir/.git/refs/heads/main"
	grep -q canary-token "$dir/.git/config" && control=0
	out=$(run "$dir") || held=1
	grep -v 'step Run\|ok Run' <<<"$out" | grep -q '| .*canary-token' && held=1
	verdict "E11 git: a token in a .git that git cannot read" $control $held "$out"
}

# A file .git that leads to somebody else's repository, which does not know of it.
git_file_of_a_stranger() {
	local dir victim out held=0 control=1

	victim=$(repository victim <<<"$steps")
	echo canary >"$victim/secret"
	git -C "$victim" add -A
	git -C "$victim" -c user.name=a -c user.email=a@host.example.com commit -qm canary-commit
	dir=$(repository thief <<<"$steps
      - run: ls -a; git log --all --oneline 2>&1 || true")
	rm -rf "$dir/.git"
	echo "gitdir: $victim/.git" >"$dir/.git"
	git -C "$dir" log --oneline 2>/dev/null | grep -q canary-commit && control=0
	out=$(run "$dir") || held=1
	grep -q '| .*\(canary-commit\|gitdir\)' <<<"$out" && held=1
	verdict "E11 git: a .git file that names a stranger's repository" $control $held "$out"
}

# ---- a hostile tree ----

workflow_that_is_no_file() {
	local dir out held=0 control=1

	dir=$(repository fifo <<<"$steps")
	mkfifo "$dir/.github/workflows/b.yml"
	echo "canary: [" >"$tmp/outside.yml"
	ln -s "$tmp/outside.yml" "$dir/.github/workflows/c.yml"
	timeout 1 cat "$dir/.github/workflows/b.yml" >/dev/null
	[ $? = 124 ] && grep -q canary "$dir/.github/workflows/c.yml" && control=0
	out=$(run "$dir") || held=1
	grep -q canary <<<"$out" && held=1
	verdict "workflows: a FIFO, and a link that leads out" $control $held "$out"
}

output_through_links() {
	local dir out held=0 control=1

	dir=$(repository output <<<"$steps
      - run: echo hi > f
      - uses: actions/upload-artifact@v4
        with: {name: x, path: f}")
	echo canary >"$tmp/precious"
	mkdir -p "$dir/dist/a"
	ln -s "$tmp/precious" "$dir/dist/a/x.tar.zst"
	cp "$tmp/precious" "$tmp/copy"
	ln -s "$tmp/copy" "$dir/link" && echo overwritten >"$dir/link"
	grep -q overwritten "$tmp/copy" && control=0
	out=$(run "$dir" -o "$dir/dist") || held=1
	grep -q canary "$tmp/precious" && [ -f "$dir/dist/a/x.tar.zst" ] && [ ! -L "$dir/dist/a/x.tar.zst" ] || held=1
	verdict "A11 output: -o into a checkout that brought links of the names" $control $held "$out"
	rm -rf "$dir/dist/a"
	mkdir "$tmp/elsewhere"
	ln -s "$tmp/elsewhere" "$dir/dist/a"
	touch "$dir/dist/a/control" && [ -e "$tmp/elsewhere/control" ]
	control=$?
	out=$(run "$dir" -o "$dir/dist") && held=1
	[ -e "$tmp/elsewhere/x.tar.zst" ] && held=1
	verdict "A11 output: -o into a checkout that brought a link of the job's name" $control $held "$out"
}

# Whoever owns a folder above the checkout puts a link in its place while a step runs.
folder_replaced_by_a_link() {
	local dir out held=0 control=1

	mkdir -p "$tmp/above" "$tmp/roots/co"
	echo canary-content >"$tmp/roots/co/secret"
	chmod 700 "$tmp/roots/co"
	dir=$(repository above/co <<<"on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: echo begun; sleep 2
      - uses: actions/checkout@v4
      - run: cat secret")
	run "$dir" >"$tmp/race" &
	within 10 grep -q '| begun' "$tmp/race"
	mv "$tmp/above" "$tmp/above.old"
	ln -s "$tmp/roots" "$tmp/above"
	grep -q canary-content "$dir/secret" && control=0
	wait
	out=$(<"$tmp/race")
	grep -q canary-content <<<"$out" && held=1
	grep -q '| begun' <<<"$out" || held=1
	verdict "A4 checkout: a folder above it becomes a link during the run" $control $held "$out"
}

# ---- hostile steps against what runs behind them ----

# A library that the C library would load to convert names, in the root that packing sees.
library_for_packing() {
	local dir out held=0 control=1 name="artifacts: a library planted for the cell that packs"

	[ "$(id -u)" = 0 ] || { skipped "$name" "renaming folders of the host's image needs root's overlays"; return; }
	if ! command -v gcc >/dev/null || [ ! -x /usr/sbin/iconvconfig ] ||
		[ ! -d /usr/lib/x86_64-linux-gnu/gconv ]; then
		skipped "$name" "needs gcc and iconvconfig"
		return
	fi
	dir=$(repository gconv <<<"$steps
      - run: |
          mkdir out; echo hi >out/f
          gcc -shared -fPIC -o /var/tmp/EVIL.so evil.c
          python3 swap.py
          cp /var/tmp/EVIL.so /usr/lib/x86_64-linux-gnu/gconv/
          for name in ANSI_X3.4-1968// UTF-8// ISO-10646/UTF8/; do
            echo \"module \$name INTERNAL EVIL 1\"; echo \"module INTERNAL \$name EVIL 1\"
          done >/usr/lib/x86_64-linux-gnu/gconv/gconv-modules
          /usr/sbin/iconvconfig
          iconv -f ASCII -t UTF-8 /dev/null || true
      - uses: actions/upload-artifact@v4
        with: {name: x, path: out}
      - run: cat /var/tmp/ran")
	cat >"$dir/evil.c" <<-'END'
		#include <stdio.h>
		__attribute__((constructor)) static void go(void)
		{
			char name[64] = "?";
			FILE *in = fopen("/proc/self/comm", "r"), *out = fopen("/var/tmp/ran", "a");
			if (in && out && fgets(name, 60, in))
				fprintf(out, "code ran in %s", name);
			if (out)
				fclose(out);
		}
		int gconv_init(void *s) { (void)s; return 1; }
		int gconv(void) { return 1; }
	END
	cat >"$dir/swap.py" <<-'END'
		import os
		libs = "/usr/lib/x86_64-linux-gnu"
		os.rename("/usr/lib", "/usr/lib.old")
		os.makedirs(libs + "/gconv")
		for old, new in (("/usr/lib.old/", "/usr/lib/"), ("/usr/lib.old/x86_64-linux-gnu/", libs + "/")):
		    for name in os.listdir(old):
		        if not os.path.exists(new + name):
		            os.symlink(old + name, new + name)
	END
	out=$(run "$dir") || held=1
	grep -q 'code ran in iconv' <<<"$out" && control=0
	grep -q 'code ran in stepcell' <<<"$out" && held=1
	verdict "$name" $control $held "$out"
}

names_that_look_alike() {
	local dir out held=0

	dir=$(repository alike <<<"$steps
      - run: echo first > f
      - uses: actions/upload-artifact@v4
        with: {name: 'a b', path: f}
      - run: echo second > f
      - uses: actions/upload-artifact@v4
        with: {name: a-b, path: f}
      - uses: actions/download-artifact@v4
        with: {path: back}
      - run: cat 'back/a b/f' back/a-b/f")
	out=$(run "$dir") || held=1
	grep -q '| second' <<<"$out"
	local control=$?
	grep -q '| first' <<<"$out" || held=1
	verdict "artifacts: one name in another's file" $control $held "$out"
}

# Each output is looked for among all: a million of them would stop the runner, and with it all jobs.
outputs_without_end() {
	local dir out control held=0 began

	dir=$(repository outputs <<<"$steps
      - run: for i in 1 2 3; do echo \"::set-output name=o\$i::v\"; done")
	run "$dir" >/dev/null
	control=$?
	dir=$(repository flood <<<"on: push
jobs:
  flood:
    runs-on: ubuntu-latest
    steps:
      - run: for ((i = 0; i < $((200000 / slow)); i++)); do echo \"::set-output name=o\$i::v\"; done")
	began=$SECONDS
	out=$(run "$dir") && held=1
	grep -q 'more outputs than a step may have' <<<"$out" || held=1
	[ $((SECONDS - began)) -lt $((100 * slow)) ] || held=1
	verdict "outputs: more than anybody can look through" "$control" $held "$(tail -5 <<<"$out")"
}

# What earlier steps leave where later ones are mounted, written to and read from.
# shellcheck disable=SC2016 # for the steps' shells
places=(
	'rm -rf /home/runner/work/_temp; ln -s / /home/runner/work/_temp'
	'rm -rf /tmp; ln -s / /tmp'
	'rm -rf /etc; ln -s / /etc'
	'rm /bin; ln -s /nonexistent /bin'
	'rm "$GITHUB_ENV"; ln -s /etc/passwd "$GITHUB_ENV"'
	'rm "$GITHUB_OUTPUT"; mkfifo "$GITHUB_OUTPUT"'
	'truncate -s 1G "$GITHUB_ENV"'
	'chmod 000 "$GITHUB_ENV" "${GITHUB_ENV%/*}"'
	'rm -f "$GITHUB_WORKSPACE"/f; ln -s / "$GITHUB_WORKSPACE/f"'
	'mv /home/runner/work /home/runner/old; ln -s / /home/runner/work'
	'rm -f /lib64; ln -s / /lib64'
)

planted_places() {
	local dir out held=0 i text=$steps

	text="on: push
jobs:"
	for i in "${!places[@]}"; do
		text+="
  p$i:
    runs-on: ubuntu-latest
    continue-on-error: true
    steps:
      - run: |
          ${places[i]}
          touch /home/runner/planted 2>/dev/null; true
      - {if: always(), run: 'cat /canary-of-the-host || true'}
      - if: always()
        uses: actions/upload-artifact@v4
        with: {name: p$i, path: '**'}
      - {if: always(), run: 'echo \${{ hashFiles(''**'') }}'}"
	done
	dir=$(repository places <<<"$text")
	find "$tmp" -path "$STEPCELL_HOME" -prune -o -newer "$dir/.git/HEAD" -print >"$tmp/before"
	out=$(run "$dir")
	case $? in 0 | 1) ;; *) held=1 ;; esac
	[ "$(grep -c 'the job' <<<"$out")" -ge ${#places[@]} ] || held=1
	[ -d /tmp ] && [ -d /etc ] && [ ! -e /home/runner/planted ] || held=1
	ln -s / "$tmp/way" && [ -e "$tmp/way/etc" ]
	verdict "A4 steps: links and other things at ${#places[@]} places of later steps" $? $held "$(tail -40 <<<"$out")"
}

# ---- what a cell can do through what it was given ----

set_id_through_a_stream() {
	local out held=0 control=1 name="exec: a file given as input or output made set-id"
	local script='import os
for fd in 0, 1:
    try:
        os.fchmod(fd, 0o6755)
    except OSError:
        pass'
	local become=()

	[ "$(id -u)" != 0 ] || become=(setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups)
	mkdir -p "$tmp/user"
	touch "$tmp/user/in" "$tmp/user/out"
	[ "$(id -u)" != 0 ] || chown -R $USER_ID:$USER_ID "$tmp/user"
	"${become[@]}" /usr/bin/python3 -c "$script" <"$tmp/user/in" >"$tmp/user/out"
	[ -u "$tmp/user/in" ] && [ -u "$tmp/user/out" ] && control=0
	chmod 644 "$tmp/user/in" "$tmp/user/out"
	# shellcheck disable=SC2016 # for the inner shell
	out=$(STEPCELL_HOME=$tmp/user/home "${become[@]}" sh -c '"$0" exec python3 -c "$1" <"$2/in" >>"$2/out"' \
		"$STEPCELL" "$script" "$tmp/user" 2>&1) || held=1
	[ -u "$tmp/user/in" ] || [ -u "$tmp/user/out" ] && held=1
	verdict "$name" $control $held "$out"
}

paths_of_the_host() {
	local out held=0 control=1 name="exec: paths of the host in the mounts"

	[ "$(id -u)" = 0 ] || { skipped "$name" "the control mounts an overlay"; return; }
	mkdir -p "$tmp/canary-path/"{low,up,work}
	# shellcheck disable=SC2016 # for the inner shell
	unshare -m sh -c 'mount -t overlay none -o lowerdir=$0/low,upperdir=$0/up,workdir=$0/work $0/low && grep canary-path /proc/self/mountinfo' \
		"$tmp/canary-path" >/dev/null && control=0
	out=$(STEPCELL_HOME=$tmp/canary-path/home "$STEPCELL" exec --checkout "$tmp/canary-path" cat /proc/self/mountinfo) || held=1
	grep -v ' /home/runner/work/canary-path/' <<<"$out" | grep -q canary-path && held=1
	verdict "$name" $control $held "$out"
}

# ---- actions of the store ----

# What a step does to the files of an action, as $1.
spoil_tree='cd "$1" && { echo spoilt >>file; rm -f action.yml; mv sub gone; ln -s /etc/passwd link
chmod 777 .; mkdir new; : >sub/inner; mount -t tmpfs none . || mount -o remount,rw .; } 2>/dev/null'

# an_action FOLDER: an action whose files are worth spoiling.
an_action() {
	mkdir -p "$1/sub"
	echo kept >"$1/file"
	echo kept >"$1/sub/inner"
	# shellcheck disable=SC2016 # for the step
	printf 'name: a\nruns:\n  using: composite\n  steps:\n    - { shell: bash, run: "%s" }\n' \
		'cd / && cat $GITHUB_ACTION_PATH/file' >"$1/action.yml"
}

listing() { (cd "$1" && find . -printf '%p %m %l\n' -type f -exec cat {} + | sort) | sha256sum; }

# One job must not change what the next one runs.
tree_of_an_action() {
	local before dir out held=0 control=1 name="the files of an action, for the run behind"

	an_action "$tmp/spoilt"
	cp -a "$tmp/spoilt" "$tmp/action"
	before=$(listing "$tmp/spoilt")
	(bash -c "${spoil_tree%mount -t*} }" bash "$tmp/spoilt") 2>/dev/null
	[ "$(listing "$tmp/spoilt")" != "$before" ] && control=0
	"$STEPCELL" action add own/act@v1 "$tmp/action" >/dev/null || held=1
	before=$(listing "$STEPCELL_HOME"/store/action-trees/*/root)
	dir=$(repository spoiler <<-END
		on: push
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    steps:
		      - uses: own/act@v1
		      - run: |
		          set -- ~/work/_actions/own/act/v1
		          test -e "\$1/file" && echo reached
		          $(sed '2,$s/^/          /' <<<"$spoil_tree") || true
		          cd ~/work/_actions && mv own other 2>/dev/null && mkdir -p own/act/v1 || true
		      - uses: own/act@v1
	END
	)
	out=$(run "$dir") || true
	grep -q '| reached' <<<"$out" || control=1
	[ "$(listing "$STEPCELL_HOME"/store/action-trees/*/root)" = "$before" ] || held=1
	[ "$(grep -c '| kept' <<<"$out")" -ge 1 ] || held=1
	grep -q '| spoilt' <<<"$out" && held=1
	"$STEPCELL" action remove own/act@v1 || held=1
	verdict "$name" $control $held "$out"
}

# Git writes an action's tree out: neither a filter nor a hook of the repository may run on the host,
# and a link is a link.
repository_of_an_action() {
	local act=$tmp/hooked out held=0 control=1 name="action add: filters, hooks and links of a repository"

	an_action "$act"
	echo canary-content >"$tmp/canary"
	ln -s "$tmp/canary" "$act/link"
	echo '* filter=evil' >"$act/.gitattributes"
	git -C "$act" init -q -b main
	git -C "$act" add -A
	git -C "$act" -c user.name=a -c user.email=a@host.example.com commit -qm x
	printf '#!/bin/sh\ntouch %s\n' "$tmp/ran" >"$act/.git/hooks/post-checkout"
	chmod +x "$act/.git/hooks/post-checkout"
	git -C "$act" config filter.evil.smudge "touch $tmp/ran; cat"
	git -C "$act" config core.fsmonitor "$act/.git/hooks/post-checkout"
	rm "$act/file"
	git -C "$act" checkout -q -- file 2>/dev/null
	[ -e "$tmp/ran" ] && control=0
	rm -f "$tmp/ran"
	out=$("$STEPCELL" action add --rev main own/hooked@v1 "$act" 2>&1) || held=1
	[ -e "$tmp/ran" ] && held=1
	[ -L "$(echo "$STEPCELL_HOME"/store/action-trees/*/root/link)" ] || held=1
	grep -rqs canary-content "$STEPCELL_HOME/store/action-trees" --exclude=link && held=1
	"$STEPCELL" action remove own/hooked@v1 || held=1
	verdict "$name" $control $held "$out"
}

git_runs_programs
token_of_an_unreadable_git
git_file_of_a_stranger
workflow_that_is_no_file
output_through_links
folder_replaced_by_a_link
library_for_packing
names_that_look_alike
outputs_without_end
planted_places
set_id_through_a_stream
paths_of_the_host
tree_of_an_action
repository_of_an_action
echo "1..$tests"
exit $((failed > 0))
