#!/usr/bin/env bats
# The basics as an ordinary user, in a directory that only that user can read, without sudo.
# shellcheck disable=SC2154 # user_open and start set user, user_home and pid

bats_require_minimum_version 1.5.0
load helper

setup_file() { user_open; }
teardown_file() { user_close; }

setup() {
	project=$user_home/project
	rm -rf "$project"
	mkdir -p "$project/.github/workflows"
	echo content >"$project/file"
}

# user_run [OPTION]...: cell_run as the user.
user_run() {
	[ "$(id -u)" != 0 ] || chown -R "$user:" "$project"
	run --separate-stderr as_user stepcell run -C project --image host "$@"
}

@test "jobs run as the user runner, whoever calls; artifacts are collected" {
	steps <<-'END'
		- uses: actions/checkout@v4
		- run: id -u; id -un; cat file; echo changed >file; cat file
		- run: cat file
		- uses: actions/upload-artifact@v4
		  with: { name: it, path: file }
	END
	before=$(tree_hash "$project")
	user_run -o out
	before=$(tree_hash "$project") # chown changed no time, but be exact about what a run changes
	user_run -o out
	exits 0
	says 1001 runner content changed
	[ "$(tree_hash "$project")" = "$before" ]
	[ "$(tar --zstd -xOf "$user_home/out/a/it.tar.zst" file)" = changed ]
}

@test "a repository of another user gives its commit" {
	[ "$(id -u)" = 0 ] || cannot "another user's files take root to make"
	job a 'echo "sha $GITHUB_SHA"' | on_push
	git -C "$project" init -q -b main
	git -C "$project" add -A
	git -C "$project" -c user.name=a -c user.email=a@host.example.com commit -qm x
	chmod -R a+rX "$project"
	run --separate-stderr as_user stepcell run -C project --image host
	exits 0
	sha=$(git -C "$project" rev-parse HEAD)
	says "sha $sha"
}

@test "no capability, no new privilege, a filter" {
	job a 'grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status' | on_push
	user_run
	exits 0
	[ "$(all | grep -cE 'Cap(Inh|Prm|Eff|Bnd|Amb):.*0000000000000000')" = 5 ]
	all | grep -qE 'NoNewPrivs:.*1'
	all | grep -qE 'Seccomp:.*2'
}

@test "a wall that the policy requires and the host lacks: exit 4; one that is not required: a warning" {
	job a 'printf did-; echo 2' | on_push
	printf 'name: strict\nrequire: [userns, seccomp, landlock, cgroup]\n' >"$user_home/strict.yml"
	chmod 644 "$user_home/strict.yml"
	user_run
	exits 0
	[[ "$(all)" == *cgroup* ]] || cannot "this user has cgroups of its own"
	says cgroup "by other means" did-2
	user_run --policy ./strict.yml
	exits 4
	says cgroup doctor
	says_not did-2
}

@test "a checkout that cannot be read" {
	job a 'echo ran' | on_push
	chmod 0 "$project"
	user_run
	chmod 700 "$project"
	exits 2
	says project "Permission denied"
}

@test "kill -9 leaves nothing" {
	mark=mark-$BATS_TEST_NUMBER-$$
	job a "exec -a $mark sleep 1000" | on_push
	[ "$(id -u)" != 0 ] || chown -R "$user:" "$project"
	as_user sh -c 'echo $$ >pid; exec stepcell run -C project --image host' 3>&- >/dev/null 2>&1 &
	within 20 alive "$mark"
	kill -KILL "$(cat "$user_home/pid")"
	within 5 dead "$mark"
	job a 'echo again' | on_push
	user_run
	exits 0
}

@test "a JavaScript action from a folder and one from a repository's tag, their trees read-only" {
	[ -x /usr/bin/node ] || cannot "no /usr/bin/node on this host"
	mkdir "$user_home/act"
	printf 'name: a\ndescription: d\nruns: { using: node20, main: main.js, post: main.js }\n' >"$user_home/act/action.yml"
	echo 'try { require("fs").writeFileSync(__filename, ""); } catch (e) { console.log("ran," + e.code); }' >"$user_home/act/main.js"
	git -C "$user_home/act" init -q -b main
	git -C "$user_home/act" add -A
	git -C "$user_home/act" -c user.name=me -c user.email=me@example.com commit -q -m one
	git -C "$user_home/act" tag v2
	chmod -R go= "$user_home/act"
	[ "$(id -u)" != 0 ] || chown -R "$user:" "$user_home/act"
	as_user stepcell action add --worktree own/act@v1 act
	as_user stepcell action add own/act@v2 act
	printf -- '- uses: own/act@%s\n' v1 v2 | steps
	user_run
	exits 0
	[ "$(all | grep -c 'ran,EROFS')" = 4 ]
}
