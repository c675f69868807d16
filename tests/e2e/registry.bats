#!/usr/bin/env bats
# Images from a real registry on loopback, put there by a public client.
# shellcheck disable=SC2154 # run sets stderr, registry.bash what it started

bats_require_minimum_version 1.5.0
load helper
load registry

setup_file() {
	have_registry
	image_make "$BATS_FILE_TMPDIR/image" >&2
	htpasswd -Bbn ann secret >"$BATS_FILE_TMPDIR/htpasswd"
	registry_start anonymous
	anonymous=$registry_at
	registry_start basic "auth: {htpasswd: {realm: tests, path: $BATS_FILE_TMPDIR/htpasswd}}"
	basic=$registry_at
	tokens_start tokens
	registry_start token "auth: {token: {realm: \"http://$tokens_at/token\", service: reg.tests, issuer: tests, rootcertbundle: $BATS_FILE_TMPDIR/tokens/cert.pem}}"
	token=$registry_at
	push "$anonymous/ci/small:1" >&2
	push "$anonymous/ci/docker:1" --format v2s2 >&2
	push "$basic/ci/small:1" --dest-creds ann:secret >&2
	push "$token/ci/small:1" --dest-creds ann:secret >&2
	push "$token/public/small:1" --dest-creds ann:secret >&2
	export anonymous basic token tokens_at servers
}

teardown_file() { servers_stop; }

registry_setup() {
	export XDG_CONFIG_HOME=$BATS_TEST_TMPDIR/config HOME=$BATS_TEST_TMPDIR/nobody
	mkdir -p "$HOME" "$XDG_CONFIG_HOME"
	unset XDG_RUNTIME_DIR DOCKER_CONFIG REGISTRY_AUTH_FILE
}

@test "anonymous: pulled by tag and by digest, listed, and a step runs in it" {
	registry_setup
	pull "$anonymous/ci/small:1"
	exits 0
	by_tag=$output
	hello "$anonymous/ci/small:1" tag
	exits 0
	[ "$output" = $'hello from the image\ntag' ]
	digest=$(digest_of "$anonymous/ci/small:1")
	hello "$anonymous/ci/small:1@$digest" both
	exits 0

	STEPCELL_HOME=$BATS_TEST_TMPDIR/other pull "$anonymous/ci/small@$digest"
	exits 0
	STEPCELL_HOME=$BATS_TEST_TMPDIR/other hello "$anonymous/ci/small@$digest" digest
	exits 0
	[ "$output" = $'hello from the image\ndigest' ]
	run --separate-stderr "$STEPCELL" image show --json "$by_tag"
	says '"MOTTO": "yes"'
	[ -z "$(find "$STEPCELL_HOME/store/downloads" -type f)" ]
}

@test "a recipe that means an image by its digest" {
	registry_setup
	digest=$(digest_of "$anonymous/ci/small:1")
	printf 'kind: oci\nref: %s/ci/small@%s\nenv: {MOTTO: ours}\n' "$anonymous" "$digest" >tool.yml
	run --separate-stderr timeout 60 "$STEPCELL" image build ./tool.yml
	exits 0
	hello tool recipe
	exits 0
	[ "$output" = $'hello from the image\nrecipe' ]
	run --separate-stderr "$STEPCELL" image show --json tool
	says '"MOTTO": "ours"'
	run --separate-stderr timeout 60 "$STEPCELL" image build ./tool.yml
	exits 0
	says "is there already"
	sed -i 's/sha256:..../sha256:0000/' tool.yml
	run --separate-stderr timeout 60 "$STEPCELL" image build ./tool.yml
	[ "$status" != 0 ]
	sed -i 's/@sha256:.*/:1/' tool.yml
	run --separate-stderr timeout 60 "$STEPCELL" image build ./tool.yml
	exits 2
	says "has no digest"
}

@test "Docker's own types" {
	registry_setup
	pull "$anonymous/ci/docker:1"
	exits 0
	hello "$anonymous/ci/docker:1" docker
	exits 0
}

@test "basic authentication: with the login, without, and with a wrong one" {
	registry_setup
	pull "$basic/ci/small:1"
	exits 4
	says "asks for a login, and there is none for '$basic'"
	logins wrong "$basic" ann:wrong
	pull --auth-file wrong "$basic/ci/small:1"
	exits 4
	says "does not accept the login"
	mkdir -p "$HOME/.docker"
	logins "$HOME/.docker/config.json" "$basic" ann:secret
	pull "$basic/ci/small:1"
	exits 0
	hello "$basic/ci/small:1" basic
	exits 0
}

@test "a token as nobody, where that is enough" {
	registry_setup
	pull "$token/public/small:1"
	exits 0
	pull "$token/ci/small:1"
	exits 4
}

