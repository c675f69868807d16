#!/usr/bin/env bats
# actions/cache: what is kept from run to run, for whom, and what it tells.
# shellcheck disable=SC2154,SC2016,SC2088 # run sets stderr; the steps expand what is quoted here

bats_require_minimum_version 1.5.0
load helper

# cached ACTION KEY: VALUE...: a step of actions/cache or one of its halves.
cached() {
	printf '      - uses: actions/%s@v4\n        id: cache\n        with:\n' "$1"
	printf '          %s\n' "${@:2}"
}
says_outputs() { printf '      - run: echo "hit [${{ steps.cache.outputs.cache-hit }}] key [${{ steps.cache.outputs.cache-primary-key }}] matched [${{ steps.cache.outputs.cache-matched-key }}]"\n'; }
script() { printf '      - run: |\n'; printf '          %s\n' "$@"; }

# cache_job: the project's workflow is one job of the steps on standard input.
cache_job() {
	{ printf 'on: [push, pull_request]\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n'; cat; } | workflow
}

# keeps KEY TEXT [OPTION]...: a run that caches a file of this text.
keeps() {
	{ cached cache "key: $1" "path: kept"; script "mkdir -p kept" "echo '$2' >kept/file"; } | cache_job
	cell_run "${@:3}"
	exits 0
}

# gets KEY [RESTORE-KEY] [-- OPTION]...: a run that asks for it and prints the file.
gets() {
	local keys=("key: $1") options=()
	shift
	[ "${1---}" = -- ] || { keys+=("restore-keys: $1"); shift; }
	[ "${1-}" != -- ] || { shift; options=("$@"); }
	{ cached cache/restore "${keys[@]}" "path: kept"; says_outputs; script 'echo "got [$(cat kept/file 2>/dev/null)]"'; } | cache_job
	cell_run "${options[@]}"
	exits 0
}

@test "what a job caches, the next run has: files, modes, times and links" {
	{
		cached cache 'key: k-${{ runner.os }}' 'path: |' '  kept' '  ~/.tool' '  !kept/not'
		script '[ ! -e kept ] || exit 3' 'mkdir -p kept/deep ~/.tool' 'echo one >kept/deep/one' 'touch kept/not' \
			'printf "#!/bin/sh\necho ran\n" >~/.tool/run' 'chmod 755 ~/.tool/run' 'ln -s /usr/bin/env kept/env' \
			'touch -d @1000000000 kept/deep/one'
	} | cache_job
	cell_run
	exits 0
	says "no cache for the key 'k-Linux'" "cache 'k-Linux' saved for refs/heads/main: 3 files"
	{
		cached cache 'key: k-${{ runner.os }}' 'path: |' '  kept' '  ~/.tool' '  !kept/not'
		says_outputs
		script '~/.tool/run' 'stat -c "%Y %a" kept/deep/one' 'readlink kept/env' '[ ! -e kept/not ]'
	} | cache_job
	cell_run
	exits 0
	says "hit [true] key [] matched []" ran "1000000000 644" /usr/bin/env "was hit, and is not saved again"
}

@test "restore-keys: the exact key, then the newest that begins with one, in their order" {
	keeps py-1-aaa first
	keeps py-1-bbb second
	keeps py-2-ccc third
	gets py-1-bbb
	says "hit [true] key [py-1-bbb] matched [py-1-bbb]" "got [second]"
	gets py-1
	says "hit [false] key [py-1] matched [py-1-bbb]" "got [second]"
	gets none-x 'py-'
	says "hit [false] key [none-x] matched [py-2-ccc]" "got [third]"
	gets none-x
	says "hit [] key [none-x] matched []" "got []" "no cache for the key 'none-x'"
}

@test "an entry is never changed, and another path is another cache" {
	keeps k one
	gets k
	says "got [one]"
	{ cached cache/save "key: k" "path: kept"; } | cache_job
	sed -i 's/    steps:/    steps:\n      - run: mkdir kept; echo two >kept\/file/' "$project/.github/workflows/ci.yml"
	cell_run
	exits 0
	says "exists already, and is not changed"
	gets k
	says "got [one]"
	{ cached cache/restore "key: k" "path: other"; says_outputs; } | cache_job
	cell_run
	says "hit [] key [k]"
}

