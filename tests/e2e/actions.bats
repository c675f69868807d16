#!/usr/bin/env bats
# The actions that stepcell brings: checkout, artifacts, composite actions, setup-python; and the policies of the checkout.
# shellcheck disable=SC2016 # what runs in the step is for its shell to expand
# shellcheck disable=SC2154 # bats' run sets status, output and stderr

bats_require_minimum_version 1.5.0
load helper

# repository DIR [MESSAGE]: DIR becomes a git repository, all of it committed.
repository() {
	git -C "$1" init -q -b main
	git -C "$1" add -A
	git -C "$1" -c user.name=me -c user.email=me@example.com commit -q -m "${2:-first}"
}

@test "checkout: an empty workspace before; files and a harmless .git after; the host's unchanged" {
	echo content >"$project/file"
	mkdir "$project/dir" && ln -s ../file "$project/dir/link"
	steps <<-'END'
		- run: echo "before:$(ls -A | wc -l)"
		- uses: actions/checkout@v4
		- run: |
		    cat file dir/link; git log --oneline; echo "status:$(git status --porcelain | wc -l)"
		    git remote -v; ls -A .git/hooks || true; git config --list --show-origin
		    test "$(git rev-parse HEAD)" = "$GITHUB_SHA" && echo "sha:same,$GITHUB_REF_NAME"
		    rm dir/link; mv dir other; echo changed >file; git status --porcelain
		- run: cat file; ls
	END
	repository "$project"
	git -C "$project" remote add origin 'HTTPS://me:p@ss@example.com/own/er.git?token=abc'
	git -C "$project" config core.fsmonitor 'touch /tmp/fsmonitor-ran'
	printf '#!/bin/sh\ntouch /tmp/hook-ran\n' >"$project/.git/hooks/post-checkout"
	chmod +x "$project/.git/hooks/post-checkout"
	before=$(tree_hash "$project")
	cell_run
	exits 0
	says before:0 '| content' first status:0 'HTTPS://example.com/own/er.git' sha:same,main ' M file' 'other'
	says_not p@ss
	says_not ss@example
	says_not token=abc
	says_not fsmonitor
	says_not post-checkout
	[ "$(tree_hash "$project")" = "$before" ]
}

@test "checkout: a repository without a commit, and one that git cannot read, stay hidden" {
	steps <<<'- uses: actions/checkout@v4
- run: ls -A .git | wc -l; cat .git/config || echo hidden'
	git -C "$project" init -q
	git -C "$project" remote add origin https://me:secret@example.com/o/r
	cell_run
	exits 0
	says hidden "no commit"
	says_not secret
}

@test "checkout: a repository inside it is there without its .git" {
	steps <<<'- uses: actions/checkout@v4
- run: cat sub/mod/file; stat -c "%a %Y" sub; find . -name .git; git status --porcelain; cat sub/mod/.git/config || echo hidden'
	mkdir -p "$project/sub/mod"
	echo inner >"$project/sub/mod/file"
	repository "$project/sub/mod"
	git -C "$project/sub/mod" remote add origin https://me:secret@example.com/o/r
	chmod 750 "$project/sub"
	touch -d '2020-01-02 UTC' "$project/sub"
	repository "$project"
	cell_run
	exits 0
	says '| inner' '| 750 1577923200' '| ./.git' hidden
	says_not secret sub/mod/.git:
	[ -d "$project/sub/mod/.git" ]
}

@test "checkout: a worktree is one; a .git that names somebody else's repository is not followed" {
	mkdir victim main
	echo private >victim/file
	repository victim
	echo mine >main/file
	repository main
	rm -rf "$project"
	git -C main worktree add -q "$project"
	mkdir -p "$project/.github/workflows"
	steps <<<'- uses: actions/checkout@v4
- run: git log --oneline; git show HEAD:file; git status --porcelain'
	cell_run
	exits 0
	says '| mine' first
	says_not fatal
	rm -rf "$project/.git"
	echo "gitdir: $PWD/victim/.git" >"$project/.git"
	cell_run
	exits 1
	says fatal
	says_not private
}

@test "checkout: a folder called worktrees is no repository, whatever a .git in it says" {
	echo mine >"$project/file"
	steps <<<'- run: echo ran'
	repository "$project"
	mkdir worktrees
	git -C "$project" worktree add -q "$PWD/worktrees/own"
	run --separate-stderr "$STEPCELL" run -C worktrees/own --image host --at HEAD # the control: git's own is one
	exits 0
	says '| ran'
	# the checkout is its own git directory, and so what is two above it would be the repository
	cp -r "$project" worktrees/lie
	mv worktrees/lie/.git git && cp -r git/. worktrees/lie
	echo "gitdir: $PWD/worktrees/lie" >worktrees/lie/.git
	echo "$PWD/worktrees/lie/.git" >worktrees/lie/gitdir
	git -c safe.directory='*' -C worktrees/lie log -1 >/dev/null # the control: git believes it
	run --separate-stderr "$STEPCELL" run -C worktrees/lie --image host --at HEAD
	exits 2
	says 'is in no git repository'
}

