#!/usr/bin/env bats
# JavaScript actions: what they are told, what they say, and when their parts run. A real node runs them.
# shellcheck disable=SC2016 # what runs in the step is for its shell to expand
# shellcheck disable=SC2154 # bats' run sets status, output and stderr

bats_require_minimum_version 1.5.0
load helper

node_here() { [ -x /usr/bin/node ] || cannot "no /usr/bin/node on this host"; }

# one_job: the steps on standard input, as the one job of the workflow.
one_job() {
	printf 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n'
	sed 's/^/      /'
}

# order: the lines that say which part ran, joined.
order() { all | sed -n 's/^a | part //p' | tr '\n' ' '; }

# parts DIR [RUNS-LINE]...: an action whose parts say their names and what they know.
parts() {
	mkdir -p "$1"
	{
		printf 'name: parts\ndescription: d\ninputs: { who: { default: nobody } }\nruns:\n'
		printf '  using: node20\n  pre: pre.js\n  main: main.js\n  post: post.js\n'
		[ $# -lt 2 ] || printf '  %s\n' "${@:2}"
	} >"$1/action.yml"
	for part in pre main post; do
		printf 'console.log("part %s,"+process.env.INPUT_WHO);' $part >"$1/$part.js"
	done
}

@test "node: inputs, outputs, state, files, commands, masks; a script sees nothing of it" {
	node_here
	mkdir -p "$project/greet/dist"
	cat >"$project/greet/action.yml" <<-'END'
		name: greet
		description: for a test
		inputs:
		  who to greet: { description: d, required: true, default: nobody }
		  api-key: { description: d }
		  job: { description: d, default: "${{ github.job }}" }
		  old: { description: d, deprecationMessage: take api-key }
		outputs:
		  greeting: { description: d }
		runs: { using: node12, main: dist/main.js, post: dist/post.js }
	END
	cat >"$project/greet/dist/main.js" <<-'END'
		const fs = require('fs'), os = require('os'), path = require('path');
		const e = process.env, put = (f, t) => fs.appendFileSync(e[f], t + os.EOL);
		console.log(`in:${e.INPUT_WHO_TO_GREET},${e['INPUT_API-KEY']},${e.INPUT_JOB},${e.INPUT_EXTRA},${e.INPUT_OLD}`);
		console.log(`at:${path.basename(e.GITHUB_ACTION_PATH)},${path.basename(__dirname)},${e.GITHUB_ACTION},[${e.GITHUB_ACTION_REF}]`);
		console.log(`cwd:${process.cwd() === e.GITHUB_WORKSPACE},${e.OUTER}`);
		put('GITHUB_OUTPUT', `greeting<<ghadelimiter_1\nhello\n${e.INPUT_WHO_TO_GREET}\nghadelimiter_1`);
		put('GITHUB_ENV', 'FROM_ACTION=env'); put('GITHUB_PATH', '/opt/of/action');
		put('GITHUB_STATE', 'file=kept');
		console.log('::save-state name=command::kept%0Atoo');
		console.log('::set-output name=second::2');
		console.log('::add-mask::hunter2'); console.log('the password is hunter2');
		console.log('::error file=src/x.c,line=7,col=3,title=Odd::not good');
		console.log('::group::details'); console.log('inside'); console.log('::endgroup::');
		if (e.INPUT_WHO_TO_GREET === 'nobody') { console.log('::error::nobody to greet'); process.exitCode = 1; }
	END
	cat >"$project/greet/dist/post.js" <<-'END'
		const e = process.env;
		console.log(`post:${e.STATE_file},${JSON.stringify(e.STATE_command)},${e.INPUT_WHO_TO_GREET},${e.GITHUB_ACTION}`);
	END
	one_job <<-'END' | workflow
		- uses: actions/checkout@v4
		- id: g
		  uses: ./greet
		  env: { OUTER: "yes" }
		  with: { Who To Greet: world, api-key: k1, EXTRA: x, old: o }
		- run: |
		    echo "out:$(echo ${{ toJSON(steps.g.outputs.greeting) }}),${{ steps.g.outputs.second }},$FROM_ACTION,${PATH%%:*}"
		    echo "[$INPUT_WHO_TO_GREET$STATE_file$GITHUB_ACTION_PATH]"
		- uses: ./greet
	END
	cell_run
	exits 1
	says "in:world,k1,a,x,o" "at:greet,dist,g,[]" "cwd:true,yes" 'out:hello\nworld,2,env,/opt/of/action' '| []' \
		"the password is ***" "src/x.c:7" "not good" "| > details" "input 'old' is deprecated: take api-key" \
		"unexpected inputs 'EXTRA'" 'post:kept,"kept\ntoo",world,g' "nobody to greet" "post:kept" ",nobody,__self"
	says_not hunter2
	[ "$(all | grep -c "asks for node 12; JavaScript actions run on the node of image 'host'")" = 1 ]
}

@test "node: post parts run last first, whatever failed; post-if and if; not of what never ran" {
	node_here
	parts "$project/one" 'post-if: always()'
	parts "$project/two" "post-if: \${{ success() }}"
	parts "$project/three" "post-if: failure() && env.NO == ''"
	mkdir -p "$project/inner"
	printf 'name: i\ndescription: d\ninputs: { x: { default: y } }\nruns:\n  using: composite\n  steps:\n    - { uses: ./one, with: { who: "in-${{ inputs.x }}" } }\n' \
		>"$project/inner/action.yml"
	one_job <<-'END' | workflow
		- uses: actions/checkout@v4
		- { uses: ./one, with: { who: first } }
		- { uses: ./inner, with: { x: z } }
		- { uses: ./two, with: { who: second } }
		- { uses: ./three, with: { who: third }, name: Third }
		- { uses: ./one, with: { who: never }, if: false }
		- run: exit 7
		- { uses: ./one, with: { who: later } }
	END
	cell_run
	exits 1
	says "step Post Third" "skipped Post Run ./two"
	echo "$(order)"
	[ "$(order)" = "main,first main,in-z main,second main,third post,third post,in-z post,first " ]
}

@test "node: a file that is missing fails its step; an action in a container never starts" {
	node_here
	parts "$project/gone"
	rm "$project/gone/main.js"
	mkdir "$project/box"
	printf 'name: b\ndescription: d\nruns: { using: docker, image: Dockerfile }\n' >"$project/box/action.yml"
	one_job <<-'END' | workflow
		- uses: actions/checkout@v4
		- uses: ./gone
		  continue-on-error: true
		- uses: ./box
	END
	cell_run
	exits 1
	says "Cannot find module" "'./box' runs in a container, and there is no engine for those here"
}
