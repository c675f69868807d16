#!/usr/bin/env bats
# A registry that lies, breaks and asks for what is not its own: each ends in an error that says what was
# wrong, nothing of it is in the store, and its log proves that no login went where it does not belong.
# shellcheck disable=SC2154 # run sets stderr

bats_require_minimum_version 1.5.0
load helper
load registry

setup_file() {
	bad_start
	export servers at other secure log
}

teardown_file() {
	servers_stop
	# of all tests together
	never '^elsewhere [^ ]+ [^ ]+ [^-]' "$log"
}

# refuses NAME TEXT [CODE]: pulling it fails and says so, and the store has nothing of it.
refuses() {
	local STEPCELL_HOME=$BATS_TEST_TMPDIR/home-of-${1//[^a-z]/}
	pull "$at/$1"
	exits "${3:-4}" || { echo "at $1"; return 1; }
	says "$2" || { echo "at $1"; return 1; }
	! find "$STEPCELL_HOME"/store/{images,trees} -mindepth 1 2>/dev/null | grep . || { echo "of $1"; return 1; }
}

@test "what is right is taken" {
	bad_setup
	takes good
	takes parameters
	takes nested
	takes foreign
	takes moved
	never '^elsewhere' "$log"
}

@test "documents of the wrong type, digest or shape" {
	bad_setup
	refuses html "it answers with 'text/html'"
	refuses untyped "it answers with 'no type'"
	refuses clash "" 2
	refuses both "" 2
	refuses lie "it calls sha256:0000"
	refuses path "it says that its document's digest is 'sha256:../../x'"
	refuses noise "" 2
	refuses zipped "" 2
	refuses "other@sha256:$(printf '0%.0s' {1..64})" "when asked for sha256:0000"
	refuses deep "indexes in each other"
	refuses chart "this is no image to run"
}

@test "descriptors that are none" {
	bad_setup
	refuses traversal "" 2
	refuses upper "" 2
	refuses md5 "" 2
	refuses negative "" 2
	refuses fraction "" 2
	refuses huge "more than 20 GiB"
	refuses overflow "expected a whole number" 2
	refuses bigconfig "its config has"
	[ -z "$(find . -name x)" ]
}

@test "answers without an end" {
	bad_setup
	refuses endless "more than 4194304 bytes"
	refuses padded "more than 4194304 bytes"
	refuses complaint "it has no such image"
	refuses fields "bytes of fields"
	refuses flood "more than the"
	refuses more "more than the"
	refuses tokenflood "more than 1048576 bytes"
}

@test "layers that are wrong" {
	bad_setup
	refuses wrong "what it sends is not sha256:"
	refuses less "bytes where there should be"
	refuses gone "it has no such image"
	refuses unasked "it answers with the range"
	refuses garbage "HTTP/0.9"
	[ -z "$(find . -name '*.tmp')" ]
}

@test "what breaks off goes on where it was, or from its start" {
	bad_setup
	takes resumed
	grep -qE '^registry GET /v2/resumed/blobs/[^ ]* - bytes=[0-9]+-$' "$log"
	takes ignored
	takes beyond
	refuses shifted "it answers with the range 'bytes 5-"
	refuses rangeless "it answers with the range ''"
}

@test "a pull that was killed goes on with the next" {
	bad_setup
	pull "$at/shifted-late" # leaves half of the layer
	exits 4
	half=$(find "$STEPCELL_HOME/store/downloads/partial" -type f -size +1M)
	[ -n "$half" ]
	# half of it is somebody else's bytes now, and the end of it is asked for
	printf 'x' | dd of="$half" conv=notrunc status=none
	takes ranged
	[ "$(grep -c '^registry GET /v2/ranged/blobs/.* bytes=' "$log")" = 1 ]
	[ "$(grep -c '^registry GET /v2/ranged/blobs/.* -$' "$log")" = 1 ]
	[ -z "$(find "$STEPCELL_HOME/store/downloads" -type f)" ]
}

half_is_here() { [ -n "$(find "$STEPCELL_HOME/store/downloads/partial" -type f -size +1M 2>/dev/null)" ]; }
worker_is_gone() { ! pgrep -f "image pull $at/slow" >/dev/null; }

@test "killed in the middle of a layer: its worker goes with it, and the next pull asks for the rest" {
	bad_setup
	"$STEPCELL" image pull "$at/slow" >/dev/null 2>&1 3>&- &
	puller=$!
	within 20 half_is_here
	kill -KILL $puller
	wait $puller || true
	within 5 worker_is_gone
	half_is_here
	takes slow
	[ "$(grep -c '^registry GET /v2/slow/blobs/.* bytes=' "$log")" = 1 ]
	[ -z "$(find "$STEPCELL_HOME/store/downloads" -type f)" ]
}

@test "what broke off is pruned, when nobody is at work on it" {
	bad_setup
	"$STEPCELL" image pull "$at/slow-pruned" >/dev/null 2>&1 3>&- &
	puller=$!
	within 20 half_is_here
	run --separate-stderr "$STEPCELL" image prune
	exits 0
	half_is_here
	kill -KILL $puller
	wait $puller || true
	within 5 worker_is_gone
	run --separate-stderr "$STEPCELL" image prune
	exits 0
	says "of pulls that broke off"
	[ -z "$(find "$STEPCELL_HOME/store/downloads" -type f)" ]
}

@test "what an earlier pull left whole is taken, unless the disk has changed it" {
	bad_setup
	pull "$at/gone-whole" # has its config, not its layer
	exits 4
	config=$(sed -n 's|^registry GET /v2/gone-whole/blobs/sha256:\([^ ]*\) .*|\1|p' "$log" | head -n 1)
	[ -s "$STEPCELL_HOME/store/downloads/$config" ]
	pull "$at/gone-whole"
	exits 4
	[ "$(grep -c "^registry GET /v2/gone-whole/blobs/sha256:$config" "$log")" = 1 ]
	printf 'x' | dd of="$STEPCELL_HOME/store/downloads/$config" conv=notrunc status=none
	takes good-whole
	[ "$(grep -c "^registry GET /v2/good-whole/blobs/sha256:$config" "$log")" = 1 ]
}

@test "eight pulls of one image at once are one download and eight successes" {
	bad_setup
	pids=()
	for i in {1..8}; do
		"$STEPCELL" image pull "$at/good-eight" >"out.$i" 2>"err.$i" 3>&- &
		pids+=($!)
	done
	for i in {1..8}; do
		wait "${pids[i - 1]}" || { cat "err.$i"; return 1; }
	done
	[ "$(sort -u out.* | wc -l)" = 1 ]
	[ "$(grep -c '^registry GET /v2/good-eight/blobs/' "$log")" = 2 ] # its config and its layer
}

@test "images that share a layer, pulled at once" {
	bad_setup
	pids=()
	for i in {1..4}; do
		"$STEPCELL" image pull "$at/good-share$i" >"out.$i" 2>"err.$i" 3>&- &
		pids+=($!)
	done
	for i in {1..4}; do
		wait "${pids[i - 1]}" || { cat "err.$i"; return 1; }
	done
	[ -z "$(find "$STEPCELL_HOME/store/downloads" -type f)" ]
}

@test "on a terminal one line moves, and what was downloaded stays" {
	bad_setup
	run --separate-stderr "$BATS_TEST_DIRNAME/onpty.py" -- "$STEPCELL" image pull "$at/good-live"
	exits 0
	says "layer 1 of 1: " " MiB" "sha256:"
	[[ "$output" == *$'\x1b[K'* ]]
}

@test "a registry that stays broken is asked five times, and says why" {
	bad_setup
	start=$SECONDS
	for name in broken short stop; do
		STEPCELL_HOME=$PWD/home-$name "$STEPCELL" image pull "$at/$name" >"$name.out" 2>"$name.err" 3>&- &
		eval "pid_$name=\$!"
	done
	for name in broken short stop; do
		eval "code=0; wait \$pid_$name || code=\$?"
		[ "$code" = 4 ] || { cat "$name.err"; return 1; }
	done
	grep -q 'it is broken (status 500): disk on fire' broken.err
	[ "$(grep -c '^registry GET /v2/broken/' "$log")" = 5 ]
	grep -q 'trying again' short.err
	grep -q "it sends 1000 of" stop.err
	[ $((SECONDS - start)) -lt 30 ]
}

@test "a registry that is busy for a moment is waited for, and not longer than it makes sense" {
	bad_setup
	takes busy
	says "it was asked too often" "trying again in"
	takes busydate
	takes flaky
	refuses later "it asks to be left alone for 86400 seconds"
	[ "$(grep -c '^registry GET /v2/later/' "$log")" = 1 ]
}

@test "redirects: nobody else is shown the login" {
	bad_setup
	takes redirect
	takes guarded
	grep -qE '^registry GET /v2/guarded/manifests/latest Basic_' "$log"
	grep -qE '^elsewhere GET /blobs/' "$log"
	never '^elsewhere [^ ]+ [^ ]+ [^-]' "$log"
}

@test "redirects that are not followed" {
	bad_setup
	refuses circle "redirects more than 10 times"
	refuses nowhere "does not say where to"
	refuses file "it is no URL"
	refuses ftp "is no scheme"
	refuses user "has a user in it"
	refuses smuggle "it is no URL"
	refuses plain "which is not this machine and has no TLS"
	refuses metadata "which is not this machine and has no TLS"
	never '^elsewhere GET /x' "$log"
}

@test "realms: the login goes to the registry alone" {
	bad_setup
	takes own
	grep -qE '^registry GET /token/good\?.*scope=repository%3Aown%3Apull.* Basic_' "$log"
	never 'push' "$log"
	pull "$at/realm" # the token of somebody else is as good as any here
	exits 0
	grep -qE '^elsewhere GET /token\?[^ ]* - ' "$log"
	refuses realmfile "no URL"
	refuses realmplain "without TLS"
	refuses realmuser "no URL"
	refuses tokenaway "makes no sense here (status 307)"
	refuses tokenless "its answer has no token"
	refuses tokenbreak "its answer has no token"
	refuses away "sent on to 'http://$other'"
	never '^elsewhere GET /guarded [^-]' "$log"
	never 'token/good.*away' "$log"
	takes tokenbusy
	refuses mute "does not say which kind"
	refuses riddle "does not say which kind"
	: >"$log"
	refuses never "does not accept the login"
	[ "$(grep -c . "$log")" = 2 ]
}

@test "what a registry says reaches no terminal as a command" {
	bad_setup
	refuses escape '\x1b]0;owned'
	[[ "$(all)" != *$'\x1b]'* ]]
}

@test "mirrors: asked first, by digest only unless the operator says so, and never believed" {
	bad_setup
	config <<-END
		registries:
		  registry.example.com:
		    location: $at
		    plain-http: true
		    mirrors: [$other/nothing, {location: "$at", tags: false}]
	END
	STEPCELL_HOME=$PWD/one pull registry.example.com/wrong
	exits 4
	says "what it sends is not sha256:"
	STEPCELL_HOME=$PWD/one pull registry.example.com/good
	exits 0
	says "$other: it has no such image"
	never '^elsewhere GET .*/manifests/latest' "$log"
	never '^elsewhere [^ ]+ [^ ]+ [^-]' "$log"
	STEPCELL_HOME=$PWD/one run --separate-stderr "$STEPCELL" image list
	says registry.example.com/good:latest
}

@test "a configuration with mistakes: its place, and nothing is asked" {
	bad_setup
	: >"$log"
	config <<-END
		registries:
		  registry.example.com:
		    mirors: [mirror.example.com]
	END
	refuses good "config.yml:3:5" 2
	config <<-END
		registries:
		  "https://registry.example.com": {plain-http: true}
	END
	refuses good "is no HOST[:PORT]" 2
	[ ! -s "$log" ]
}

@test "with TLS: whom to believe, and never from there to no TLS" {
	bad_setup
	config <<-END
		registries:
		  "$secure": {plain-http: false}
		  "localhost:${secure#*:}": {plain-http: false, ca: $BATS_FILE_TMPDIR/cert.pem}
		  "$at": {plain-http: false}
	END
	printf '{"auths": {"%s": {"username": "ann", "password": "secret"}, "localhost:%s": {"username": "ann", "password": "secret"}}}' \
		"$secure" "${secure#*:}" >logins
	: >"$log"
	pull "$secure/guarded" # an authority that nobody knows
	exits 4
	says "certificate"
	pull "localhost:${secure#*:}/guarded" # a certificate for another name
	exits 4
	says "certificate subject name"
	pull "$at/good" # TLS with who has none
	exits 4
	[ ! -s "$log" ]
	config <<-END
		registries:
		  "$secure": {plain-http: false, ca: $BATS_FILE_TMPDIR/cert.pem}
	END
	pull "$secure/good"
	exits 0
	grep -q '^secure GET /v2/good/blobs/' "$log"
	for name in downgrade realmdown; do
		pull "$secure/$name"
		exits 4
	done
	says "without TLS"
	never '^registry' "$log"
}

@test "through a proxy, but never to this machine" {
	bad_setup
	config <<-END
		registries:
		  registry.example.com: {plain-http: true}
	END
	: >"$log"
	http_proxy=http://$other pull registry.example.com/good
	exits 4
	grep -q '^elsewhere GET http://registry.example.com/v2/good/manifests/latest - ' "$log"
	: >"$log"
	http_proxy=http://$other pull "$at/good"
	exits 0
	http_proxy=http://$other no_proxy=example.com pull registry.example.com/good
	exits 4
	never '^elsewhere' "$log"
}

@test "a login that goes to nobody's command line, environment or log" {
	bad_setup
	"$STEPCELL" image pull "$at/busy-slow" >out 2>err 3>&- &
	puller=$!
	within 10 grep -q 'trying again' err
	: >seen
	for pid in $puller $(pgrep -P $puller); do
		cat "/proc/$pid/cmdline" "/proc/$pid/environ" >>seen 2>/dev/null || true
	done
	wait $puller
	[ -s seen ]
	never 'secret|YW5u' seen
	never 'secret|YW5u' err
	run grep -rlE 'YW5uOnNlY3JldA|ann:secret' "$STEPCELL_HOME"
	[ -z "$output" ]
}

@test "without TLS only this machine is spoken to" {
	bad_setup
	refuses ../x "is no name" 2
	: >"$log"
	config <<-END
		registries:
		  registry.example.com: {location: "$other"}
	END
	pull registry.example.com/good # a name of somebody else, though it leads here
	exits 4
	[ ! -s "$log" ]
}
