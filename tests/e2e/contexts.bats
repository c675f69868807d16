#!/usr/bin/env bats
# Contexts and default variables: all that GitHub documents, and what they say.
# shellcheck disable=SC2016 # what runs in the step is for its shell to expand
# shellcheck disable=SC2154 # bats' run sets status, output and stderr

bats_require_minimum_version 1.5.0
load helper

commit() {
	git -C "$project" init -q -b main
	git -C "$project" add -A
	git -C "$project" -c user.name='A. Committer' -c user.email=a@example.com commit -qm "${1-first}"
}

@test "every default variable is there, and none besides" {
	workflow <<-'END'
		name: The flow
		on: push
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    steps: [{ id: s, run: "env | cut -d= -f1 | grep -E '^(CI|GITHUB_.*|RUNNER_.*)$' | sort | tr '\n' ' '" }]
	END
	cell_run
	exits 0
	says "CI GITHUB_ACTION GITHUB_ACTIONS GITHUB_ACTION_REF GITHUB_ACTION_REPOSITORY GITHUB_ACTOR GITHUB_ACTOR_ID \
GITHUB_API_URL GITHUB_BASE_REF GITHUB_ENV GITHUB_EVENT_NAME GITHUB_EVENT_PATH GITHUB_GRAPHQL_URL GITHUB_HEAD_REF \
GITHUB_JOB GITHUB_OUTPUT GITHUB_PATH GITHUB_REF GITHUB_REF_NAME GITHUB_REF_PROTECTED GITHUB_REF_TYPE \
GITHUB_REPOSITORY GITHUB_REPOSITORY_ID GITHUB_REPOSITORY_OWNER GITHUB_REPOSITORY_OWNER_ID GITHUB_RETENTION_DAYS \
GITHUB_RUN_ATTEMPT GITHUB_RUN_ID GITHUB_RUN_NUMBER GITHUB_SERVER_URL GITHUB_SHA GITHUB_STATE GITHUB_STEP_SUMMARY \
GITHUB_TRIGGERING_ACTOR GITHUB_WORKFLOW GITHUB_WORKFLOW_REF GITHUB_WORKFLOW_SHA GITHUB_WORKSPACE RUNNER_ARCH \
RUNNER_ENVIRONMENT RUNNER_NAME RUNNER_OS RUNNER_TEMP RUNNER_TOOL_CACHE RUNNER_WORKSPACE "
}

@test "a run has an id that is a number, and a number among those of its workflow" {
	workflow <<<'{ on: push, jobs: { a: { name: "number ${{ github.run_number }}", runs-on: x, steps: [{ run: "echo id=$GITHUB_RUN_ID,$GITHUB_RUN_NUMBER,${{ github.run_number }}" }] } } }'
	for n in 1 2; do
		run "$STEPCELL" plan -C "$project" --json
		says "\"name\": \"number $n\""
		cell_run
		exits 0
		[[ "$output" =~ id=([0-9]+),$n,$n ]]
		ids+=("${BASH_REMATCH[1]}")
	done
	[ "${ids[0]}" -lt "${ids[1]}" ]
	cp "$project/.github/workflows/ci.yml" "$project/.github/workflows/other.yml"
	cell_run -W "$project/.github/workflows/other.yml"
	[[ "$output" =~ id=[0-9]+,1,1 ]]
}

