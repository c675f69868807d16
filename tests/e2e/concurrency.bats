#!/usr/bin/env bats
# Concurrency groups of workflows and jobs, within a run and across the runs of one state home.
# shellcheck disable=SC2016 # what runs in the step is for its shell to expand
# shellcheck disable=SC2154 # bats' run sets status, output and stderr

bats_require_minimum_version 1.5.0
load helper

# grouped KEYS SECONDS: a workflow with a group, whose one step says its input and sleeps.
grouped() {
	workflow <<-END
		on: { workflow_dispatch: { inputs: { n: {} } } }
		concurrency: $1
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    steps:
		      - run: echo "began:\${{ inputs.n }}"; sleep $2; echo "ended:\${{ inputs.n }}"
		      - { if: cancelled(), run: 'echo "cleaned:\${{ inputs.n }}"' }
	END
}

# begin N [OPTION]...: a run in the background, with its output in N.out.
declare -A pids
begin() {
	env --default-signal=INT,QUIT timeout 60 "$STEPCELL" run -C "$project" --image host \
		-e workflow_dispatch --input n="$1" "${@:2}" >"$1.out" 2>&1 </dev/null 3>&- &
	pids[$1]=$!
}
has() { grep -qsF -- "$2" "$1.out"; }
ended() { local code=0; wait "${pids[$1]}" || code=$?; echo "$code" >"$1.code"; }
code_is() { [ "$(<"$1.code")" = "$2" ] || { cat "$1.out"; return 1; }; }

@test "one runs, one waits, and a newer one takes the place of the one that waits" {
	grouped 'Deploy-${{ github.ref_name }}' 2
	begin 1 && within 20 has 1 '| began:1'
	begin 2 && within 20 has 2 "waiting for the concurrency group 'Deploy-main'"
	grouped 'deploy-${{ github.ref_name }}' 0 # case does not count
	begin 3
	ended 2 && ended 1 && ended 3
	code_is 1 0 && code_is 2 1 && code_is 3 0
	has 1 '| ended:1' && has 3 '| ended:3'
	has 2 'a newer one of its concurrency group' && ! has 2 '| began:2'
}

@test "cancel-in-progress, as an expression, ends the one that runs; its cancelled() steps run" {
	grouped '{ group: g, cancel-in-progress: "${{ inputs.n == 2 }}" }' 30
	begin 1 && within 20 has 1 '| began:1'
	grouped '{ group: g, cancel-in-progress: "${{ inputs.n == 2 }}" }' 0
	begin 2
	ended 1 && ended 2
	code_is 1 1 && code_is 2 0
	has 1 '| cleaned:1' && has 2 '| ended:2' && ! has 1 '| ended:1'
}

@test "queue: max keeps all that wait, in their order" {
	grouped '{ group: g, queue: max }' 1
	begin 1 && within 20 has 1 '| began:1'
	begin 2 && within 20 has 2 'waiting for'
	begin 3
	ended 1 && ended 2 && ended 3
	code_is 1 0 && code_is 2 0 && code_is 3 0
	[ 2.out -ot 3.out ]
}

@test "the lock of a run that was killed holds up nobody; an interrupt ends one that waits" {
	grouped g 40
	start -e workflow_dispatch --input n=1
	within 20 said '| began:1'
	begin 2 && within 20 has 2 'waiting for'
	kill -INT "$(pgrep -P "${pids[2]}")"
	ended 2
	code_is 2 130 && ! has 2 '| began:2'
	kill -KILL "$pid"
	wait "$pid" || true
	grouped g 0
	begin 3
	ended 3
	code_is 3 0 && has 3 '| ended:3'
}

@test "jobs of one run in one group run one at a time; a job would not wait for its own workflow" {
	workflow <<-'END'
		on: push
		jobs:
		  m:
		    runs-on: ubuntu-latest
		    strategy: { matrix: { n: [1, 2, 3] } }
		    concurrency: { group: "${{ github.workflow }}-m", queue: max }
		    steps: [{ run: "echo begin; sleep 0.3; echo end" }]
	END
	cell_run --parallel 3
	exits 0
	[ "$(grep -oE '\| (begin|end)$' <<<"$output" | tr -d '| \n')" = beginendbeginendbeginend ]
	workflow <<-'END'
		on: push
		concurrency: Same
		jobs: { a: { runs-on: x, concurrency: same, steps: [{ run: echo ran }] } }
	END
	cell_run
	exits 1
	says "the group 'same' is held by what this is part of"
	says_not '| ran'
}

@test "a matrix in one group without a queue: the first runs, the last waits, the rest are cancelled" {
	workflow <<-'END'
		on: push
		jobs:
		  m:
		    runs-on: ubuntu-latest
		    strategy: { fail-fast: false, matrix: { n: [1, 2, 3] } }
		    concurrency: one
		    steps: [{ run: "echo ran:${{ matrix.n }}; sleep 0.5" }]
	END
	cell_run --parallel 3
	exits 1
	says '| ran:1' '| ran:3'
	says_not '| ran:2'
}

@test "a run under another policy neither cancels nor waits for one of the same group and repository" {
	sed 's/^name: .*/name: other/' "$(dirname "$STEPCELL")/../../policies/default.yml" >other.yml
	grouped '{ group: g, cancel-in-progress: true }' 4
	begin 1 && within 20 has 1 '| began:1'
	begin 2 --policy ./other.yml
	within 20 has 2 '| began:2'
	has 2 'waiting for' && return 1
	grouped '{ group: g, cancel-in-progress: true }' 0
	begin 3 # the same policy does
	ended 1 && ended 2 && ended 3
	code_is 1 1 && code_is 2 0 && code_is 3 0
	has 2 '| ended:2' && has 1 '| cleaned:1'
}
