#!/usr/bin/env bats
# Reusable workflows: what they get to see, what comes back, and what is refused before anything starts.
# shellcheck disable=SC2016 # what runs in the step is for its shell to expand
# shellcheck disable=SC2154 # bats' run sets status, output and stderr

bats_require_minimum_version 1.5.0
load helper

# called NAME <<END: a workflow that others call.
called() {
	cat >"$project/.github/workflows/$1.yml"
}

# ci_run [OPTION]...: the project's ci.yml alone.
ci_run() { cell_run -W "$project/.github/workflows/ci.yml" "$@"; }

grants() {
	printf 'name: grants\nsecrets: [%s]\n' "$1" >policy.yml
	printf 'TOP_KEY=hushhush\nOTHER=whisper1\n' >secrets
}

# two_deep: ci calls mid for each of two values, mid calls deep.
two_deep() {
	workflow <<-'END'
		on: push
		env: { TOP: caller }
		jobs:
		  pre:
		    runs-on: ubuntu-latest
		    outputs: { who: "${{ steps.a.outputs.who }}" }
		    steps: [{ id: a, run: "echo who=world >> $GITHUB_OUTPUT" }]
		  build:
		    needs: pre
		    name: Build
		    strategy: { matrix: { v: [1, 2] } }
		    uses: ./.github/workflows/mid.yml
		    with: { who: "${{ needs.pre.outputs.who }}", count: "${{ matrix.v }}" }
		    secrets: { key: "${{ secrets.TOP_KEY }}" }
		  after:
		    needs: build
		    runs-on: ubuntu-latest
		    steps: [{ run: "echo after:${{ needs.build.result }}:${{ needs.build.outputs.said }}" }]
	END
	called mid <<-'END'
		on:
		  workflow_call:
		    inputs:
		      who: { type: string, required: true }
		      count: { type: number, default: 7 }
		      flag: { type: boolean }
		      ref: { type: string, default: "on-${{ github.event_name }}" }
		    secrets: { key: { required: true } }
		    outputs: { said: { value: "${{ jobs.deep.outputs.said }}/${{ jobs.one.result }}" } }
		env: { MID: mid }
		jobs:
		  one:
		    runs-on: ubuntu-latest
		    steps:
		      - run: echo "one:${{ inputs.who }}:${{ inputs.count == 1 }}:${{ inputs.flag == false }}:${{ inputs.ref }}"
		      - run: echo "env:[$TOP][$MID]:${{ github.workflow }}:${{ toJSON(needs) == '{}' }}"
		      - run: echo "secrets:${#KEY}:${{ secrets.TOP_KEY == '' }}:${{ secrets.OTHER == '' }}"
		        env: { KEY: "${{ secrets.key }}" }
		  deep:
		    needs: one
		    uses: ./.github/workflows/deep.yml
		    with: { what: "${{ inputs.who }}-${{ inputs.count }}" }
		    secrets: inherit
	END
	called deep <<-'END'
		on:
		  workflow_call:
		    inputs: { what: { type: string, required: true } }
		    secrets: { key: {} }
		    outputs: { said: { value: "${{ jobs.say.outputs.said }}" } }
		jobs:
		  say:
		    runs-on: ubuntu-latest
		    outputs: { said: "${{ steps.s.outputs.said }}" }
		    steps: [{ id: s, run: "echo said=deep-${{ inputs.what }} >> $GITHUB_OUTPUT; echo deep:${#KEY}; echo leak $KEY", env: { KEY: "${{ secrets.key }}" } }]
	END
}

@test "two deep: inputs with types and defaults, secrets by name and inherited, outputs, names" {
	two_deep
	grants TOP_KEY
	ci_run --policy policy.yml --secret-file secrets
	exits 0
	says one:world:true:true:on-push one:world:false:true:on-push
	says 'env:[][mid]:.github/workflows/ci.yml:true' secrets:8:true:true
	says deep:8 'leak ***' after:success:deep-world-2/success
	says 'Build (1) / one' 'Build (2) / deep / say'
	says_not hushhush
}

@test "the plan shows the jobs of called workflows, what they wait for, and a matrix that is not known yet" {
	two_deep
	run --separate-stderr "$STEPCELL" plan -C "$project" -W "$project/.github/workflows/ci.yml"
	exits 0
	says 'Build (2) / deep / say  yes' 'Build (1) / deep        yes      after one; waits for inputs.who, inputs.count'
	workflow <<-'END'
		on: push
		jobs:
		  list:
		    runs-on: ubuntu-latest
		    outputs: { ns: "${{ steps.s.outputs.ns }}" }
		    steps: [{ id: s, run: "echo 'ns=[1, 2, 3]' >> $GITHUB_OUTPUT" }]
		  each:
		    needs: list
		    strategy: { matrix: { n: "${{ fromJSON(needs.list.outputs.ns) }}" } }
		    uses: ./.github/workflows/one.yml
		    with: { n: "${{ matrix.n }}" }
	END
	called one <<-'END'
		on: { workflow_call: { inputs: { n: { type: number } } } }
		jobs: { a: { if: inputs.n != 3, runs-on: x, steps: [{ run: "echo n:${{ inputs.n }}" }] } }
	END
	run --separate-stderr "$STEPCELL" plan -C "$project" -W "$project/.github/workflows/ci.yml" --graph
	exits 0
	says 'each (matrix not known yet)' 'each / a  [depends]'
	ci_run --matrix n:2 --matrix n:3
	exits 0
	says 'each (2) / a | n:2' 'each (3) / a: skipped'
	says_not n:1
}

@test "a called workflow gets no secret that the policy does not grant" {
	two_deep
	grants OTHER
	ci_run --policy policy.yml --secret-file secrets
	says secrets:0:true:true deep:0
}