@test "an event that nobody described has what the checkout knows of it; one that was given stays" {
	workflow <<-'END'
		on: [push, pull_request, workflow_dispatch]
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    steps:
		      - run: echo "push:${{ github.event.head_commit.message == 'one & "two"' }},${{ github.event.head_commit.author.name }},${{ github.event.after == github.sha }},${{ github.event.repository.full_name }},${{ github.event.repository.owner.login }}"
		        if: github.event_name == 'push'
		      - run: echo "pr:${{ github.event.pull_request.head.repo.full_name == github.repository }},${{ github.event.pull_request.head.repo.fork }},${{ github.event.pull_request.head.sha == github.sha }}"
		        if: github.event_name == 'pull_request'
		      - run: echo "ids:${{ github.actor_id }},${{ github.repository_id }},$GITHUB_REPOSITORY_OWNER_ID,${{ github.event.extra }}"
	END
	git -C "$project" init -q -b main
	git -C "$project" remote add origin https://example.com/me/it.git
	commit 'one & "two"'
	cell_run
	exits 0
	says 'push:true,A. Committer,true,me/it,me' ids:0,0,0,
	cell_run -e pull_request
	says pr:true,false,true
	echo '{"extra": 7, "repository": {"id": 41, "owner": {"id": 42}}, "sender": {"id": 43}, "pull_request": {"head": {}, "base": {}}}' >event.json
	cell_run -e pull_request --event-file event.json
	says pr:false,,false ids:43,41,42,7
}

@test "a pull request of another repository's, or of one that is gone by now, is a stranger's" {
	local head
	{
		printf 'on: pull_request\njobs:\n'
		job a 'echo ran'
	} | workflow
	for head in null '{"full_name": "other/it", "fork": false}' '{"full_name": "me/it", "fork": true}'; do
		printf '{"repository": {"full_name": "me/it"}, "pull_request": {"head": {"repo": %s}}}\n' "$head" >event.json
		cell_run -e pull_request --event-file event.json
		says untrusted
	done
	printf '{"repository": {"full_name": "me/it"}, "pull_request": {"head": {"repo": {"full_name": "me/it", "fork": false}}}}\n' >event.json
	cell_run -e pull_request --event-file event.json
	exits 0
	says "policy default"
}

@test "inputs are in the payload too, as texts" {
	workflow <<-'END'
		on: { workflow_dispatch: { inputs: { n: { type: number }, b: { type: boolean, default: true } } } }
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    steps:
		      - run: echo 'in:${{ inputs.n == 7 }},${{ inputs.b == true }},${{ toJSON(github.event.inputs) }}' | tr -d ' \n'
	END
	cell_run -e workflow_dispatch --input n=7
	exits 0
	says 'in:true,true,{"n":"7","b":"true"}'
}

@test "the steps context knows steps with an id, github where the files lie, strategy a job without one" {
	steps <<-'END'
		- run: echo nameless
		- { id: one, run: "echo x=1 >>$GITHUB_OUTPUT" }
		- run: echo again
		- run: |
		    echo '1:${{ join(github.event.none.*, '') }}${{ toJSON(steps) }}' | tr -d ' \n'; echo
		    [ '${{ github.env }},${{ github.path }},${{ github.output }}' = "$GITHUB_ENV,$GITHUB_PATH,$GITHUB_OUTPUT" ] && echo 2:same
		    echo '3:${{ toJSON(strategy) }}' | tr -d ' \n'; echo
		    echo '4:${{ github.action }},${{ runner.debug }},${{ contains(toJSON(runner), 'debug') }},${{ contains(toJSON(github), 'action_path') }}'
		    echo '5:${{ job.workflow_ref == github.workflow_ref }},${{ job.workflow_file_path }},${{ job.workflow_repository == github.repository }}'
	END
	cell_run
	exits 0
	says '1:{"one":{"outputs":{"x":"1"},"outcome":"success","conclusion":"success"}}' 2:same \
		'3:{"fail-fast":true,"job-index":0,"job-total":1,"max-parallel":1}' 4:__run_3,,false,false \
		5:true,.github/workflows/ci.yml,true
}

@test "a job of a called workflow knows in which file it is written" {
	workflow <<<'{ on: push, jobs: { call: { uses: ./.github/workflows/lib.yml }, far: { uses: o/r/.github/workflows/x.yml@v1 } } }'
	for name in lib.yml x.yml; do
		cat >"$name" <<-'END'
			on: workflow_call
			jobs: { a: { runs-on: x, steps: [{ run: "echo 'in:${{ job.workflow_repository }}|${{ job.workflow_file_path }}|${{ job.workflow_ref }}|${{ github.workflow_ref }}'" }] } }
		END
	done
	mv lib.yml "$project/.github/workflows/"
	cell_run -W "$project/.github/workflows/ci.yml" --file "o/r/.github/workflows/x.yml@v1=$PWD/x.yml"
	exits 0
	says 'in:local/project|.github/workflows/lib.yml|local/project/.github/workflows/lib.yml@refs/heads/main|local/project/.github/workflows/ci.yml@refs/heads/main' \
		'in:o/r|.github/workflows/x.yml|o/r/.github/workflows/x.yml@v1|local/project/.github/workflows/ci.yml@refs/heads/main'
}

