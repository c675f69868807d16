#!/usr/bin/env bats
# How a workflow runs: environments, outputs, conditions, needs, shells, secrets, what a policy refuses.
# shellcheck disable=SC2016 # what runs in the step is for its shell to expand

bats_require_minimum_version 1.5.0
load helper

# one_job <<END: the workflow is one job of these steps, with variables at each level.
one_job() {
	{
		printf 'on: push\nenv: { A: workflow, B: workflow, C: workflow }\njobs:\n'
		job_of a 'env: { B: job, C: job }'
	} | workflow
}

@test "env: workflow, job, step; GITHUB_ENV after them, a step's own wins" {
	one_job <<-'END'
		- run: |
		    echo "1:$A,$B,$C,${{ env.C }}"
		    echo C=file >>$GITHUB_ENV; echo D=file >>$GITHUB_ENV
		    printf 'M<<END\none\ntwo=2\nEND\n' >>$GITHUB_ENV
		    echo "still:$D"
		  env: { C: step }
		- run: echo "2:$A,$B,$C,$D,${{ env.D }}"
		  env: { D: step }
		- run: echo "3:$D,$(echo $M)"; echo "CI=$CI $GITHUB_ACTIONS $GITHUB_JOB"
		- run: echo "4:$GITHUB_REF"
		  env: { GITHUB_REF: mine }
	END
	cell_run
	exits 0
	says 1:workflow,job,step,step 'still:' 2:workflow,job,file,step,step '3:file,one two=2' 'CI=true true a'
	says 4:refs/heads/main
	says_not still:file
}

@test "GITHUB_ENV: what steers later programs is a matter of the policy, whatever it is called" {
	one_job <<-'END'
		- run: |
		    echo BASH_ENV=$PWD/evil >>$GITHUB_ENV; echo NODE_OPTIONS=--require=evil >>$GITHUB_ENV
		    echo GOOD=yes >>$GITHUB_ENV; echo 'echo evil ran' >evil
		- run: echo "good:$GOOD node:$NODE_OPTIONS."
	END
	sed 's/^name:.*/name: mine/; /^env-file:/d' "$BATS_TEST_DIRNAME/../../policies/default.yml" >"$BATS_TEST_TMPDIR/mine.yml"
	cell_run --policy "$BATS_TEST_TMPDIR/mine.yml"
	exits 0
	says 'good:yes node:.' BASH_ENV
	says_not 'evil ran'
	cell_run --policy default # the control: it says `env-file: any`
	exits 0
	says 'good:yes node:.' 'evil ran'
}

@test "what a step wrote and removed is there for all later ones, and nothing else is" {
	one_job <<-'END'
		- run: 'true'
		- run: chmod 700 . && mkdir d && rmdir d
		- run: echo "mode:$(stat -c %a .)"; touch a
		- run: 'true'
		- run: 'true'
		- run: echo "kept:$(ls)"; rm a; touch b; mv b c
		- run: 'true'
		- run: echo "left:$(ls)"; mkdir -p deep/er && touch deep/er/x
		- run: echo "last:$(find . -type f | sort | xargs)"
	END
	cell_run
	exits 0
	says mode:755 kept:a left:c 'last:./c ./deep/er/x'
}

@test "GITHUB_ENV: what may not be set is told and left out, the rest is taken" {
	one_job <<-'END'
		- run: printf 'node_options=--evil\nGOOD=yes\n' >>$GITHUB_ENV
		- run: echo "got:$GOOD,$node_options"
		- run: echo nonsense >>$GITHUB_ENV
	END
	cell_run
	exits 1
	says "'node_options' may not be set" got:yes, "Invalid format 'nonsense'"
}

@test "GITHUB_PATH: the last added comes first, each once" {
	one_job <<-'END'
		- run: echo /p1 >>$GITHUB_PATH; echo "now:$PATH"
		- run: printf '/p2\n/p3\n/p1\n' >>$GITHUB_PATH
		- run: echo "then:$PATH"
	END
	cell_run
	exits 0
	says then:/p1:/p3:/p2:/usr
	says_not now:/p1
}