@test "scopes: a branch reads its own and the default's, never its neighbour's; a pull request is its own" {
	keeps k topic --ref refs/heads/topic
	keeps k main
	gets k -- --ref refs/heads/topic
	says "got [topic]"
	gets k -- --ref refs/heads/other
	says "got [main]"
	keeps only-topic topic --ref refs/heads/topic
	gets only-topic
	says "got []"
	keeps only-pr pr -e pull_request
	says "saved for refs/pull/"
	gets only-pr -- -e pull_request
	says "got [pr]"
	gets only-pr
	says "got []"
	gets k -- -e pull_request
	says "got [main]"
}

@test "an untrusted run reads the base's cache and never writes into it" {
	keeps k trusted
	gets k -- --policy untrusted
	says "got [trusted]"
	keeps mine untrusted --policy untrusted
	says "refs/heads/main, untrusted"
	gets mine -- --policy untrusted
	says "got [untrusted]" "which an untrusted run left"
	gets mine
	says "got []"
}

@test "a policy without caches: nothing is restored or saved, and it is said" {
	keeps k one
	sed 's/^caches: .*/caches: none/; s/^name: .*/name: mine/' "$(dirname "$STEPCELL")/../../policies/default.yml" >mine.yml
	gets k -- --policy ./mine.yml
	says "got []" "caches: none"
}

@test "lookup-only, fail-on-cache-miss, and what is saved only when all went well" {
	{ cached cache/restore "key: k" "path: kept" "fail-on-cache-miss: true"; } | cache_job
	cell_run
	exits 1
	says "no cache for the key 'k', and fail-on-cache-miss is set"
	{ cached cache "key: k" "path: kept"; script "mkdir kept; echo x >kept/file; exit 3"; } | cache_job
	cell_run
	exits 1
	says_not saved
	gets k
	says "got []"
	keeps k one
	{ cached cache/restore "key: k" "path: kept" "lookup-only: true"; says_outputs; script '[ ! -e kept ]'; } | cache_job
	cell_run
	exits 0
	says "hit [true]" "there is a cache 'k'"
}

@test "keys that GitHub refuses, and paths with nothing at them" {
	{ cached cache "key: 'a,b'" "path: kept"; } | cache_job
	cell_run
	exits 1
	says "cannot contain commas"
	{ cached cache "key: $(printf 'k%.0s' {1..513})" "path: kept"; } | cache_job
	cell_run
	exits 1
	says "longer than 512 characters"
	{ cached cache "key: k"; } | sed '/with:/a\          x: y' | cache_job
	cell_run
	exits 1
	says "input required and not supplied: path"
	{ cached cache "key: k" "path: nowhere"; } | cache_job
	cell_run
	exits 0
	says "is not saved: there is nothing at its paths"
}

@test "what is cached is listed, and removed by its key" {
	run "$STEPCELL" cache list
	exits 0
	[ -z "$output" ]
	keeps k one
	keeps other untrusted --policy untrusted
	run --separate-stderr "$STEPCELL" cache list
	exits 0
	says "k  refs/heads/main" "other  refs/heads/main" "guest untrusted" "shared  folder $project"
	run --separate-stderr "$STEPCELL" cache list --json
	says '"key": "k"' '"kind": "shared"'
	run "$STEPCELL" cache remove k
	exits 0
	gets k
	says "got []"
	run "$STEPCELL" cache remove k
	exits 2
}

@test "a cache that is not what was saved is dropped, and nothing of it is unpacked" {
	keeps k one
	tar=$(echo "$STEPCELL_HOME"/caches/*/*.tar.zst)
	printf x | dd of="$tar" bs=1 seek=9 conv=notrunc status=none
	gets k
	says "is not what was saved; it is dropped" "got []" "hit []"
	[ ! -e "$tar" ]
}
