# Shared by the tests that pull from registries: real servers on loopback, and an image to put there.
# shellcheck disable=SC2154,SC2034 # bats sets BATS_*; the tests read what is set here

here=$(dirname "${BASH_SOURCE[0]}")

have_registry() {
	local program
	for program in docker-registry skopeo umoci htpasswd openssl; do
		command -v "$program" >/dev/null || cannot "$program is not installed"
	done
}

# image_make DIR: an OCI layout DIR/oci with the tag `small`: one program without libraries, two layers.
image_make() {
	local work=$1
	mkdir -p "$work/one/bin" "$work/one/home/runner" "$work/two/etc"
	cat >"$work/hello.c" <<-'END'
		#include <stdio.h>
		int main(int argc, char **argv)
		{
			char line[64] = "";
			FILE *f = fopen("/etc/motto", "r");
			return f && fgets(line, sizeof(line), f) ? printf("%s%s\n", line, argc > 1 ? argv[1] : "") < 0 : 1;
		}
	END
	gcc -static -Os -o "$work/one/bin/hello" "$work/hello.c"
	echo "hello from the image" >"$work/two/etc/motto"
	tar -C "$work/one" --owner=0 --group=0 -cf "$work/one.tar" .
	tar -C "$work/two" --owner=0 --group=0 -cf "$work/two.tar" .
	umoci init --layout "$work/oci"
	umoci new --image "$work/oci:small"
	umoci raw add-layer --image "$work/oci:small" "$work/one.tar"
	umoci raw add-layer --image "$work/oci:small" "$work/two.tar"
	umoci config --image "$work/oci:small" --config.env MOTTO=yes
}

# registry_start NAME [LINE]...: docker-registry with these lines of configuration; sets $registry_at, adds to $servers.
registry_start() {
	local dir=$BATS_FILE_TMPDIR/$1
	mkdir -p "$dir"
	{
		printf 'version: 0.1\nlog: {level: info, accesslog: {disabled: false}}\n'
		printf 'storage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "127.0.0.1:0"}\n' "$dir/data"
		[ $# -lt 2 ] || printf '%s\n' "${@:2}"
	} >"$dir/config.yml"
	docker-registry serve "$dir/config.yml" >"$dir/log" 2>&1 3>&- &
	servers+=" $!"
	within 10 grep -q 'listening on' "$dir/log" || { cat "$dir/log"; return 1; }
	registry_at=$(sed -n 's/.*listening on \([0-9.:]*\).*/\1/p' "$dir/log" | head -n 1)
}

# bad_start: badregistry.py; sets $at (it), $secure (it with TLS), $other (somebody else), $log, adds to $servers.
bad_start() {
	local ports dir=$BATS_FILE_TMPDIR
	command -v openssl >/dev/null || cannot "openssl is not installed"
	openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=tests -addext subjectAltName=IP:127.0.0.1 -days 2 \
		-keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
	"$here/badregistry.py" "$dir/ports" "$dir/log" "$dir/cert.pem" "$dir/key.pem" 2>"$dir/err" 3>&- &
	servers+=" $!"
	within 10 test -s "$dir/ports" || { cat "$dir/err"; return 1; }
	read -ra ports <"$dir/ports"
	at=127.0.0.1:${ports[0]} other=127.0.0.2:${ports[1]} secure=127.0.0.1:${ports[2]} log=$dir/log
	: >"$log"
}

# bad_setup: of a test, nothing of the caller's; and a login for $at, for no one else.
bad_setup() {
	export XDG_CONFIG_HOME=$BATS_TEST_TMPDIR/config HOME=$BATS_TEST_TMPDIR/nobody
	mkdir -p "$HOME" "$XDG_CONFIG_HOME"
	unset XDG_RUNTIME_DIR DOCKER_CONFIG
	logins logins "$at" ann:secret
	export REGISTRY_AUTH_FILE=$PWD/logins
}

# takes NAME: it is pulled from $at.
takes() {
	pull "$at/$1"
	exits 0 || { echo "at $1"; return 1; }
}

# tokens_start NAME: the token server; sets $tokens_at, adds to $servers.
tokens_start() {
	local dir=$BATS_FILE_TMPDIR/$1
	mkdir -p "$dir"
	openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=tests -days 2 -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
	"$here/tokenserver.py" "$dir" "$dir/port" "$dir/log" >"$dir/err" 2>&1 3>&- &
	servers+=" $!"
	within 10 test -s "$dir/port" || { cat "$dir/err"; return 1; }
	tokens_at=127.0.0.1:$(cat "$dir/port")
}

# never PATTERN FILE: no line of the file matches.
never() { ! grep -E -- "$1" "$2"; }

servers_stop() {
	# shellcheck disable=SC2086 # words on purpose
	[ -z "${servers-}" ] || kill $servers
}

# push REF [OPTION]...: the image of image_make, by a public client.
push() { skopeo --insecure-policy copy -q --dest-tls-verify=false "${@:2}" "oci:$BATS_FILE_TMPDIR/image/oci:small" "docker://$1"; }

# put_index FILE HOST/PATH: an index that a client would make of several pushes.
put_index() {
	python3 - "$@" <<-'END'
		import sys, urllib.request
		urllib.request.urlopen(urllib.request.Request(
		    'http://' + sys.argv[2], open(sys.argv[1], 'rb').read(),
		    {'Content-Type': 'application/vnd.oci.image.index.v1+json'}, method='PUT'))
	END
}

# digest_of REF [OPTION]...: what the registry calls it.
digest_of() { skopeo inspect --tls-verify=false "${@:2}" --format '{{.Digest}}' "docker://$1"; }

# pull [OPTION]... REF: $status, $output and $stderr are set.
pull() { run --separate-stderr timeout 60 "$STEPCELL" image pull "$@" </dev/null; }

# hello IMAGE WORD: a step in it.
hello() { run --separate-stderr timeout 60 "$STEPCELL" exec --image "$1" --workdir / -- /bin/hello "$2" </dev/null; }

# logins FILE KEY USER:SECRET: a file of logins.
logins() { printf '{"auths": {"%s": {"auth": "%s"}}}\n' "$2" "$(printf '%s' "$3" | base64 -w0)" >"$1"; }

# config <<END: the configuration of the test's own.
config() {
	mkdir -p "$XDG_CONFIG_HOME/stepcell"
	cat >"$XDG_CONFIG_HOME/stepcell/config.yml"
}
