#!/usr/bin/env bats
# Cancelling: by a person, by time, by a sibling; what still runs then, and what is left.
# shellcheck disable=SC2016 # what runs in the step is for its shell to expand
# shellcheck disable=SC2154 # bats' run sets status, output and stderr

bats_require_minimum_version 1.5.0
load helper

composite() { # composite FOLDER: the steps on standard input
	mkdir -p "$project/$1"
	{ printf 'name: a\ndescription: d\nruns:\n  using: composite\n  steps:\n'; sed 's/^/    /'; } >"$project/$1/action.yml"
}

# interrupt TEXT [SIGNAL]: send it when the run has said TEXT.
interrupt() {
	within 20 said "$1"
	kill "-${2-INT}" "$pid"
}

@test "inside actions: what is left of one is skipped, always() runs; one that always() uses goes on" {
	composite plain <<-'END'
		- { shell: bash, run: 'echo "ready"; exec sleep 60' }
		- { shell: bash, run: echo 1:not }
		- { shell: bash, run: 'echo "2:${{ job.status }}"', if: always() }
	END
	composite clean <<-'END'
		- { shell: bash, run: echo 3:cleaned }
		- { shell: bash, run: 'echo 4:cancelled', if: cancelled() }
	END
	workflow <<-'END'
		on: push
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    steps:
		      - uses: actions/checkout@v4
		      - id: plain
		        uses: ./plain
		      - run: echo 5:not
		      - uses: ./clean
		        if: always()
		      - run: echo "6:${{ steps.plain.outcome }}"
		        if: cancelled()
		      - run: echo 7:not
		        if: failure()
		  b:
		    needs: a
		    if: always()
		    runs-on: ubuntu-latest
		    steps: [{ run: 'echo "8:${{ needs.a.result }}"' }]
		  c:
		    needs: a
		    runs-on: ubuntu-latest
		    steps: [{ run: echo 9:not }]
	END
	start
	interrupt '| ready'
	finish
	exits 130
	says 2:cancelled 3:cleaned 4:cancelled 6:cancelled 8:cancelled "the job was cancelled" "interrupted"
	for n in 1 5 7 9; do says_not "| $n:not"; done
}

@test "an action that always() uses is not interrupted itself" {
	composite long <<-'END'
		- { shell: bash, run: 'echo ready; sleep 1; echo 1:whole' }
		- { shell: bash, run: echo 2:next }
	END
	steps <<-'END'
		- uses: actions/checkout@v4
		- { uses: ./long, if: always() }
		- run: echo 3:not
	END
	start
	interrupt '| ready' TERM
	finish
	exits 130
	says 1:whole 2:next
	says_not '| 3:not'
}

@test "a second interrupt asks nobody; nothing is left" {
	mark=mark-$BATS_TEST_NUMBER-$$
	{
		job a "trap '' INT TERM; echo ready; exec -a $mark sleep 60"
		job b "echo b-ready; exec -a $mark sleep 60"
	} | on_push
	start --parallel 2
	within 20 said '| b-ready'
	interrupt '| ready'
	within 5 said 'b: cancelled'
	groups=$(cgroups_of_run)
	kill -INT "$pid"
	finish
	exits 130
	nothing_left "$mark" "$groups"
	[ -z "$(find home/runs/*/layers -mindepth 1 2>/dev/null)" ]
}

@test "what always() runs after a cancellation has an end too" {
	workflow <<-'END'
		on: push
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    timeout-minutes: 0.01
		    cancel-timeout-minutes: 0.02
		    steps:
		      - run: exec sleep 60
		      - run: echo 1:cleaning; exec sleep 60
		        if: always()
		      - run: echo 2:not
		        if: always()
	END
	cell_run
	exits 1
	says 1:cleaning "the job's time is over"
	says_not '| 2:not'
}

@test "timeout-minutes of an action is of all its steps" {
	composite slow <<-'END'
		- { shell: bash, run: sleep 0.3 }
		- { shell: bash, run: echo 1:here; exec sleep 60 }
		- { shell: bash, run: echo 2:not }
	END
	steps <<-'END'
		- uses: actions/checkout@v4
		- { uses: ./slow, timeout-minutes: 0.03 }
		- { run: echo 3:after, if: failure() }
	END
	cell_run
	exits 1
	says 1:here 3:after "ran longer than"
	says_not '| 2:not'
}

@test "Ctrl-C while a long question is asked of the workspace" {
	steps <<-'END'
		- run: truncate -s 3G big; echo ready
		- run: "echo ${{ hashFiles('big') }}"
	END
	start
	interrupt '| ready'
	finish
	exits 130
}

@test "the layers of a run that was killed go with the next start; those of one that lives stay" {
	{ job a 'echo mine >f; echo ready; sleep 2; cat f' ; job b 'cat f'; } | on_push
	start -j a
	within 20 said '| ready'
	kill -KILL "$pid"
	wait "$pid" || true
	ls home/runs/*/layers/a
	start -j a
	within 20 said '| ready'
	cell_run -j b
	[ "$(find home/runs/*/layers -mindepth 1 -maxdepth 1 -name a | wc -l)" = 1 ]
	finish
	exits 0
	says '| mine'
}
