#!/usr/bin/env bats
# A matrix over Python's versions on real toolchains: one command, and no network.

bats_require_minimum_version 1.5.0
load ../helper

versions=(3.9 3.10 3.11 3.12 3.13)

setup_file() {
	cd "$BATS_TEST_DIRNAME/../../.." || return 1
	export STEPCELL_HOME=$BATS_FILE_TMPDIR/home built=$BATS_FILE_TMPDIR/built
	"$STEPCELL" image build --quiet python-3.11 >"$built" || return 1
	for version in "${versions[@]}"; do
		# what this host has no Python of, its recipe says
		! "$STEPCELL" image build --quiet "python-$version" >/dev/null 2>"$BATS_FILE_TMPDIR/$version.log" ||
			echo "$version" >>"$built.versions"
	done
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	cp -R "$BATS_TEST_DIRNAME/../../projects/abi" project
	workflow=project/.github/workflows/versions.yml
	mapfile -t have <"$built.versions"
}

# versions_run: the workflow, with what it says in $output and $stderr.
versions_run() {
	run --separate-stderr timeout 900 "$STEPCELL" run -C project -W "$workflow" -e workflow_dispatch \
		--image python-3.11 --parallel 2 </dev/null
}

# passes VERSION...: the job of each ran that very Python and its tests passed.
passes() {
	local version
	exits 0
	for version; do
		says "test ($version) | Python $version."
		grep -qE "^test \($version\) \| .*75 passed" <<<"$(all)" || { all; return 1; }
	done
}

@test "the versions that this host has, in one command" {
	list=$(printf "'%s', " "${have[@]}")
	sed -i "s/python-version: \[.*/python-version: [${list%, }]/" "$workflow"
	versions_run
	passes "${have[@]}"
}

@test "3.9 to 3.13, in one command" {
	[ "${#have[@]}" = "${#versions[@]}" ] || cannot "this host has Python ${have[*]}, not all of ${versions[*]}"
	versions_run
	passes "${versions[@]}"
}