@test "a login goes to a token server elsewhere only where the operator says so" {
	registry_setup
	: >"$BATS_FILE_TMPDIR/tokens/log"
	logins mine "$token" ann:secret
	pull --auth-file mine "$token/ci/small:1"
	exits 4
	says "under 'tokens' of '$token' in config.yml" "http://$tokens_at"
	never Basic "$BATS_FILE_TMPDIR/tokens/log"
	config <<-END
		registries:
		  "$token": {tokens: ["http://$tokens_at"]}
	END
	pull --auth-file mine "$token/ci/small:1"
	exits 0
	grep -q 'GET .*account=ann Basic ' "$BATS_FILE_TMPDIR/tokens/log"
	hello "$token/ci/small:1" token
	exits 0
}

@test "an identity token is sent in a form" {
	registry_setup
	: >"$BATS_FILE_TMPDIR/tokens/log"
	printf '{"auths": {"%s": {"identitytoken": "refresh-ann"}}}' "$token" >mine
	config <<-END
		registries:
		  "$token": {tokens: ["http://$tokens_at"]}
	END
	pull --auth-file mine "$token/ci/small:1"
	exits 0
	grep -q 'POST /token -' "$BATS_FILE_TMPDIR/tokens/log"
	never refresh-ann "$BATS_FILE_TMPDIR/tokens/log"
}

@test "a credential helper is asked, and is no path" {
	registry_setup
	mkdir bin
	cat >bin/docker-credential-tests <<-'END'
		#!/bin/sh
		[ "$1" = get ] && read -r host
		echo "$host" >>asked
		echo '{"ServerURL": "x", "Username": "ann", "Secret": "secret"}'
	END
	chmod +x bin/docker-credential-tests
	printf '{"credHelpers": {"%s": "tests"}}' "$basic" >mine
	PATH=$PWD/bin:$PATH pull --auth-file mine "$basic/ci/small:1"
	exits 0
	[ "$(cat asked)" = "$basic" ]
	printf '{"credsStore": "../bin/docker-credential-tests"}' >mine
	pull --auth-file mine "$basic/ci/small:1"
	exits 2
	says "cannot be called"
}

@test "a pull of what is here fetches no layer, and a tag that moved is pulled" {
	registry_setup
	pull "$anonymous/ci/small:1"
	exits 0
	first=$output
	: >"$BATS_FILE_TMPDIR/anonymous/log"
	pull "$anonymous/ci/small:1"
	exits 0
	[ "$output" = "$first" ]
	never blobs "$BATS_FILE_TMPDIR/anonymous/log"

	push "$anonymous/ci/small:1" --format v2s2 # another document, and so another digest
	pull "$anonymous/ci/small:1"
	exits 0
	run --separate-stderr "$STEPCELL" image list
	[ "${#lines[@]}" = 1 ]
	push "$anonymous/ci/small:1"
	pull --name mine "$anonymous/ci/docker:1"
	exits 0
	pull --name mine "$anonymous/ci/small:1"
	exits 2
	says "another image" --replace
	pull --replace --name mine "$anonymous/ci/small:1"
	exits 0
}

@test "a mirror is shown its own login" {
	registry_setup
	logins mine "$basic" ann:secret
	config <<-END
		registries:
		  registry.example.com: {mirrors: [{location: "$basic", tags: true}]}
	END
	pull --auth-file mine registry.example.com/ci/small:1
	exits 0
	hello registry.example.com/ci/small:1 mirror
	exits 0
}

@test "an image for several platforms" {
	registry_setup
	skopeo --insecure-policy inspect --tls-verify=false --raw "docker://$anonymous/ci/small:1" >manifest
	size=$(stat -c %s manifest) digest=sha256:$(sha256sum <manifest | cut -d ' ' -f 1)
	machine=$(dpkg --print-architecture)
	entry='{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "'$digest'", "size": '$size', "platform": {"os": "linux", "architecture": '
	printf '{"schemaVersion": 2, "manifests": [%s"s390x"}}, %s"%s"}}]}' "$entry" "$entry" "$machine" >several
	printf '{"schemaVersion": 2, "manifests": [%s"s390x"}}]}' "$entry" >other
	put_index several "$anonymous/v2/ci/small/manifests/several"
	put_index other "$anonymous/v2/ci/small/manifests/other"
	pull "$anonymous/ci/small:several"
	exits 0
	hello "$anonymous/ci/small:several" platform
	exits 0
	pull --platform linux/s390x --name wrong "$anonymous/ci/small:several"
	exits 4 # whatever the index says: its config is of this machine
	says "$machine"
	pull "$anonymous/ci/small:other"
	exits 4
	says "linux/s390x"
}

# by_image IMAGE [STEP]: a workflow whose job has this image, and a step of it
by_image() {
	local step=${2-"uses: \"docker://$1\", with: { entrypoint: /bin/hello, args: word }"}
	workflow <<-END
		on: push
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    container: $1
		    steps: [{ $step }]
	END
}

