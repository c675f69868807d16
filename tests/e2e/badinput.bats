#!/usr/bin/env bats
# Bad input: every mistake in a workflow is exit 2, with its place, before anything starts.

bats_require_minimum_version 1.5.0
load helper

# refused PLACE TEXT...: exit 2, with the place and each text, and no run was begun.
refused() {
	cell_run
	exits 2
	says ".github/workflows/ci.yml:$1:" "${@:2}"
	[ -z "$(ls "$STEPCELL_HOME/runs" 2>/dev/null)" ]
}

@test "YAML that does not parse" {
	workflow <<-'END'
		on: push
		jobs:
		  a: [unclosed
		    steps: {
	END
	refused 4
}

@test "a tab where YAML wants spaces" {
	printf 'on: push\njobs:\n\ta: 1\n' | workflow
	refused 3:1
}

@test "an unknown key, and the keys there are" {
	workflow <<-'END'
		on: push
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    steps:
		      - runs: echo hi
	END
	refused 6:9 "'runs'" run
}

@test "a key twice" {
	workflow <<-'END'
		on: push
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    runs-on: ubuntu-22.04
		    steps:
		      - run: echo hi
	END
	refused 5 runs-on
}

@test "jobs that need each other" {
	workflow <<-'END'
		on: push
		jobs:
		  a: { runs-on: ubuntu-latest, needs: b, steps: [ { run: echo a } ] }
		  b: { runs-on: ubuntu-latest, needs: [c], steps: [ { run: echo b } ] }
		  c: { runs-on: ubuntu-latest, needs: a, steps: [ { run: echo c } ] }
	END
	refused 3 cycl a b c
}

@test "a job that needs one that is not there" {
	workflow <<-'END'
		on: push
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    needs: nobody
		    steps:
		      - run: echo hi
	END
	refused 5 nobody
}

@test "an expression that ends too soon" {
	workflow <<-'END'
		on: push
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    if: github.ref ==
		    steps:
		      - run: echo hi
	END
	refused 5:22 'end of the expression'
}

@test "a function that does not exist" {
	workflow <<-'END'
		on: push
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    steps:
		      - run: echo ${{ uppercase(github.ref) }}
	END
	refused 6 uppercase
}

@test "every mistake is told, not only the first" {
	workflow <<-'END'
		on: push
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    steps:
		      - runs: echo hi
		  b:
		    runs-on: ubuntu-latest
		    needs: nobody
		    steps:
		      - run: echo hi
	END
	refused 6 ci.yml:9: runs nobody
}

@test "actions that nothing stands in for, all of them, and how to provide one" {
	workflow <<-'END'
		on: push
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    steps:
		      - uses: example/first@v1
		      - uses: example/second@v2
	END
	cell_run
	exits 2
	says example/first@v1 example/second@v2 policies/actions
}

@test "a checkout without workflows" {
	cell_run
	exits 2
	says .github/workflows
}

@test "a checkout that is not there" {
	run --separate-stderr "$STEPCELL" run -C "$BATS_TEST_TMPDIR/nowhere" --image host
	exits 2
	says nowhere "No such file or directory"
}

@test "an unknown option, and an unknown command" {
	cell_run --colour
	exits 2
	says --colour
	run --separate-stderr "$STEPCELL" fly
	exits 2
	says fly
}

@test "a job and a policy that do not exist" {
	job a 'echo hi' | on_push
	cell_run -j b
	exits 2
	says "'b'"
	cell_run --policy nosuch
	exits 2
	says nosuch
}

@test "a policy with an unknown key" {
	job a 'echo hi' | on_push
	printf 'name: mine\nnetwrok: { mode: none }\n' >mine.yml
	cell_run --policy ./mine.yml
	exits 2
	says mine.yml:2:1 netwrok
}

@test "a missing toolchain: what was asked for, what there is, how to build it" {
	workflow <<-'END'
		on: push
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    steps:
		      - uses: actions/setup-python@v5
		        with: { python-version: '3.99' }
	END
	cell_run
	exits 4
	says "no toolchain for Python 3.99" "there are: " "no recipe of rootfs/ makes one; docs/RECIPES.md"
}

@test "keys of a job that cannot be evaluated fail this job, and no other" {
	{
		job a 'echo never-$((1 + 1))' "timeout-minutes: \${{ fromJSON('') }}"
		job b 'echo never-$((1 + 1))' "env: { A: \"\${{ fromJSON('') }}\" }"
		job c 'echo never-$((1 + 1))' "env: { $(seq -f 'k%.0f: v,' 5000 | tr -d '\n') }"
		job d 'echo went on' 'needs: [a, b, c]' 'if: always()' 'outputs: { x: y }'
	} | on_push
	cell_run
	exits 1
	says "timeout-minutes: fromJSON()" "env: fromJSON()" "env: more than 4096 variables" "d | went on"
	says_not never-2
}

@test "a step's name of megabytes is cut, and neither it nor its error ends the run of others" {
	{
		job other 'sleep 2; echo went on'
		cat <<-'END'
			  long:
			    runs-on: ubuntu-latest
			    steps:
			      - id: x
			        run: |
			          { printf 'y=begins'; head -c 3000000 /dev/zero | tr '\0' '\1'; echo; } >>"$GITHUB_OUTPUT"
			      - name: ${{ steps.x.outputs.y }}
			        run: exit 3
		END
	} | on_push
	cell_run
	exits 1
	says "other | went on" "other: ok the job" "long: failed begins" '\x01...' 'exit code 3'
	[ "$(all | wc -c)" -lt 100000 ]
}

@test "steps by the thousand, and long names of actions, take no time of other jobs" {
	local long
	long=$(printf '%0250d' 0)
	{
		job other 'echo went on'
		printf '  many:\n    runs-on: ubuntu-latest\n    steps:\n'
		for _ in 1 2 3; do printf '      - { uses: codecov/codecov-action/%s@v1, if: false }\n' "$long"; done
		yes '      - { run: "true", if: false }' | head -n 6000
		printf '      - run: echo $GITHUB_ACTION\n      - run: echo $GITHUB_ACTION\n'
	} | on_push
	cell_run -q
	exits 0
	run --separate-stderr "$STEPCELL" runs logs last
	says "went on" __run_6001 __run_6002
}
