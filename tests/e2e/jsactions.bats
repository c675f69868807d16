#!/usr/bin/env bats
# JavaScript actions: what they are told, what they say, and when their parts run. A real node runs them.
# shellcheck disable=SC2016 # what runs in the step is for its shell to expand
# shellcheck disable=SC2154 # bats' run sets status, output and stderr

bats_require_minimum_version 1.5.0
load helper

node_here() { [ -x /usr/bin/node ] || cannot "no /usr/bin/node on this host"; }

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
	steps <<-'END'
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
	steps <<-'END'
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
	[ "$(order)" = "main,first main,in-z main,second main,third post,third post,in-z post,first " ]
}

@test "node: a file that is missing fails its step; an action in a container never starts" {
	node_here
	parts "$project/gone"
	rm "$project/gone/main.js"
	mkdir "$project/box"
	printf 'name: b\ndescription: d\nruns: { using: docker, image: Dockerfile }\n' >"$project/box/action.yml"
	steps <<-'END'
		- uses: actions/checkout@v4
		- uses: ./gone
		  continue-on-error: true
		- uses: ./box
	END
	cell_run
	exits 1
	says "Cannot find module" "its image is made by 'Dockerfile', and nothing here builds one"
}

# store NAME DIR: DIR as an action of the store; what it prints is kept quiet.
store() { "$STEPCELL" action add "$@" >/dev/null; }

# committed DIR [TAG]: DIR as a git repository, all of it committed and tagged.
committed() {
	[ -d "$1/.git" ] || git -C "$1" init -q -b main
	git -C "$1" add -A
	git -C "$1" -c user.name=me -c user.email=me@example.com commit -q -m one
	git -C "$1" tag -f "${2:-v1}" >/dev/null
}