@test "outputs by file and by command, of steps and of jobs; one that holds a secret is dropped" {
	echo TOKEN=supersecret >secrets
	printf 'name: one\nsecrets: [TOKEN]\n' >one.yml
	workflow <<-'END'
		on: push
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    outputs:
		      whole: "${{ steps.s.outputs.lines }}"
		      old: ${{ steps.s.outputs.old }}
		      bad: x${{ steps.s.outputs.bad }}
		    steps:
		      - id: s
		        run: |
		          printf 'lines<<E\none\ntwo\nE\nbad=%s\n' "$T" >>$GITHUB_OUTPUT
		          echo "::set-output name=old::50%25"
		        env: { T: "${{ secrets.TOKEN }}" }
		  b:
		    needs: a
		    runs-on: ubuntu-latest
		    steps:
		      - run: echo "$ALL" | tr -d ' \n'; echo "[${{ needs.a.outputs.bad }}]"
		        env: { ALL: "${{ toJson(needs) }}" }
	END
	cell_run --secret-file secrets --policy ./one.yml
	exits 0
	says '{"a":{"result":"success","outputs":{"whole":"one\ntwo","old":"50%"}}}[]' "'bad' of job 'a' is dropped"
}

@test "secrets: granted by name, masked everywhere, also encoded and in names" {
	printf 'TOKEN=supersecret\nOTHER=otherwise\n' >secrets
	printf 'name: one\nsecrets: [TOKEN]\n' >one.yml
	one_job <<-'END'
		- run: echo "${{ secrets.TOKEN }} [${{ secrets.OTHER }}]"; printf %s "$T" | base64; echo "::error title=$T::it is $T"
		  env: { T: "${{ secrets.TOKEN }}" }
		- name: named ${{ secrets.TOKEN }}
		  run: echo "# $T" >>$GITHUB_STEP_SUMMARY; echo "::group::g $T"; echo "${T%t}"; echo "${T#${T%t}}"
		  env: { T: "${{ secrets.TOKEN }}" }
		- run: echo "::add-mask::hunter2"; echo "a hunter2"
		- run: echo "still hunter2"; exit 3
		- uses: actions/download-artifact@v4
		  if: always()
		  with: { name: "${{ secrets.TOKEN }}" }
	END
	cell_run --secret-file secrets --policy ./one.yml
	exits 1
	says "secret 'OTHER' is refused" '*** []' 'named ***' 'error ***: it is ***' '# ***' 'a ***' 'still ***' "no artifact named '***'"
	says_not c3VwZXJzZWNyZXQ
	says_not "| still hunter2"
	says_not "supersecret"
	run ! grep -r supersecret home/runs
}

# Every line parses; the first and the last kind, and how many of two others.
kinds='import json, sys
k = [json.loads(line)["type"] for line in sys.stdin]
print(k[0], k[-1], k.count("group"), k.count("summary"))'