@test "a workflow names an image by the digest of its manifest, or of its index" {
	registry_setup
	project=$BATS_TEST_TMPDIR/project
	mkdir -p "$project/.github/workflows"
	local at=$anonymous/ci/small digest index refused
	digest=$(digest_of "$at:1")
	skopeo --insecure-policy inspect --tls-verify=false --raw "docker://$at:1" >manifest
	printf '{"schemaVersion": 2, "manifests": [{"mediaType": "%s", "digest": "%s", "size": %s, "platform": {"os": "linux", "architecture": "%s"}}]}' \
		application/vnd.oci.image.manifest.v1+json "$digest" "$(stat -c %s manifest)" "$(dpkg --print-architecture)" >index
	index=sha256:$(sha256sum <index | cut -d ' ' -f 1)
	put_index index "$anonymous/v2/ci/small/manifests/indexed"

	by_image "$at@$digest" "run: 'true'"
	cell_run
	exits 4
	says "image '$at@$digest' is not in the store, and nothing is fetched" "stepcell image pull $at@$digest"
	pull "$at@$index"
	exits 0
	for ref in "$at@$index" "$at@$digest" "$at:none@$digest" "elsewhere:1@$index"; do
		by_image "$ref"
		cell_run
		exits 0
		says "| hello from the image" "| word"
	done
	# a digest that a tag has no part in gives that tag no meaning
	for refused in "$at:1" "$at:indexed" "$at@sha256:$(printf '%064d' 1)"; do
		by_image "$refused" "run: 'true'"
		cell_run
		exits 4
		says "image '$refused' is not in the store"
	done
	run --separate-stderr "$STEPCELL" image list
	says "$at@$index"
	run --separate-stderr "$STEPCELL" image show --json "$at@$digest"
	exits 0
	says "\"name\": \"$at@$index\"" "\"source\": \"$digest\""

	# the policy sees what is written, and the lock what is meant
	sed "s|^images: none|images: ['$at@$digest']|; s/^require:.*/require: [userns]/" \
		"${STEPCELL%/build/*}/policies/untrusted.yml" >mine.yml
	by_image "$at@$digest"
	cell_run --policy mine.yml
	exits 0
	for refused in "$at@$index" "$at:1@$digest"; do
		by_image "$refused" "run: 'true'"
		cell_run --policy mine.yml
		exits 3
		says "image '$refused' is refused"
	done
	"$STEPCELL" image lock "$at@$digest" >"$project/images.lock"
	grep -qF "\"$at@$index\":" "$project/images.lock"
	by_image "$at@$digest"
	run --separate-stderr timeout 60 "$STEPCELL" run -C "$project" </dev/null
	exits 0
	sed -i 's/digest: sha256:..../digest: sha256:0000/' "$project/images.lock"
	run --separate-stderr timeout 60 "$STEPCELL" run -C "$project" </dev/null
	exits 2
	says "images.lock: '$at@$index' must be sha256:0000"
	rm "$project/images.lock"

	# what a file says of itself is no proof of it; what is hashed from a layout is
	"$STEPCELL" image export "$at@$digest" >exported
	export STEPCELL_HOME=$BATS_TEST_TMPDIR/other
	run --separate-stderr "$STEPCELL" image import exported
	exits 2
	says "it says that it is '$at@$index', which a file alone does not prove"
	run --separate-stderr "$STEPCELL" image import --name "$at:1" exported
	exits 0
	by_image "$at@$digest" "run: 'true'"
	cell_run
	exits 4
	by_image "$at:1"
	cell_run
	exits 0
	run --separate-stderr "$STEPCELL" image import --name laid:1 "$BATS_FILE_TMPDIR/image/oci"
	exits 0
	by_image "$at@$digest"
	cell_run
	exits 0
}

@test "two references that are alike are two images" {
	registry_setup
	push "$anonymous/ci/small-one:1"
	push "$anonymous/ci/small/one:1" --format v2s2
	pull "$anonymous/ci/small-one:1"
	exits 0
	hello "$anonymous/ci/small/one:1" x
	exits 125
	says "stepcell image pull $anonymous/ci/small/one:1"
	pull "$anonymous/ci/small/one:1"
	exits 0
	run --separate-stderr "$STEPCELL" image list
	says "$anonymous/ci/small-one:1 " "$anonymous/ci/small/one:1 "
	project=$BATS_TEST_TMPDIR/project
	mkdir -p "$project/.github/workflows"
	by_image "${anonymous/:/-}-ci-small-one-1" "run: 'true'"
	cell_run
	exits 4
}

@test "what is not there is named, and nothing is pulled by being named" {
	registry_setup
	pull "$anonymous/ci/none:1"
	exits 4
	says "it has no such image"
	hello "$anonymous/ci/small:1" x
	exits 125
	says "stepcell image pull $anonymous/ci/small:1"
	pull small
	exits 2
	says "it names no registry"
	pull "$anonymous/ci/small@sha256:../../x"
	exits 2
	says "its digest must be"
}

@test "as an ordinary user" {
	registry_setup
	user_open
	USER_TIMEOUT=60 as_user stepcell image pull "$anonymous/ci/small:1" >digest
	USER_TIMEOUT=60 as_user stepcell exec --image "$anonymous/ci/small:1" --workdir / -- /bin/hello user >said
	user_close
	grep -q '^sha256:' digest
	grep -q '^user$' said
}
