#!/usr/bin/env bats
# A whole pipeline on real toolchain images: what each event starts, what comes out, and that the
# checkout is the same afterwards. It is somebody's own, found through STEPCELL_SHARED or ../shared, and
# asks for Python 3.10, which is made of this host's own; where there is none it runs on Debian's 3.11.
# shellcheck disable=SC2154 # user_open sets user and user_home

bats_require_minimum_version 1.5.0
load ../helper
load ../toolchains

setup_file() {
	cd "$BATS_TEST_DIRNAME/../../.." || return 1
	export STEPCELL_HOME=$BATS_FILE_TMPDIR/home shared=$BATS_FILE_TMPDIR
	cp -R tests/projects/abi "$shared/abi"
	seed=${STEPCELL_SHARED:-../shared}/seed/pipeline.yml
	[ -f "$seed" ] || return 0 # each test says so
	cp "$seed" "$shared/pipeline.yml"
	(
		cd "$shared/abi" || exit 1
		export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_DATE='2024-01-02T03:04:05Z' GIT_COMMITTER_DATE='2024-01-02T03:04:05Z'
		git init -q -b develop && git add -A &&
			git -c user.name=a -c user.email=a@example.com commit -qm 'a project'
	) || return 1
	if ! toolchain python-3.10 2>/dev/null; then
		sed -i "s/'3.10'/'3.11'/" "$shared/pipeline.yml"
		toolchain python-3.11 || return 1
	fi
}

# a test that fails leaves its user behind otherwise
teardown() { user_close; }

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	[ -f "$shared/pipeline.yml" ] || cannot "no seed/pipeline.yml in STEPCELL_SHARED or ../shared"
}

# pipeline [OPTION]...: run it on the project.
pipeline() {
	run --separate-stderr timeout 600 "$STEPCELL" run -C "$shared/abi" -W "$shared/pipeline.yml" "$@" </dev/null
}

# verdicts: "JOB VERDICT" of each job of a run's journal, sorted.
verdicts() {
	python3 -c '
import json, sys
for line in sys.stdin:
    e = json.loads(line)
    if e["type"] == "job-ended": print(e["job"], e["verdict"])
    if e["type"] == "job-skipped": print(e["job"], "skipped")' | sort | tr '\n' ';'
}

@test "a push to develop: build, test, quality, deploy-dev; the checkout stays as it was" {
	before=$(tree_hash "$shared/abi")
	pipeline -e push --ref refs/heads/develop -o out
	exits 0
	[ "$("$STEPCELL" runs show --json | verdicts)" = "build success;deploy-dev success;deploy-production skipped;deploy-staging skipped;quality success;test success;" ]
	says refs/heads/release/ # why staging was skipped
	[ "$(tree_hash "$shared/abi")" = "$before" ]
	tar --zstd -tf out/build/dist.tar.zst | grep -q 'abi-.*\.whl$'
	tar --zstd -tf out/build/dist.tar.zst | grep -q 'abi-.*\.tar\.gz$'
	sha256sum <out/build/dist.tar.zst >"$shared/sum"
}

@test "a pull request: no deployment; the same commit makes the same bytes" {
	pipeline -e pull_request -o out
	exits 0
	[ "$("$STEPCELL" runs show --json | verdicts)" = "build success;deploy-dev skipped;deploy-production skipped;deploy-staging skipped;quality success;test success;" ]
	[ "$(sha256sum <out/build/dist.tar.zst)" = "$(<"$shared/sum")" ]
}

@test "a published release: production only by a policy that grants it" {
	echo '{"action": "published", "release": {"tag_name": "v1.2.0"}}' >release.json
	pipeline -e release --event-file release.json --ref refs/tags/v1.2.0
	exits 3
	says "policies/default.yml:" environments production
	pipeline -e release --event-file release.json --ref refs/tags/v1.2.0 --policy deploy
	exits 0
	[ "$("$STEPCELL" runs show --json | verdicts)" = "build success;deploy-dev skipped;deploy-production success;deploy-staging skipped;quality success;test success;" ]
}

@test "a push to a release branch, by another user with an image that was exported: deploy-staging" {
	[ "$(id -u)" = 0 ] || cannot "making a second user takes root"
	user_open
	image=$(sed -n "s/.*python-version: '\(.*\)'/python-\1/p" "$shared/pipeline.yml" | head -n 1)
	"$STEPCELL" image export "$image" >"$user_home/image.tar.zst"
	cp -R "$shared/abi" "$shared/pipeline.yml" "$user_home/"
	chown -R "$user:" "$user_home"
	run --separate-stderr as_user stepcell image import --toolchains image.tar.zst
	exits 0
	USER_TIMEOUT=600 run --separate-stderr as_user stepcell run -C abi -W pipeline.yml -e push --ref refs/heads/release/1.2
	exits 0
	[ "$(as_user stepcell runs show --json | verdicts)" = "build success;deploy-dev skipped;deploy-production skipped;deploy-staging success;quality success;test success;" ]
}

@test "checkout: strict makes the checkout read-only, and says so with EROFS" {
	mkdir -p p/.github/workflows
	cat >p/.github/workflows/ci.yml <<-'END'
		on: push
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    steps:
		      - uses: actions/checkout@v4
		      - run: touch new
	END
	printf 'name: strict\ncheckout: strict\n' >strict.yml
	run --separate-stderr "$STEPCELL" run -C p --policy ./strict.yml
	exits 1
	says "Read-only file system"
	run --separate-stderr "$STEPCELL" run -C p
	exits 0
	[ ! -e p/new ]
}
