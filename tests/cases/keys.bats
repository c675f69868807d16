#!/usr/bin/env bats
# What docs/WORKFLOWS.md calls refused is refused, before anything starts; the page's keys are held against the grammar by
# tests/unit/workflow_page.c. A row that says "as `KEY`" goes with the row of that key.
# shellcheck disable=SC2154 # bats' run sets status and output

: "${STEPCELL:=$BATS_TEST_DIRNAME/../../build/release/stepcell}"
page=$BATS_TEST_DIRNAME/../../docs/WORKFLOWS.md

# The smallest job that uses the key.
declare -gA job=(
	['jobs.<id>.steps[*].background']='{runs-on: x, steps: [{run: x, background: true}]}'
	['jobs.<id>.steps[*].wait']='{runs-on: x, steps: [{run: x}, {wait: a}]}'
	['jobs.<id>.steps[*].wait-all']='{runs-on: x, steps: [{run: x}, {wait-all: }]}'
	['jobs.<id>.steps[*].cancel']='{runs-on: x, steps: [{run: x}, {cancel: a}]}'
	['jobs.<id>.steps[*].parallel']='{runs-on: x, steps: [{parallel: [{run: x}]}]}'
)

@test "what the page calls refused is refused before anything starts" {
	local key how seen=0
	cd "$BATS_TEST_TMPDIR" || return 1
	export STEPCELL_HOME=$BATS_TEST_TMPDIR/home
	while IFS='|' read -r _ key _ how _; do
		key=${key# \`} key=${key%\` }
		[[ $how != ' as `'* ]] || continue
		[ -n "${job[$key]-}" ] || { echo "no job here that uses $key"; return 1; }
		printf 'on: push\njobs:\n  first: {runs-on: x, steps: [{run: touch started}]}\n  a: %s\n' "${job[$key]}" >w.yml
		run "$STEPCELL" run -W w.yml --image host
		[ "$status" = 2 ] || [ "$status" = 3 ] || { echo "$key: exit $status: $output"; return 1; }
		[[ $output != *'first: '* ]] || { echo "$key: something was started: $output"; return 1; }
		seen=$((seen + 1))
	done < <(sed -n '/^<!-- keys/,/^<!-- end/p' "$page" | grep '^| `[^`]*` | refused |')
	[ ! -d home/runs ] || [ -z "$(ls home/runs)" ]
	echo "refused keys: $seen"
}