@test "the caller's if, needs and results; failures inside; always() behind it" {
	workflow <<-'END'
		on: push
		jobs:
		  off: { if: false, uses: ./.github/workflows/some.yml }
		  bad: { uses: ./.github/workflows/some.yml, with: { fail: true } }
		  chained: { needs: off, uses: ./.github/workflows/some.yml }
		  anyway: { needs: bad, if: always(), uses: ./.github/workflows/some.yml }
		  end:
		    needs: [off, bad, chained, anyway]
		    if: always()
		    runs-on: ubuntu-latest
		    steps: [{ run: "echo end:${{ needs.off.result }},${{ needs.bad.result }},${{ needs.chained.result }},${{ needs.anyway.result }}" }]
	END
	called some <<-'END'
		on: { workflow_call: { inputs: { fail: { type: boolean } } } }
		jobs:
		  a: { runs-on: ubuntu-latest, steps: [{ run: "${{ inputs.fail && 'exit 1' || 'true' }}" }] }
		  b: { needs: a, runs-on: ubuntu-latest, steps: [{ run: "echo b ran" }] }
		  c: { needs: a, if: failure(), runs-on: ubuntu-latest, steps: [{ run: "echo c ran" }] }
	END
	ci_run
	exits 1
	says end:skipped,failure,skipped,success 'bad / c | c ran' 'anyway / b | b ran'
	says_not 'bad / b | b ran'
	says_not 'anyway / c | c ran'
}

@test "fail-fast cancels the jobs of sibling calls" {
	workflow <<-'END'
		on: push
		jobs:
		  m:
		    strategy: { matrix: { n: [1, 2] } }
		    uses: ./.github/workflows/slow.yml
		    with: { n: "${{ matrix.n }}" }
	END
	called slow <<-'END'
		on: { workflow_call: { inputs: { n: { type: number } } } }
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    steps:
		      - run: test ${{ inputs.n }} != 1 || { sleep 0.5; exit 1; }
		      - run: exec sleep 50
		      - { if: cancelled(), run: "echo cleaned:${{ inputs.n }}" }
		  b: { needs: a, if: always(), runs-on: ubuntu-latest, steps: [{ run: "echo b:${{ inputs.n }}" }] }
	END
	ci_run --parallel 4
	exits 1
	says cleaned:2 b:1 b:2
	says_not '| cleaned:1'
}

@test "a remote workflow is given by --file, and so is what it calls beside it" {
	workflow <<-'END'
		on: push
		jobs: { far: { uses: o/r/.github/workflows/far.yml@v1 } }
	END
	mkdir far
	printf '%s\n' 'on: workflow_call' 'jobs: { next: { uses: ./.github/workflows/near.yml } }' >far/far.yml
	printf '%s\n' 'on: workflow_call' 'jobs: { n: { runs-on: x, steps: [{ run: echo near ran }] } }' >far/near.yml
	ci_run
	exits 2
	says "ci.yml:2:22: job 'far' calls 'o/r/.github/workflows/far.yml@v1', which is not at hand" --file
	says_not 'started'
	ci_run --file o/r/.github/workflows/far.yml@v1=far/far.yml
	exits 2
	says "far.yml:2:23: job 'far.next' calls './.github/workflows/near.yml', which is not at hand"
	ci_run --file o/r/.github/workflows/far.yml@v1=far/far.yml --file o/r/.github/workflows/near.yml@v1=far/near.yml
	exits 0
	says 'far / next / n | near ran'
}

@test "refused before anything starts: a cycle, a file that is no workflow, no workflow_call, a FIFO, a link out" {
	local what
	workflow <<-'END'
		on: push
		jobs:
		  first: { runs-on: x, steps: [{ run: echo first ran }] }
		  call: { uses: ./.github/workflows/it.yml }
	END
	for what in cycle text push fifo link; do
		rm -f "$project/.github/workflows/it.yml"
		case $what in
		cycle) printf 'on: workflow_call\njobs: { a: { uses: ./.github/workflows/it.yml } }\n' ;;
		text) echo nothing ;;
		push) printf 'on: push\njobs: { a: { runs-on: x, steps: [{ run: "true" }] } }\n' ;;
		*) : ;;
		esac | called it
		[ $what != fifo ] || { rm "$project/.github/workflows/it.yml"; mkfifo "$project/.github/workflows/it.yml"; }
		[ $what != link ] || { echo 'on: workflow_call' >outside; ln -sf "$PWD/outside" "$project/.github/workflows/it.yml"; }
		ci_run
		exits 2
		says_not 'first ran'
	done
}

@test "what called workflows ask for is looked at before anything starts" {
	workflow <<-'END'
		on: push
		jobs: { call: { uses: ./.github/workflows/it.yml } }
	END
	called it <<-'END'
		on: workflow_call
		jobs:
		  a: { runs-on: x, steps: [{ uses: no/such@v1 }] }
	END
	ci_run
	exits 2
	says '.github/workflows/it.yml:3:' 'no/such@v1' 'not in the action store'
	called it <<-'END'
		on: workflow_call
		jobs: { a: { runs-on: x, environment: production, steps: [{ run: "true" }] } }
	END
	ci_run
	exits 3
	says production
}

@test "run-name is kept with the run" {
	workflow <<-'END'
		run-name: Deploy ${{ inputs.where }} of ${{ github.ref_name }}
		on: { workflow_dispatch: { inputs: { where: { type: choice, options: [here, there] } } } }
		jobs: { a: { runs-on: x, steps: [{ run: "true" }] } }
	END
	cell_run -e workflow_dispatch --input where=there --json
	exits 0
	says '"name":"Deploy there of main"'
	cell_run -e workflow_dispatch --input where=nowhere
	exits 2
	says "input 'where': expected one of here, there, found 'nowhere'"
}