@test "a step whose time is over is asked to end first, and has failed whatever it says" {
	steps <<-'END'
		- id: t
		  timeout-minutes: 0.01
		  continue-on-error: true
		  run: |
		    trap 'echo 1:asked; exit 0' INT
		    while :; do sleep 0.1; done
		- run: echo "2:${{ steps.t.outcome }}"
	END
	cell_run
	exits 0
	says 1:asked 2:failure "ran longer than 0.6 seconds"
}

@test "outputs of a job have a size, as GitHub counts it" {
	workflow <<-'END'
		on: push
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    outputs: { one: "${{ steps.s.outputs.a }}", two: "${{ steps.s.outputs.a }}" }
		    steps: [{ id: s, run: "{ printf a=; head -c 300000 /dev/zero | tr '\\0' x; echo; } >>$GITHUB_OUTPUT" }]
		  b:
		    needs: a
		    runs-on: ubuntu-latest
		    steps: [{ run: "echo '${{ startsWith(needs.a.outputs.one, 'xxx') }},[${{ needs.a.outputs.two }}]'" }]
	END
	cell_run --json
	exits 0
	says '"text":"true,[]"' '"type":"warning"' "output 'two' of job 'a' is dropped: the outputs of a job are 1 MiB at most"
}

@test "a workflow_run starts what asks for its workflow and branch, as its payload says" {
	workflow <<-'END'
		on: { workflow_run: { workflows: [Build, .github/workflows/x.yml], types: [completed], branches: ['rel/**', '!rel/old'] } }
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    steps: [{ run: "echo on-${{ github.event.workflow_run.head_branch }}-${{ github.event.workflow_run.conclusion }}" }]
	END
	# NAME PATH BRANCH ACTION, and what comes of it
	local rows=(
		"Build build.yml rel/1 completed|yes"
		"- .github/workflows/x.yml rel/1 completed|yes"
		"- - rel/1 completed|yes"
		"Test build.yml rel/1 completed|no workflow_run: the workflow 'Test' is not one of Build, .github/workflows/x.yml"
		"build build.yml rel/1 completed|no workflow_run: the workflow 'build' is not"
		"Build build.yml rel/old completed|no workflow_run: the branch 'rel/old' matches none of branches"
		"Build build.yml main completed|no workflow_run: the branch 'main' matches none of branches"
		"Build build.yml rel/1 requested|no workflow_run: the activity 'requested' is not one of completed"
	)
	local row of name path branch action
	for row in "${rows[@]}"; do
		read -r name path branch action <<<"${row%|*}"
		of="\"name\": \"$name\", \"path\": \"$path\""
		[ "$name" != - ] || of="\"path\": \"$path\""
		[ "$path" != - ] || of=
		echo "{\"action\": \"$action\", \"workflow\": {$of}, \"workflow_run\": {\"head_branch\": \"$branch\"}}" >event.json
		run "$STEPCELL" plan -C "$project" -e workflow_run --event-file event.json --json
		exits 0
		says "\"runs\": \"$(cut -d' ' -f1 <<<"${row#*|}")\""
		[ "${row#*|}" = yes ] || says "${row#*|no }"
	done
	cell_run -e workflow_run --event-file event.json
	says "the activity 'requested' is not one of completed"
	cell_run -e workflow_run --ref refs/heads/rel/2
	exits 0
	says on-rel/2-success
	cell_run -e workflow_run
	says "the branch 'main' matches none of branches"
}
