#!/usr/bin/env bats
# A matrix over Python's versions on real toolchains: one command, and no network.

bats_require_minimum_version 1.5.0
load ../helper
load ../toolchains

versions=(3.9 3.10 3.11 3.12 3.13)

# One run for all tests of this file: it takes a minute.
setup_file() {
	cd "$BATS_TEST_DIRNAME/../../.." || return 1
	export STEPCELL_HOME=$BATS_FILE_TMPDIR/home built=$BATS_FILE_TMPDIR/built said=$BATS_FILE_TMPDIR/said
	local project=$BATS_FILE_TMPDIR/project version code=0
	local workflow=$project/.github/workflows/versions.yml
	toolchain python-3.11 || return 1
	for version in "${versions[@]}"; do
		# what this host has no Python of, its recipe says
		! toolchain "python-$version" 2>"$BATS_FILE_TMPDIR/$version.log" || echo "$version" >>"$built"
	done
	cp -R tests/projects/abi "$project"
	sed -i "s/python-version: \[.*/python-version: [$(sed "s/.*/'&', /" "$built" | tr -d '\n')]/" "$workflow"
	timeout 900 "$STEPCELL" run -C "$project" -W "$workflow" -e workflow_dispatch \
		--image python-3.11 --parallel 2 >"$said" 2>&1 </dev/null || code=$?
	echo $code >"$said.code"
}

setup() {
	mapfile -t have <"$built"
	status=$(<"$said.code") output=$(<"$said")
}

# passes VERSION...: the job of each ran that very Python and its tests passed.
passes() {
	local version
	exits 0
	for version; do
		says "test ($version) | Python $version."
		grep -qE "^test \($version\) \| .*75 passed" <<<"$output" || { all; return 1; }
	done
}

@test "the versions that this host has, in one command" {
	passes "${have[@]}"
}

@test "3.9 to 3.13, in one command" {
	[ "${#have[@]}" = "${#versions[@]}" ] || cannot "this host has Python ${have[*]}, not all of ${versions[*]}"
	passes "${versions[@]}"
}
