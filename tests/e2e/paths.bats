#!/usr/bin/env bats
# Filters on paths, with what the repository itself says has changed.
# shellcheck disable=SC2016 # $PPID is for git's shell
# shellcheck disable=SC2154 # bats' run sets status, output and stderr

bats_require_minimum_version 1.5.0
load helper

commit() {
	git -C "$project" add -A
	git -C "$project" -c user.name=a -c user.email=a@example.com commit -qm "$1"
}

# repository: main has src and docs; the branch topic changes docs alone.
repository() {
	workflow <<-'END'
		on:
		  push: { paths: ['src/**'] }
		  pull_request: { paths-ignore: ['docs/**'] }
		jobs: { a: { runs-on: x, steps: [{ run: echo ran }] } }
	END
	mkdir -p "$project/src" "$project/docs"
	echo 1 >"$project/src/a"
	echo 1 >"$project/docs/a"
	git -C "$project" init -q -b main
	commit first
	first=$(git -C "$project" rev-parse HEAD)
	git -C "$project" checkout -q -b topic
	echo 2 >"$project/docs/a"
	commit docs
}

@test "a pull request's paths are those since it left its base" {
	repository
	git -C "$project" checkout -q main
	echo 9 >"$project/src/other" # only main has it: three dots, not two
	commit elsewhere
	git -C "$project" checkout -q topic
	cell_run -e pull_request
	exits 2
	says 'every changed path matches paths-ignore: docs/**'
	run --separate-stderr "$STEPCELL" plan -C "$project" -e pull_request
	says 'a    no       pull_request: every changed path matches'
	echo 2 >"$project/src/a"
	commit src
	cell_run -e pull_request
	exits 0
	says '| ran'
}

@test "a push's paths are those since 'before', when its payload says it and the repository has it" {
	repository
	printf '{"before": "%s"}' "$first" >event.json
	cell_run --event-file event.json
	exits 2
	says 'no changed path matches paths: src/**'
	echo 2 >"$project/src/a"
	commit src
	cell_run --event-file event.json
	exits 0
	printf '{"before": "%040d"}' 0 >event.json
	cell_run --event-file event.json
	exits 0
	printf '{"before": "--output=%s/made"}' "$PWD" >event.json
	cell_run --event-file event.json
	exits 0
	[ ! -e made ]
	git -C "$project" reset -q --hard HEAD~1
	cell_run # nobody says what was pushed: not known, so it runs
	exits 0
}

@test "asking for changed paths runs nothing that the repository names" {
	repository
	# whatever of these ran would take git with it, and the paths would not be known
	git -C "$project" config diff.external 'kill -9 $PPID'
	git -C "$project" config diff.evil.textconv 'kill -9 $PPID'
	git -C "$project" config diff.evil.command 'kill -9 $PPID'
	git -C "$project" config core.fsmonitor 'kill -9 $PPID'
	echo '* diff=evil' >"$project/.git/info/attributes"
	cell_run -e pull_request
	exits 2
	says 'every changed path matches paths-ignore: docs/**'
}

@test "a repository's commands, replacements and grafts have no say in what its commit is" {
	repository
	sed -i 's/run: echo ran/run: "echo says $TEXT; test ! -e .git\/ran"/; s/steps: \[/env: { TEXT: "${{ github.event.head_commit.message }}" }, &/' \
		"$project/.github/workflows/ci.yml"
	echo 3 >"$project/src/a"
	commit true-words
	local tree other
	tree=$(git -C "$project" rev-parse 'HEAD^{tree}')
	other=$(git -C "$project" -c user.name=a -c user.email=a@example.com commit-tree "$tree" -m lie)
	git -C "$project" replace HEAD "$other"
	# an object that is not there, and a remote that would be asked for it: ext:: is a command
	git -C "$project" config core.repositoryFormatVersion 1
	git -C "$project" config extensions.partialClone origin
	git -C "$project" config protocol.ext.allow always
	git -C "$project" config remote.origin.promisor true
	git -C "$project" config remote.origin.partialCloneFilter blob:none
	git -C "$project" config mailmap.blob 1234567890123456789012345678901234567890
	git -C "$project" config remote.origin.url "ext::mkdir -p $PWD/ran"
	run git -C "$project" log -1 --format=%B # the control: git is told the lie, and runs it
	says lie
	[ -d ran ]
	git -C "$project" config remote.origin.url 'ext::mkdir -p /out/git/.git/ran'
	cell_run
	exits 0
	says '| says true-words'
}

@test "a small pack with a large tree, or many files, ends at the policy's limits" {
	repository
	truncate -s 200M "$project/zeros" # a few hundred kilobytes of pack
	commit large
	sed -e 's/^  disk: .*/  disk: 32MiB/; s/^  files: .*/  files: 500/' \
		"$(dirname "$STEPCELL")/../../policies/default.yml" >small.yml
	cell_run --at HEAD --policy ./small.yml
	exits 2
	says 'asking git about' 'File size limit exceeded'
	rm "$project/zeros"
	mkdir "$project/many"
	(cd "$project/many" && seq 3000 | xargs touch)
	commit many
	cell_run --at HEAD --policy ./small.yml
	exits 2
	says 'asking git about' disk-limit
	cell_run --at HEAD # the control: nothing else is wrong with it
	exits 0
	says '| ran'
}
