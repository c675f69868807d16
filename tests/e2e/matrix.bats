#!/usr/bin/env bats
# Matrices, and many jobs and steps.
# shellcheck disable=SC2016 # what runs in the step is for its shell to expand
# shellcheck disable=SC2154 # bats' run sets status, output and stderr

bats_require_minimum_version 1.5.0
load helper

@test "include, exclude, --matrix; names, the strategy context" {
	workflow <<-'END'
		on: push
		jobs:
		  m:
		    runs-on: ubuntu-latest
		    strategy:
		      matrix:
		        v: [1, 2]
		        os: [a, b]
		        exclude: [{ v: 2, os: b }]
		        include: [{ v: 1, extra: yes }, { v: 9, os: z }]
		    steps:
		      - run: echo "got:${{ matrix.v }}${{ matrix.os }},${{ matrix.extra }},${{ strategy.job-index }}/${{ strategy.job-total }}"
	END
	cell_run
	exits 0
	says got:1a,yes,0/4 got:1b,yes,1/4 got:2a,,2/4 got:9z,,3/4 'm (1, a' 'm (9, z)'
	says_not got:2b
	cell_run --matrix v:2
	exits 0
	says got:2a
	says_not got:1
}

@test "fail-fast cancels the siblings; without it they go on; continue-on-error by leaf" {
	workflow <<-'END'
		on: push
		jobs:
		  fast:
		    runs-on: ubuntu-latest
		    strategy: { matrix: { n: [1, 2, 3] } }
		    steps:
		      - run: test ${{ matrix.n }} != 1 || { sleep 0.5; exit 1; }
		      - run: exec sleep 60
		      - run: echo "cleaned:${{ matrix.n }}"
		        if: cancelled()
		  slow:
		    runs-on: ubuntu-latest
		    strategy: { fail-fast: false, matrix: { n: [1, 2] } }
		    steps: [{ run: "test ${{ matrix.n }} != 1; echo slow:${{ matrix.n }}" }]
		  may:
		    runs-on: ubuntu-latest
		    continue-on-error: ${{ matrix.n == 1 }}
		    strategy: { matrix: { n: [1, 2] } }
		    steps: [{ run: "test ${{ matrix.n }} != 1; echo may:${{ matrix.n }}" }]
		  after:
		    needs: may
		    runs-on: ubuntu-latest
		    steps: [{ run: "echo after:${{ needs.may.result }}" }]
	END
	cell_run --parallel 2 -j fast
	exits 1
	says cleaned:2 "a job of its matrix failed (fail-fast)"
	[ "$(all | grep -c '^fast.*cancelled')" -ge 2 ]
	cell_run -j slow
	exits 1
	says slow:2
	cell_run -j after
	exits 0
	says may:2 after:success
}

@test "a matrix made of outputs, with max-parallel; an empty one; outputs of its jobs" {
	workflow <<-'END'
		on: push
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    outputs: { list: "${{ steps.x.outputs.list }}" }
		    steps: [{ id: x, run: 'echo "list=[\"one\",\"two\",\"three\"]" >>$GITHUB_OUTPUT' }]
		  m:
		    needs: a
		    runs-on: ubuntu-latest
		    outputs: { last: "${{ steps.y.outputs.n }}" }
		    strategy: { max-parallel: 1, matrix: { n: "${{ fromJson(needs.a.outputs.list) }}" } }
		    steps: [{ id: y, run: 'echo "m:${{ matrix.n }},${{ strategy.max-parallel }}"; echo "n=${{ matrix.n }}" >>$GITHUB_OUTPUT' }]
		  b:
		    needs: m
		    runs-on: ubuntu-latest
		    steps: [{ run: 'echo "b:${{ needs.m.outputs.last }},${{ needs.m.result }}"' }]
		  none:
		    needs: a
		    runs-on: ubuntu-latest
		    strategy: { matrix: { n: "${{ fromJson(needs.a.outputs.nothing || '[]') }}" } }
		    steps: [{ run: echo none:ran }]
		  wrong:
		    needs: a
		    runs-on: ubuntu-latest
		    strategy: { matrix: "${{ fromJson(needs.a.outputs.list) }}" }
		    steps: [{ run: echo wrong:ran }]
	END
	cell_run --parallel 4 -j b
	exits 0
	says m:one,1 m:two,1 m:three,1 b:three,success
	cell_run -j none -j wrong
	exits 1
	says_not '| none:ran'
	says_not '| wrong:ran'
	says matrix
}

@test "a job of fifty steps that all leave something behind" {
	{
		for i in $(seq 50); do echo "- { run: \"echo $i >f$i; : >\$HOME/f$i\" }"; done
		echo '- { run: "cat f1 f50; ls | wc -l; ls ~/f* | wc -l" }'
	} | steps
	cell_run --quiet --json
	exits 0
	[ "$(grep -cF '"text":"50"' <<<"$output")" = 3 ]
}

@test "a job that is called like another one's second combination" {
	printf 'on: push\njobs:\n  a: { runs-on: x, strategy: { matrix: { v: [1, 2] } }, steps: [{ run: "true" }] }\n  a-2: { runs-on: x, steps: [{ run: "true" }] }\n' | workflow
	cell_run --json
	exits 0
	[ "$(grep -c '"type":"job-ended".*"verdict":"success"' <<<"$output")" = 3 ]
}

@test "twenty-four jobs" {
	printf 'on: push\njobs:\n  m:\n    runs-on: x\n    strategy: { matrix: { a: [0,1,2,3], b: [0,1,2,3,4,5] } }\n    steps: [{ run: true }]\n' | workflow
	cell_run --json
	exits 0
	[ "$(grep -c '"type":"job-ended".*"verdict":"success"' <<<"$output")" = 24 ]
}
