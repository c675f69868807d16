#!/usr/bin/env bats
# What takes its time: a registry that stops in the middle of a sentence.
# shellcheck disable=SC2154 # run sets stderr, registry.bash what it started

bats_require_minimum_version 1.5.0
load ../helper
load ../registry

setup_file() {
	bad_start
	export servers at other secure log
}

teardown_file() { servers_stop; }

@test "a connection that brings nothing for half a minute is given up, and the rest asked for" {
	bad_setup
	run --separate-stderr timeout 110 "$STEPCELL" image pull "$at/slow" </dev/null
	exits 0
	says "too slow" "trying again"
	[ "$(grep -c '^registry GET /v2/slow/blobs/.* bytes=' "$log")" = 1 ]
}
