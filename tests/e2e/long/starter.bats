#!/usr/bin/env bats
# GitHub's starter workflows as they are, and a matrix, on real toolchains. The workflows are somebody
# else's, found through STEPCELL_SHARED or ../shared; Pythons that this host has not are left out of the
# matrix by --matrix, and it is said.
# shellcheck disable=SC2154 # bats' run sets status, output and stderr

bats_require_minimum_version 1.5.0
load ../helper
load ../toolchains

setup_file() {
	cd "$BATS_TEST_DIRNAME/../../.." || return 1
	export STEPCELL_HOME=$BATS_FILE_TMPDIR/home checkout=$BATS_FILE_TMPDIR/tally pythons=3.11
	export starter=${STEPCELL_SHARED:-$PWD/../shared}/conformance/starter-workflows
	cp -R tests/projects/tally "$checkout"
	(
		cd "$checkout" || exit 1
		export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_DATE='2024-01-02T03:04:05Z' GIT_COMMITTER_DATE='2024-01-02T03:04:05Z'
		git init -q -b main && git add -A &&
			git -c user.name=a -c user.email=a@example.com commit -qm 'a project'
	) || return 1
	toolchain python-3.11 || return 1
	for version in 3.10 3.9 3.8; do
		! toolchain "python-$version" 2>>"$BATS_FILE_TMPDIR/log" || pythons="$pythons $version"
	done
}

setup() { cd "$BATS_TEST_TMPDIR" || return 1; }

# go [OPTION]...: run on the project.
go() {
	run --separate-stderr timeout 600 "$STEPCELL" run -C "$checkout" "$@" </dev/null
}

# jobs: "NAME VERDICT" of each job of the newest run, in the order of its plan.
jobs() {
	"$STEPCELL" runs show --json | python3 -c '
import json, sys
for line in sys.stdin:
    e = json.loads(line)
    if e["type"] == "run-ended":
        print(*(j["name"] + " " + j["verdict"] for j in e["jobs"]), sep="\n")'
}

has() { [[ " $pythons " == *" $1 "* ]]; }

@test "ci/pylint.yml, unmodified: pip and pylint from the image's wheels, on every Python it names" {
	[ -f "$starter/ci/pylint.yml" ] || cannot "no conformance/starter-workflows in STEPCELL_SHARED or ../shared"
	has 3.10 || cannot "this host has no Python 3.8, 3.9 or 3.10 to make a toolchain of"
	only=() want=
	for version in 3.8 3.9 3.10; do
		has "$version" && want+="build ($version) success"$'\n' || echo "# no Python $version here" >&3
	done
	has 3.8 && has 3.9 || only=(--matrix "python-version:3.10")
	go -W "$starter/ci/pylint.yml" "${only[@]}"
	exits 0
	[ "$(jobs)"$'\n' = "$want" ]
	says "Your code has been rated at 10.00/10" "Successfully installed" pylint-

	# and it finds what is wrong: exit 16, convention
	printf 'def f(x): return x\n' >"$checkout/bad.py"
	git -C "$checkout" add bad.py
	git -C "$checkout" -c user.name=a -c user.email=a@example.com commit -qm bad
	go -W "$starter/ci/pylint.yml" --matrix "python-version:3.10"
	exits 1
	says "C0114: Missing module docstring" "exit 16"
	git -C "$checkout" reset -q --hard HEAD~
}

@test "the build job of ci/python-publish.yml, unmodified: a release makes the distributions" {
	[ -f "$starter/ci/python-publish.yml" ] || cannot "no conformance/starter-workflows in STEPCELL_SHARED or ../shared"
	go -W "$starter/ci/python-publish.yml" -e release -j release-build -o out
	exits 0
	[ "$(jobs)" = "release-build success" ]
	[ "$(tar --zstd -tf out/release-build/release-dists.tar.zst | sed 's|^\./||' | grep . | sort)" = "tally-1.2.0-py3-none-any.whl
tally-1.2.0.tar.gz" ]
	# the other job needs an environment, which the policy does not grant, and an action that is not stored
	go -W "$starter/ci/python-publish.yml" -e release
	exits 2
	says "pypa/gh-action-pypi-publish@release/v1"
}

@test "a matrix over two Pythons and two values, with include and exclude, job by job" {
	has 3.10 || cannot "this host has no Python 3.10 to make a toolchain of"
	cat >matrix.yml <<-'END'
		on: push
		jobs:
		  test:
		    runs-on: ubuntu-latest
		    strategy:
		      max-parallel: 2
		      matrix:
		        python: ["3.11", "3.10"]
		        mode: [fast, slow]
		        exclude:
		          - { python: "3.10", mode: slow }
		        include:
		          - { python: "3.11", mode: slow, extra: "-v" }
		          - { note: all }
		          - { python: "3.10", mode: odd, note: alone }
		    steps:
		      - uses: actions/checkout@v4
		      - uses: actions/setup-python@v5
		        with: { python-version: "${{ matrix.python }}" }
		      - name: test
		        run: |
		          python -c 'import sys; print("is:%d.%d" % sys.version_info[:2], end=" ")'
		          echo "${{ matrix.mode }},${{ matrix.extra }},${{ matrix.note }},${{ strategy.job-index }}/${{ strategy.job-total }}"
		          python -m unittest discover -s tests -t . ${{ matrix.extra }}
	END
	go -W matrix.yml
	exits 0
	# what include adds to a combination is not in its name, as on GitHub
	[ "$(jobs)" = "test (3.11, fast) success
test (3.11, slow) success
test (3.10, fast) success
test (3.10, odd, alone) success" ]
	says "is:3.11 fast,,all,0/4" "is:3.11 slow,-v,all,1/4" "is:3.10 fast,,all,2/4" "is:3.10 odd,,alone,3/4" \
		"test_order (tests.test_count.WordsTest"
}