@test "checkout: path, ref, repository and --at" {
	echo one >"$project/file"
	steps <<-'END'
		- uses: actions/checkout@v4
		  with: { path: sub/dir, ref: "${{ github.ref }}" }
		- run: ls; cat sub/dir/file; git -C sub/dir log --oneline
		- uses: actions/checkout@v4
		  with: { repository: other/one }
		  continue-on-error: true
		- uses: actions/checkout@v4
		  with: { ref: v9 }
	END
	repository "$project"
	echo two >"$project/file"
	cell_run
	exits 1
	says '| two' first "repository 'other/one' is not the checkout" "ref 'v9' is not the commit at hand"
	cell_run --at HEAD
	says '| one'
	cell_run --at nosuch
	exits 2
	says nosuch
}

@test "the checkout's policies: strict is EROFS, copy renames directories, neither touches the host" {
	mkdir "$project/dir"
	echo x >"$project/dir/file"
	steps <<-'END'
		- uses: actions/checkout@v4
		- run: |
		    python3 -c 'import os; os.rename("dir", "new")' && echo renamed
		    touch dir/other || true
		- run: ls; touch left
		- uses: actions/checkout@v4
		- run: echo "again:$(ls)"
	END
	before=$(tree_hash "$project")
	printf 'name: strict\ncheckout: strict\n' >strict.yml
	printf 'name: copy\ncheckout: copy\n' >copy.yml
	cell_run --policy ./strict.yml
	says "Read-only file system"
	says_not '| renamed'
	cell_run --policy ./copy.yml
	exits 0
	says '| renamed' '| new' again:dir
	cell_run
	exits 0
	[ "$(tree_hash "$project")" = "$before" ]
}

@test "artifacts: the whole workspace, as . and as ./, and what is taken away from it" {
	mkdir -p "$project/d"
	echo 1 >"$project/d/a.txt"
	echo 2 >"$project/d/b.txt"
	steps <<-'END'
		- uses: actions/checkout@v4
		- run: rm -r .github
		- uses: actions/upload-artifact@v4
		  with: { name: dot, path: . }
		- uses: actions/upload-artifact@v4
		  with: { name: slash, path: "./\n!./d/b.txt" }
		- uses: actions/download-artifact@v4
		  with: { path: got }
		- run: cd got; echo "[$(find . -type f | sort | tr '\n' ' ')]"
	END
	cell_run
	exits 0
	says '[./dot/d/a.txt ./dot/d/b.txt ./slash/d/a.txt ]'
}

@test "artifacts: up and down, by name, by pattern, several; what they hold" {
	mkdir -p "$project/d/sub"
	echo 1 >"$project/d/a.txt"
	echo 2 >"$project/d/sub/b.txt"
	echo h >"$project/d/.hidden"
	{
		job_of a <<-'END'
			- uses: actions/checkout@v4
			- run: mkdir $RUNNER_TEMP/t; echo t >$RUNNER_TEMP/t/x; chmod +x d/a.txt
			- uses: actions/upload-artifact@v4
			  with: { name: dir, path: d }
			- uses: actions/upload-artifact@v4
			  with: { name: some, path: "d/**/*.txt\n!d/a.txt" }
			- uses: actions/upload-artifact@v4
			  with: { name: outside, path: "${{ runner.temp }}/t" }
			- uses: actions/upload-artifact@v4
			  id: none
			  with: { name: none, path: nothing }
			- uses: actions/upload-artifact@v4
			  with: { name: none, path: nothing, if-no-files-found: error }
			  continue-on-error: true
			- uses: actions/upload-artifact@v4
			  with: { name: dir, path: d/a.txt }
			  continue-on-error: true
			- uses: actions/upload-artifact@v4
			  with: { name: replaced, path: d }
			- uses: actions/upload-artifact@v4
			  with: { name: replaced, path: d/a.txt, overwrite: true }
		END
		job_of b 'needs: a' <<-'END'
			- uses: actions/download-artifact@v4
			  with: { name: dir, path: one }
			- uses: actions/download-artifact@v4
			  with: { pattern: "[ds][io][rm]*", path: two }
			- uses: actions/download-artifact@v4
			  with: { pattern: "*o*", path: three, merge-multiple: true }
			- run: echo "[$(find . -type f | sort | tr '\n' ' ')]"; test -x one/a.txt
			- uses: actions/download-artifact@v4
			  with: { name: missing }
		END
	} | on_push
	cell_run -o out
	exits 1
	says "no files were found" "an artifact named 'dir' exists already" "no artifact named 'missing'"
	says '[./one/a.txt ./one/sub/b.txt ./three/sub/b.txt ./three/x ./two/dir/a.txt ./two/dir/sub/b.txt ./two/some/sub/b.txt ]'
	[ "$(echo out/a/*)" = "out/a/dir.tar.zst out/a/outside.tar.zst out/a/replaced.tar.zst out/a/some.tar.zst" ]
	[ "$(tar --zstd -tf out/a/replaced.tar.zst)" = a.txt ]
	[ "$(tar --zstd -xOf out/a/dir.tar.zst sub/b.txt)" = 2 ]
}

