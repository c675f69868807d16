#!/bin/bash
# posts.sh: hostile main parts against the post parts that run after them. TAP, a line an attack, as root
# and as an ordinary user.
set -u

# shellcheck source=tests/escape/whole.bash
. "$(dirname "$0")/whole.bash"
if [ "$(id -u)" = 0 ]; then as=', as root'; else as=', as user'; fi
echo canary-content >"$tmp/secret"
export CANARY_ENV=canary-content

# What a part can do: its walls word for word, what it reads, writes and sees of others.
reach='const fs = require("fs"), p = (t) => console.log(t);
for (const l of fs.readFileSync("/proc/self/status", "utf8").split("\n"))
  if (/^(Cap|NoNewPrivs|Seccomp:|Uid|Gid|Groups)/.test(l)) p("wall " + l);
for (const d of fs.readdirSync("/proc").filter((d) => /^[0-9]+$/.test(d))) {
  try { if (fs.readFileSync("/proc/" + d + "/cmdline", "utf8").includes("left-behind")) p("found a process"); } catch (e) {}
  try { if (fs.readFileSync("/proc/" + d + "/environ", "utf8").includes("canary")) p("found in environ"); } catch (e) {}
}
for (const f of [process.argv[2] || "@SECRET@", "/proc/1/root@SECRET@", "kept/secret"])
  try { if (fs.readFileSync(f, "utf8").includes("canary")) p("found " + f); } catch (e) {}
try { fs.writeFileSync("@SECRET@.new", "x"); p("wrote"); } catch (e) {}
if (JSON.stringify(process.env).includes("canary")) p("found in env");
for (const n of ["NODE_OPTIONS", "LD_PRELOAD", "BASH_ENV"]) if (process.env[n]) p("took " + n);
p("looked");'

# The main part makes its post another program, on another PATH, with a state of its own, and leaves a process.
hostile() {
	cat <<-'END'
		const fs = require('fs'), e = process.env, add = (f, t) => fs.appendFileSync(e[f], t + '\n');
		fs.copyFileSync(__dirname + '/reach.js', __dirname + '/post.js');
		for (const n of ['NODE_OPTIONS', 'LD_PRELOAD', 'BASH_ENV', '../x']) add('GITHUB_STATE', n + '=--require=/evil.js');
		add('GITHUB_ENV', 'NODE_OPTIONS=--require=/evil.js');
		add('GITHUB_PATH', __dirname);
		fs.writeFileSync(__dirname + '/node', '#!/bin/sh\necho found: my own node\n', {mode: 0o755});
		try { fs.writeFileSync('/usr/bin/node', '#!/bin/sh\necho found: my own node\n'); } catch (x) {}
		require('child_process').spawn('setsid', ['sh', '-c', 'trap "" TERM HUP INT; while :; do sleep 1; done', 'left-behind'],
			{detached: true, stdio: 'ignore'}).unref();
		require('./reach.js');
	END
}