@test "commands: stop and resume, annotations, groups, a summary that is no UTF-8" {
	one_job <<-'END'
		- run: |
		    echo "::stop-commands::pau"; echo "::warning::not this"; echo "::pau::"
		    echo "  ::warning file=f.c,line=3,col=5,title=T::this%0Aone"
		    echo "::group::The group"; echo "::endgroup::"; echo "::notice::noted"; echo "::unknown::x"
		    printf 'sum \377 mary\n' >>$GITHUB_STEP_SUMMARY
		- run: echo "::set-env name=X::1"
	END
	cell_run --json
	exits 1
	[ "$(python3 -c "$kinds" <<<"$output")" = "run-started run-ended 1 1" ]
	says '"text":"::warning::not this"' '"level":"warning","message":"this\none","file":"f.c","title":"T","line":3,"col":5'
	says '"text":"::unknown::x"' '"text":"sum � mary\n"' '"level":"error"' 'set-env is refused'
	grep -q '"type":"summary"' home/runs/*/journal.ndjson
}

@test "debug lines are for those who ask" {
	one_job <<<'- run: echo "::debug::inner"; echo "debug=$RUNNER_DEBUG."'
	cell_run
	says debug=.
	says_not '| debug: inner'
	cell_run --var ACTIONS_STEP_DEBUG=true
	says 'debug: inner' debug=1.
}

@test "conditions: success, failure, always, and what continue-on-error makes of them" {
	one_job <<-'END'
		- id: soft
		  run: exit 3
		  continue-on-error: true
		- run: echo "1:${{ steps.soft.outcome }},${{ steps.soft.conclusion }},${{ job.status }}"
		- run: echo 2:not
		  if: failure()
		- id: hard
		  run: exit 4
		- run: echo 3:not
		- run: echo "4:${{ steps.hard.outcome }},${{ job.status }}"
		  if: failure() && steps.hard.outcome == 'failure'
		- run: echo 5:yes
		  if: ${{ always() }}
		- run: echo 6:not
		  if: cancelled()
		- run: echo 7:no
		  if: fromJson('{')
	END
	cell_run
	exits 1
	says 1:failure,success,success 4:failure,failure 5:yes "exit 3, which is allowed" "an earlier step failed" "if: cancelled()"
	says_not "| 2:not"
	says_not "| 3:not"
	says_not "| 6:not"
}

@test "needs: results, skipping with reasons, failure() sees all ancestors" {
	{
		job bad 'exit 1'
		job soft 'exit 1' 'continue-on-error: true'
		job skipped 'echo ran-skipped' 'needs: bad'
		job after-soft 'echo ran-after-${{ needs.soft.result }}' 'needs: soft'
		job rescue 'echo ran-rescue-${{ needs.skipped.result }}' 'needs: skipped' 'if: failure()'
		job always 'echo ran-always-${{ needs.skipped.result }}' 'needs: [skipped, after-soft]' 'if: always()'
		job last 'echo ran-last' 'needs: always'
		job false 'echo ran-false' "if: github.ref == 'refs/heads/none'"
	} | on_push
	cell_run --parallel 4
	exits 1
	says ran-after-success ran-rescue-skipped ran-always-skipped
	says 'needs bad, which failed' "refs/heads/none"
	says_not '| ran-last'
	says_not '| ran-skipped'
	says_not '| ran-false'
}

@test "shells: bash with and without pipefail, sh, one of one's own; defaults; working-directory" {
	workflow <<-'END'
		on: push
		defaults: { run: { shell: bash } }
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    defaults: { run: { working-directory: sub } }
		    steps:
		      - run: mkdir sub
		        working-directory: .
		      - run: false | true; echo 1:not
		        continue-on-error: true
		      - run: basename $PWD; false | true; echo 2:$0
		        shell: sh
		      - run: print "3:perl\n";
		        shell: perl {0}
		        working-directory: ${{ github.workspace }}
		      - run: import os; print("4:" + os.path.basename(os.getcwd()))
		        shell: python3 {0}
		      - run: echo 5:not
		        shell: awk
		        continue-on-error: true
		      - run: echo 6:not
		        working-directory: nowhere
	END
	cell_run
	exits 1
	says 2:/home/runner/work/_temp/ 3:perl 4:sub "{0}" "entering the working directory"
	says_not '| 1:not'
}

@test "time: a step's and a job's" {
	workflow <<-'END'
		on: push
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    steps:
		      - run: exec sleep 50
		        timeout-minutes: 0.01
		      - run: echo after-timeout
		        if: failure()
		  b:
		    runs-on: ubuntu-latest
		    timeout-minutes: 0.01
		    steps:
		      - run: exec sleep 50
		      - run: echo after-cancel
		        if: cancelled()
	END
	cell_run
	exits 1
	says "ran longer than 0.6 seconds" after-timeout after-cancel "the job's time is over"
}

@test "an environment's url is what the steps make of it; with a secret in it it is dropped, and a wrong one fails the job" {
	workflow <<-'END'
		on: push
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    environment: { name: production, url: "https://${{ steps.up.outputs.at }}/${{ matrix.v }}" }
		    strategy: { matrix: { v: [1] } }
		    steps: [{ id: up, run: "echo at=a.example.com >>$GITHUB_OUTPUT" }]
		  hidden:
		    runs-on: ubuntu-latest
		    environment: { name: production, url: "https://${{ steps.up.outputs.at }}" }
		    steps: [{ id: up, run: "echo ::add-mask::b.example.com; echo at=b.example.com >>$GITHUB_OUTPUT" }]
		  wrong:
		    runs-on: ubuntu-latest
		    environment: { name: production, url: "${{ fromJSON('nothing') }}" }
		    steps: [{ run: "true" }]
		  none:
		    runs-on: ubuntu-latest
		    environment: { name: production, url: "${{ steps.up.outputs.at }}" }
		    steps: [{ id: up, run: "true" }]
	END
	cell_run --policy deploy
	exits 1
	says ", https://a.example.com/1" "the url of the environment of job 'hidden' is dropped: it may hold a secret" \
		"environment.url: fromJSON()"
	says_not https://b.example.com
	run "$STEPCELL" runs show
	says ", https://a.example.com/1"
	says_not https://b.example.com
	run "$STEPCELL" runs show --json
	[ "$(grep -c '"url"' <<<"$output")" = 1 ]
	says '"url":"https://a.example.com/1"'
}

@test "environments: refused before anything runs, or when the name is known; granted by deploy" {
	workflow <<-'END'
		on: push
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    outputs: { e: "${{ steps.x.outputs.e }}" }
		    steps: [{ id: x, run: echo e=production >>$GITHUB_OUTPUT }]
		  late:
		    needs: a
		    runs-on: ubuntu-latest
		    environment: ${{ needs.a.outputs.e }}
		    steps: [{ run: echo did-$((1 + 1)) }]
		  early:
		    runs-on: ubuntu-latest
		    environment: { name: "${{ github.event_name }}" }
		    steps: [{ run: echo did-$((1 + 2)) }]
	END
	cell_run
	exits 3
	says "environment 'push' is refused"
	[ -z "$output" ]
	cell_run -j late
	exits 3
	says "environment 'production' is refused" "--policy deploy"
	says_not did-2
	cell_run -j late --policy deploy
	exits 0
	says did-2
}

@test "what is not served is refused before anything runs" {
	local key
	for key in 'container: alpine' 'services: { db: { image: alpine } }'; do
		job a 'echo did-$((1 + 1))' "$key" | on_push
		cell_run
		exits 4
		says "image 'alpine' is not in the store, and nothing is fetched" "stepcell image pull --name alpine HOST/NAME:TAG"
	done
	steps <<<$'- { run: echo, background: true }\n- wait-all:'
	cell_run
	exits 2
	says "background"
}

@test "a job without steps, -j, --parallel, --var, --env, --quiet" {
	{
		job a 'echo "a:$E,${{ vars.V }}"'
		job b 'echo b:ran' 'needs: a'
		job c 'echo c:ran'
		printf '  d:\n    runs-on: x\n    steps: []\n'
	} | on_push
	cell_run -j b --parallel 1 --var V=1 --env E=2
	exits 0
	says a:2,1 b:ran
	says_not c:ran
	cell_run -j d --quiet
	exits 0
	[ -z "$stderr" ]
	cell_run -j nothing
	exits 2
	cell_run -e workflow_dispatch
	exits 2
	says "starts no workflow"
}

@test "--audit: what was refused is in the journal and shown; a program's name is masked" {
	one_job <<-'END'
		- run: perl -e '$0 = "SECRET-NAME"; syscall(1000) for 1..2'
		- run: unshare --net true
		  continue-on-error: true
	END
	printf 'AWS_ACCESS_KEY_ID=SECRET-NAME\n' >"$BATS_TEST_TMPDIR/secrets"
	cell_run --audit --policy deploy --secret-file "$BATS_TEST_TMPDIR/secrets"
	exits 0
	says 'a: refused call 1000 ENOSYS, 2 times, by ***' 'a: refused unshare(flags=0x40000000) EPERM, 1 time, by unshare' 'refused calls: 3;'
	says_not SECRET-NAME
	cell_run --audit --json
	exits 0
	says '"refused":[{"call":"unshare","arguments":"flags=0x40000000","answer":"EPERM","program":"unshare","count":1}]'
	cell_run
	exits 0
	says_not 'refused call'
	cell_run --audit --policy untrusted
	exits 3
	says 'audit: refused'
}