@test "composite actions: inputs, outputs, nesting, what leaks and what does not" {
	mkdir -p "$project/act/inner" "$project/sub"
	cat >"$project/act/action.yml" <<-'END'
		name: act
		description: for a test
		inputs: { who: { default: nobody }, Other: { default: "${{ github.job }}" } }
		outputs: { greet: { value: "${{ steps.g.outputs.x }}" } }
		runs:
		  using: composite
		  steps:
		    - id: g
		      shell: bash
		      working-directory: sub
		      env: { INNER: inner }
		      run: |
		        echo "1:${PWD##*/},${{ inputs.who }},${{ inputs.other }},$INPUT_WHO,$OUTER,${GITHUB_ACTION_PATH##*/}"
		        echo "x=hi ${{ inputs.who }}" >>$GITHUB_OUTPUT; echo GE=set >>$GITHUB_ENV
		    - uses: ./act/inner
		    - { run: 'echo "3:$INNER,$GE,${{ steps.g.outcome }}"', shell: bash }
		    - { run: exit 5, shell: sh, if: "inputs.who == 'bad'" }
		    - { run: 'echo "4:${{ steps.outside.outcome }}"', shell: sh }
		    - { run: 'echo "5:always"', shell: sh, if: always() }
	END
	printf 'name: inner\ndescription: d\nruns:\n  using: composite\n  steps:\n    - { shell: sh, run: "echo 2:$OUTER,${{ inputs.who }}" }\n' >"$project/act/inner/action.yaml"
	steps <<-'END'
		- uses: ./act
		  continue-on-error: true
		- uses: actions/checkout@v4
		- id: outside
		  uses: ./act
		  with: { who: world }
		  env: { OUTER: outer }
		- run: echo "6:${{ steps.outside.outputs.greet }},$OUTER,$GE,${{ steps.g.outcome }}"
		- id: bad
		  uses: ./act
		  with: { who: bad }
		  continue-on-error: true
		- run: echo "7:${{ steps.bad.outcome }},${{ steps.bad.conclusion }}"
		- uses: ./act
		  with: { who: bad }
	END
	cell_run
	exits 1
	says "actions/checkout has not run" "1:sub,world,a,,outer,act" "2:outer," "3:,set,success" "4:" "5:always" \
		"6:hi world,,set," "7:failure,success"
	[ "$(all | grep -c '| 4:$')" = 1 ]
	[ "$(all | grep -c '| 5:always')" = 3 ]
}

@test "setup-python: what fits; what does not says what there is and how to build it" {
	steps <<<'- uses: actions/setup-python@v5
  id: py
  with: { python-version: 3.x }
- run: test "$(which python3)" = "$pythonLocation/bin/python3" && echo "found ${{ steps.py.outputs.python-version }}"'
	python3 --version || cannot "no Python on this host"
	cell_run
	exits 0
	says "found 3."
	steps <<<'- uses: actions/setup-python@v5
  with: { python-version: "${{ vars.V }}" }'
	cell_run --var V=2.1
	exits 4
	says "no toolchain for Python 2.1" "no recipe of rootfs/ makes one"
	cell_run --var V=3.8
	exits 4
	says "no toolchain for Python 3.8" "stepcell image build python-3.8"
}

@test "hashFiles: what GitHub computes, never outside the workspace" {
	echo hello >"$project/a.lock"
	steps <<-'END'
		- run: echo "none:${{ hashFiles('a.lock') }}."
		- uses: actions/checkout@v4
		- run: ln -s /etc/passwd link; mkfifo pipe
		- run: echo "one:${{ hashFiles('*.lock') }}" "out:${{ hashFiles('link', 'pipe') }}."
	END
	cell_run
	exits 0
	says none:. "one:$(python3 -c '
from hashlib import sha256
from sys import argv
print(sha256(sha256(open(argv[1], "rb").read()).digest()).hexdigest())' "$project/a.lock")" out:.
}