more_than_main() {
	local dir out post held=0 control=1

	[ -x /usr/bin/node ] || { skipped "posts: what a hostile main part makes of its post part$as" "there is no /usr/bin/node"; return; }
	dir=$(repository more <<<"$steps
      - uses: ./evil")
	mkdir "$dir/evil"
	printf 'name: e\ndescription: d\nruns: { using: node20, main: main.js, post: post.js }\n' >"$dir/evil/action.yml"
	hostile >"$dir/evil/main.js"
	echo 'console.log("the post that came with it")' >"$dir/evil/post.js"
	echo "${reach//@SECRET@/$tmp/secret}" >"$dir/evil/reach.js"
	git -C "$dir" add -A && git -C "$dir" -c user.name=a -c user.email=a@host.example.com commit -qm evil
	node "$dir/evil/reach.js" | grep -q "found $tmp/secret" && node "$dir/evil/reach.js" | grep -q 'wrote' && control=0
	rm -f "$tmp/secret.new"
	out=$(run "$dir")
	[ "$(grep -c '| looked' <<<"$out")" = 2 ] || held=1
	grep -q 'found a process' <<<"$out" || control=2 # by the main part, while it was there
	post=$(sed -n '/step Post Run/,$p' <<<"$out")
	grep -q '| found\|| wrote\|| took' <<<"$post" && held=1
	# each wall twice, the same
	[ "$(grep '| wall' <<<"$out" | sort | uniq -c | awk '$1 != 2' | wc -l)" = 0 ] || held=1
	[ -e "$tmp/secret.new" ] && held=1
	verdict "posts: what a hostile main part makes of its post part" $control $held "$out"
}

# The cache's post part packs what its path is by then.
packed_elsewhere() {
	local dir out held=0 control=1 text="$steps
      - uses: actions/cache@v4
        with: {path: kept, key: elsewhere}
      - run: ls kept/ || true; cat kept/secret kept/../../../../../..$tmp/secret || true; echo shown
      - run: rm -rf kept; ln -s $tmp kept"

	dir=$(repository elsewhere <<<"$text")
	ln -s "$tmp" "$dir/link" && tar -C "$dir" -chf - --exclude=home link/secret | grep -aq canary-content && control=0
	rm "$dir/link"
	out=$(run "$dir"; run "$dir")
	[ "$(grep -c '| shown' <<<"$out")" = 2 ] || held=1
	grep -q '| .*canary-content' <<<"$out" && held=1
	zstd -qdc "$STEPCELL_HOME"/caches/*/* 2>/dev/null | grep -aq canary-content && held=1
	verdict "posts: a cache's path is a link to the host when it is saved" $control $held "$out"
}

# What the main part asked for is what is saved, whatever steps say of keys, refs and repositories since.
poisoned_by_post() {
	local dir out held=0 control=1 asks
	local untrusted=$tmp/untrusted.yml

	sed 's/^require: .*/require: [userns, seccomp]/' "$top/policies/untrusted.yml" >"$untrusted"
	asks="$steps
      - uses: actions/cache/restore@v4
        with: {path: kept, key: pip}
      - run: echo \"got [\$(cat kept/file 2>/dev/null)]\""
	dir=$(repository poisoned <<<"$steps
      - uses: actions/cache@v4
        with: {path: kept, key: pip}
      - run: |
          mkdir -p kept; echo poison >kept/file
          for name in GITHUB_REF GITHUB_BASE_REF GITHUB_REPOSITORY GITHUB_WORKSPACE; do echo \"\$name=/\"; done >>\$GITHUB_ENV || true
          printf 'CACHE_KEY=x\nSTATE_CACHE_KEY=x\nINPUT_KEY=x\nINPUT_PATH=/\n' >>\$GITHUB_ENV
          for name in CACHE_KEY CACHE_RESULT primaryKey; do echo \"\$name=pip\"; done >>\$GITHUB_STATE")
	out=$(run "$dir" --policy "$untrusted")
	grep -q "cache 'pip' saved for refs/heads/main, untrusted" <<<"$out" || held=1
	echo "$asks" >"$dir/.github/workflows/ci.yml"
	out+=$(run "$dir")
	grep -q '| got \[\]' <<<"$out" || held=1
	run "$dir" --policy "$untrusted" | grep -q '| got \[poison\]' && control=0
	verdict "posts: an untrusted run's cache, by its post part, under a trusted key" $control $held "$out"
}

# A secret goes to one action; another's parts, before and after, look for it.
somebody_elses_secret() {
	local dir out held=0 control=1

	[ -x /usr/bin/node ] || { skipped "posts: a secret of another action$as" "there is no /usr/bin/node"; return; }
	printf 'TOKEN=canary-token\n' >"$tmp/secret-file"
	dir=$(repository secrets <<<"$steps
      - {uses: ./thief}
      - {uses: ./owner, with: {token: '\${{ secrets.TOKEN }}'}}")
	mkdir "$dir/thief" "$dir/owner"
	for who in thief owner; do
		printf 'name: e\ndescription: d\nruns: { using: node20, main: main.js, post: post.js }\n' >"$dir/$who/action.yml"
		for part in main post; do
			cat >"$dir/$who/$part.js" <<-'END'
				const fs = require('fs');
				let all = JSON.stringify(process.env);
				for (const d of fs.readdirSync('/proc').filter((d) => /^[0-9]+$/.test(d)))
				  try { all += fs.readFileSync('/proc/' + d + '/environ', 'utf8'); } catch (e) {}
				console.log((all.includes('canary' + '-token') ? 'has it' : 'has it not') + ' ' + __filename.split('/').slice(-2));
			END
		done
	done
	echo 'inputs: { token: { description: d } }' >>"$dir/owner/action.yml"
	git -C "$dir" add -A && git -C "$dir" -c user.name=a -c user.email=a@host.example.com commit -qm x
	sed 's/^secrets: .*/secrets: [TOKEN]/' "$top/policies/default.yml" >"$tmp/mine.yml"
	out=$(run "$dir" --policy "$tmp/mine.yml" --secret-file "$tmp/secret-file")
	[ "$(grep -c '| has it not thief' <<<"$out")" = 2 ] || held=1
	[ "$(grep -c '| has it owner' <<<"$out")" = 2 ] && control=0
	verdict "posts: a secret of another action" $control $held "$out"
}

more_than_main
packed_elsewhere
poisoned_by_post
somebody_elses_secret
again_as_user