@test "toolkit: a stored action with pre, main and post, by GitHub's conventions, from a git tag" {
	node_here
	mkdir -p tool/dist
	cat >tool/action.yml <<-'END'
		name: tool
		description: for a test
		inputs: { token: { description: d }, lines: { description: d, default: "a\nb" }, flag: { description: d, default: "true" } }
		outputs: { report: { description: d } }
		runs: { using: node20, pre: dist/pre.js, pre-if: "runner.os == 'Linux'", main: dist/main.js, post: dist/post.js }
	END
	# what @actions/core does for each call, by the same files and commands
	cat >tool/dist/core.js <<-'END'
		const fs = require('fs'), os = require('os');
		const text = v => v === undefined || v === null ? '' : typeof v === 'string' ? v : JSON.stringify(v);
		const data = s => text(s).replace(/%/g, '%25').replace(/\r/g, '%0D').replace(/\n/g, '%0A');
		const prop = s => data(s).replace(/:/g, '%3A').replace(/,/g, '%2C');
		const issue = (name, props, message) => process.stdout.write('::' + name + (Object.keys(props).length ? ' ' +
			Object.entries(props).map(([k, v]) => k + '=' + prop(v)).join(',') : '') + '::' + data(message) + os.EOL);
		const file = (name, key, value) => { const d = 'ghadelimiter_' + require('crypto').randomUUID();
			fs.appendFileSync(process.env['GITHUB_' + name], `${key}<<${d}${os.EOL}${text(value)}${os.EOL}${d}${os.EOL}`); };
		exports.getInput = n => (process.env['INPUT_' + n.replace(/ /g, '_').toUpperCase()] || '').trim();
		exports.getMultiline = n => exports.getInput(n).split('\n').filter(x => x);
		exports.getBoolean = n => ({ true: true, false: false })[exports.getInput(n).toLowerCase()];
		exports.setOutput = (k, v) => file('OUTPUT', k, v);
		exports.saveState = (k, v) => file('STATE', k, v);
		exports.exportVariable = (k, v) => file('ENV', k, v);
		exports.getState = k => process.env['STATE_' + k] || '';
		exports.setSecret = s => issue('add-mask', {}, s);
		exports.warning = (m, p = {}) => issue('warning', p, m);
		exports.notice = (m, p = {}) => issue('notice', p, m);
		exports.debug = m => issue('debug', {}, m);
		exports.group = async (n, f) => { issue('group', {}, n); try { return await f(); } finally { issue('endgroup', {}, ''); } };
		exports.setFailed = m => { process.exitCode = 1; issue('error', {}, m); };
		exports.summary = t => fs.appendFileSync(process.env.GITHUB_STEP_SUMMARY, t);
	END
	echo 'const core = require("./core"); core.saveState("begun", { at: "pre" }); console.log("part pre," + core.getInput("lines"));' >tool/dist/pre.js
	cat >tool/dist/main.js <<-'END'
		const core = require('./core'), fs = require('fs');
		(async () => {
			core.setSecret(core.getInput('token'));
			console.log('part main,' + core.getState('begun') + ',' + core.getMultiline('lines').join('+') + ',' + core.getBoolean('flag'));
			console.log('the token is ' + core.getInput('token'));
			await core.group('a, group: 100%', async () => { await new Promise(r => setTimeout(r, 5)); console.log('in it'); });
			core.warning('two\nlines', { file: 'src/a,b.js', startLine: 1, line: 4 });
			core.notice('noted'); core.debug('hidden');
			core.setOutput('report', { passed: 3 }); core.saveState('done', 'yes'); core.exportVariable('MULTI', 'x\ny');
			core.summary('# summary\n');
			try { fs.writeFileSync(__dirname + '/new', ''); console.log('written'); } catch (e) { console.log('tree:' + e.code); }
			console.log('from:' + process.env.GITHUB_ACTION_REPOSITORY + '@' + process.env.GITHUB_ACTION_REF);
			if (!core.getBoolean('flag')) core.setFailed('no flag');
		})();
	END
	echo 'const core = require("./core"); console.log("part post," + core.getState("begun") + core.getState("done"));' >tool/dist/post.js
	committed tool
	store own/tool@v1 tool
	echo changed >tool/dist/main.js # what is not committed is not taken
	steps <<-'END'
		- run: echo "part first"
		- id: t
		  uses: own/tool@v1
		  with: { token: s3cret-token, lines: "1\n2\n" }
		- run: echo "out:${{ fromJSON(steps.t.outputs.report).passed }},$(echo $MULTI)"
		- { uses: Own/TOOL@v1, with: { flag: "False" } }
	END
	cell_run
	exits 1
	says 'part main,{"at":"pre"},1+2,true' "the token is ***" "> a, group: 100%" "src/a,b.js:4" noted "out:3,x y" "tree:EROFS" \
		from:own/tool@v1 'post,{"at":"pre"}yes' "no flag" "commit $(git -C tool rev-parse v1)"
	says_not s3cret-token
	says_not hidden
	tree=$("$STEPCELL" action show --json own/tool@v1 | sed -n 's/.*"tree": "\(.*\)",/\1/p')
	grep -qF "\"actions\":{\"own/tool@v1\":\"$tree\"}" "$STEPCELL_HOME"/runs/*/journal.ndjson
	[ "$(all | grep -c '| part pre')" = 2 ]
	[ "$(all | grep -n 'part pre' | tail -1 | cut -d: -f1)" -lt "$(all | grep -n 'part first' | head -1 | cut -d: -f1)" ]
	[ "$(all | grep -c '| part post')" = 2 ]
}

@test "composite: three deep from the store, outputs up, inputs down, contexts of each; pre parts from inside" {
	node_here
	mkdir -p deep/b deep/c
	parts deep/js
	printf 'name: a\ndescription: d\ninputs: { x: { default: none } }\noutputs: { up: { value: "a(${{ steps.b.outputs.up }})" } }\nruns:\n  using: composite\n  steps:\n    - { id: b, uses: "own/deep/b@r/1", with: { x: "${{ inputs.x }}-a" }, env: { LEVEL: a } }\n    - { shell: sh, run: "echo a:$LEVEL,${{ github.action_path }},${{ github.action_ref }}" }\n' >deep/action.yml
	printf 'name: b\ndescription: d\ninputs: { x: { default: none } }\noutputs: { up: { value: "b(${{ steps.c.outputs.up }})" } }\nruns:\n  using: composite\n  steps:\n    - { id: c, uses: "own/deep/c@r/1", with: { x: "${{ inputs.x }}-b" } }\n    - { uses: "own/deep/js@r/1", with: { who: "${{ inputs.x }}" } }\n' >deep/b/action.yml
	printf 'name: c\ndescription: d\ninputs: { x: { default: none } }\noutputs: { up: { value: "c(${{ steps.s.outputs.v }})" } }\nruns:\n  using: composite\n  steps:\n    - { shell: bash, run: "exit 4", continue-on-error: true, id: f }\n    - { id: s, shell: bash, working-directory: /tmp, run: "echo v=${{ inputs.x }},${{ steps.f.outcome }},$LEVEL,$PWD >>$GITHUB_OUTPUT; cat $GITHUB_ACTION_PATH/note" }\n    - { shell: bash, run: "echo never", if: "failure()" }\n' >deep/c/action.yml
	echo "a note in the tree" >deep/c/note
	store own/deep@r/1 deep
	steps <<-'END'
		- { id: top, uses: own/deep@r/1, with: { x: in } }
		- run: echo "top:${{ steps.top.outputs.up }},[$LEVEL][$GITHUB_ACTION_REF]"
	END
	cell_run
	exits 0
	says "top:a(b(c(in-a-b,failure,a,/tmp))),[][]" "a note in the tree" "a:,/home/runner/work/_actions/own/deep/r/1,r/1"
	says_not "| never"
	[ "$(order)" = "pre,in-a main,in-a post,in-a " ]
}

@test "what is missing is told at once, before anything starts, with the way to mend it" {
	mkdir -p box self/a self/b nojs bad
	printf 'name: b\ndescription: d\nruns: { using: docker, image: Dockerfile, args: [x] }\n' >box/action.yml
	printf 'name: s\ndescription: d\nruns: { using: composite, steps: [{ uses: own/self/b@v1 }] }\n' >self/a/action.yml
	printf 'name: s\ndescription: d\nruns: { using: composite, steps: [{ uses: own/self/a@v1 }, { uses: gone/inside@v2 }] }\n' >self/b/action.yml
	printf 'name: n\ndescription: d\nruns: { using: node20, main: dist/index.js }\n' >nojs/action.yml
	printf 'name: n\nruns:\n  using: composite\n  steps:\n    - run: "${{ secrets.X }}"\n      shell: sh\n' >bad/action.yml
	store own/box@v1 box
	store own/self/a@v1 self
	store own/nojs@v1 nojs
	store own/bad@v1 bad
	steps <<-'END'
		- run: echo started
		- uses: gone/one@v1
		- uses: own/box@v1
		- uses: own/self/a@v1
		- uses: own/nojs@v1
		- uses: own/bad@v1
		- uses: own/box/nowhere@v1
		- uses: docker://alpine:3
	END
	cell_run
	exits 2
	says "ci.yml:7:9: gone/one@v1: not in the action store" "own/box@v1: its image is made by 'Dockerfile'" \
		"own/self/b@v1/action.yml:3:35: own/self/a@v1: it uses itself" "gone/inside@v2: not in the action store" \
		"own/nojs@v1: its tree has no file 'dist/index.js'" "own/bad@v1/action.yml:5:17" \
		"its tree has no folder 'nowhere'" "docker://alpine:3: image 'alpine:3' is not in the store" "stepcell action add OWNER/REPO@REF"
	says_not "| started"
}

@test "actions.lock: another tree, another commit and what is not in it are refused" {
	mkdir act
	printf 'name: n\ndescription: d\nruns: { using: composite, steps: [{ run: echo ran, shell: sh }] }\n' >act/action.yml
	committed act
	store own/act@v1 act
	steps <<<'- uses: own/act@v1'
	"$STEPCELL" action lock >"$project/actions.lock"
	cell_run
	exits 0
	says "| ran"
	echo more >act/file
	committed act
	store own/act@v1 act
	cell_run
	exits 2
	says "own/act@v1: actions.lock: it has commit"
	sed -i /commit:/d "$project/actions.lock"
	cell_run
	exits 2
	says "it has tree"
	"$STEPCELL" action lock >other.lock
	cell_run --actions-lock other.lock
	exits 0
	echo 'actions: {}' >other.lock
	cell_run --actions-lock other.lock
	exits 2
	says "'own/act@v1' is not in it"
	echo 'actions: { own/act@v1: { tree: short } }' >"$project/actions.lock"
	cell_run
	exits 2
	says 'expected "sha256:" and 64 digits'
	rm "$project/actions.lock" && ln -s "$PWD/other.lock" "$project/actions.lock"
	cell_run
	exits 2
}

@test "action add: one tree from a folder, a tarball and a repository; what it refuses; remove" {
	mkdir -p act/bin
	printf 'name: n\ndescription: d\ninputs: { who: { default: x } }\nruns: { using: composite, steps: [{ run: "true", shell: sh }] }\n' >act/action.yml
	echo '#!/bin/sh' >act/bin/run && chmod 700 act/bin/run && chmod 600 act/action.yml
	committed act
	git clone -q --bare act bare.git
	git -C act archive --prefix=act-1/ v1 | gzip >act.tgz
	touch -d 2001-01-01 act/bin/run
	git -C act config core.fsmonitor 'touch /tmp/fsmonitor-ran'
	digests=$(
		"$STEPCELL" action add own/act@v1 act
		"$STEPCELL" action add --worktree own/act@tree act
		"$STEPCELL" action add --rev v1 own/act@bare bare.git
		"$STEPCELL" action add own/act@tgz act.tgz
	)
	[ "$(sort -u <<<"$digests" | wc -l)" = 1 ]
	[ "$(ls "$STEPCELL_HOME/store/action-trees")" = "${digests##*:}" ]
	run --separate-stderr "$STEPCELL" action list
	[ "${#lines[@]}" = 4 ]
	run --separate-stderr "$STEPCELL" action show OWN/act@v1
	says "$(git -C act rev-parse v1)" "using        composite" "input        who"
	for name in act@v1 own/act own/act@ 'own/act@../v' own/../act@v1 'own/act@a//b' "own/act@$(printf 'a\nb')"; do
		run --separate-stderr "$STEPCELL" action add "$name" act
		exits 2
	done
	run --separate-stderr "$STEPCELL" action add own/act/deeper@v1 act
	exits 2
	says "there is no action.yml in its folder deeper"
	run --separate-stderr "$STEPCELL" action add own/act@v9 act
	exits 2
	says "it has no commit 'v9'"
	head -c 1000 /dev/urandom >act.tgz
	run --separate-stderr "$STEPCELL" action add own/act@tgz act.tgz
	exits 2
	mkdir evil && ln -s /etc evil/link && mkfifo evil/pipe && cp act/action.yml evil/
	"$STEPCELL" action add own/evil@v1 evil
	for ref in v1 tree bare tgz; do "$STEPCELL" action remove own/act@$ref; done
	[ "$(find "$STEPCELL_HOME/store/action-trees" -mindepth 1 -maxdepth 1 | wc -l)" = 1 ]
	run --separate-stderr "$STEPCELL" action remove own/act@v1
	exits 2
	[ -z "$(ls "$STEPCELL_HOME/store/staging")" ]
}

@test "hostile trees: links out, an action.yml that is none, one step that uses too many, files outside" {
	node_here
	mkdir -p links/in pipe many/big out
	printf 'name: n\ndescription: d\nruns: { using: composite, steps: [{ run: "true", shell: sh }] }\n' >links/action.yml
	ln -s / links/up
	ln -s /etc/passwd links/in/action.yml
	echo "secret of the host" >secret
	store own/links@v1 links
	printf 'name: n\ndescription: d\nruns: { using: node20, main: up/../../../../../../secret }\n' >out/action.yml
	ln -s "$PWD" out/up
	store own/out@v1 out
	{ printf 'name: n\ndescription: d\nruns:\n  using: composite\n  steps:\n'; yes '    - uses: own/many/big@v1' | head -150; } >many/action.yml
	{ printf 'name: n\ndescription: d\nruns:\n  using: composite\n  steps:\n'; yes '    - uses: own/pre@v1' | head -150; } >many/big/action.yml
	store own/many@v1 many
	parts pre
	store own/pre@v1 pre
	printf '%s' "a: &a [x,x]" >pipe/action.yml
	for c in b c d e f g h i j k l m n o p q r s t u v w x y z; do printf '\n%s: &%s [%s]' $c $c "$(printf '*a,%.0s' {1..40})*a"; done >>pipe/action.yml
	store own/pipe@v1 pipe
	steps <<-'END'
		- uses: own/links/up/etc@v1
		- uses: own/links/in@v1
		- uses: own/out@v1
		- uses: own/pipe@v1
	END
	cell_run
	exits 2
	says "its tree has no folder 'up/etc'" "own/links/in@v1:" "own/out@v1: its tree has no file" "own/pipe@v1:"
	says_not root:x:
	says_not "secret of"
	steps <<<'- uses: own/many@v1'
	cell_run
	exits 1
	says "its steps use more than 10000 actions"
	says_not "| part"
}

@test "a cancelled job runs its post parts; none sees another's state" {
	node_here
	parts tool
	echo 'require("fs").appendFileSync(process.env.GITHUB_STATE, "of=" + process.env.INPUT_WHO + require("os").EOL); console.log("main");' >tool/main.js
	echo 'console.log("part post," + process.env.STATE_of);' >tool/post.js
	store own/tool@v1 tool
	steps <<-'END'
		- { uses: own/tool@v1, with: { who: one } }
		- { uses: own/tool@v1, with: { who: two } }
		- run: echo ready; sleep 60
		- uses: own/tool@v1
	END
	start
	within 20 said '| ready'
	kill -INT "$pid"
	finish
	exits 130
	[ "$(order)" = "pre,one pre,two pre,nobody post,undefined post,two post,one " ]
}

@test "a pre part that fails fails the job before its first step; pre-if; posts and always() run all the same" {
	node_here
	parts bad
	parts never 'pre-if: github.event_name == github.job'
	echo 'console.log("part pre," + process.env.INPUT_WHO); process.exit(9);' >bad/pre.js
	store own/bad@v1 bad
	store own/never@v1 never
	steps <<-'END'
		- run: echo "part step"
		- { uses: own/bad@v1, with: { who: x } }
		- { uses: own/never@v1, with: { who: y } }
		- { run: 'echo "part always,${{ job.status }}"', if: always() }
	END
	cell_run
	exits 1
	says "exit code 9" "skipped Pre Run own/never@v1"
	[ "$(order)" = "pre,x always,failure post,x " ]
}
