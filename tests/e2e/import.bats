#!/usr/bin/env bats
# Images in the forms of other engines: which are taken, what becomes of them, and which are refused.
# shellcheck disable=SC2154 # run sets stderr

bats_require_minimum_version 1.5.0
load helper

# import ARGUMENT...: $status, $output and $stderr are set.
import() { run --separate-stderr timeout 60 "$STEPCELL" image import --quiet "$@" </dev/null; }

# made KIND [WRONG]: an image in the form KIND, its path in $made.
made() {
	made=$BATS_TEST_TMPDIR/made.${2-}.$1
	python3 "${BATS_TEST_FILENAME%/*}/oci.py" "$1" "$made" "${2-}"
}

# tree NAME: the names in the one layer of an image.
tree() {
	local root
	root=$("$STEPCELL" image show --json "$1" | sed -n 's|^ *"\(/.*/root\)"$|\1|p')
	(cd "$root" && find . -mindepth 1 | sort | tr '\n' ' ')
}

empty_store() {
	local left
	left=$(find "$STEPCELL_HOME/store" -mindepth 2 ! -path '*/blobs/sha256' ! -path '*/turns/*')
	[ -z "$left" ] || { printf 'in the store:\n%s\n' "$left"; return 1; }
}

@test "a layout, an archive of one and a Docker archive: one image, named as it calls itself" {
	for kind in layout oci docker; do
		made $kind
		import --replace "$made"
		exits 0
		[ "$(tree greeter:1.0)" = "./bin ./etc ./etc/new ./usr ./usr/bin ./usr/bin/hello " ]
	done
	gzip -k "$made"
	import --name zipped "$made.gz"
	exits 0
	[ "$(find "$STEPCELL_HOME/store/trees" -mindepth 1 -maxdepth 1 | wc -l)" = 1 ]
	[ -z "$(ls "$STEPCELL_HOME/store/staging")" ]
}

@test "what the image says of its environment is kept with it" {
	made layout
	import --name greeter "$made"
	exits 0
	run --separate-stderr "$STEPCELL" image show --json greeter
	says '"GREETING": "hello"' '"PATH": "/bin"'
	says '"80/tcp": {}' '"User": "1000"' '"source": "sha256:'
	run --separate-stderr "$STEPCELL" image show greeter
	says 'config   Entrypoint ["/bin/hello"]' 'config   User "1000"'
}

@test "what an image calls its Pythons and packages is not for the terminal to act on" {
	mkdir -p "root/opt/hostedtoolcache/Python/3.12.1" root/var/lib/dpkg
	touch "root/opt/hostedtoolcache/Python/3.12.1/x64"$'\e[2J.complete'
	printf 'Package: a\e[2J\nStatus: install ok installed\nVersion: 1\e]0;x\a\nArchitecture: amd64\n\n' \
		>root/var/lib/dpkg/status
	tar -C root -cf $'made\e[2J.tar' .
	import --name said $'made\e[2J.tar'
	exits 0
	for command in "show said" list; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr "$STEPCELL" image $command
		exits 0
		says 3.12.1
		says_not $'\e'
	done
}

@test "the tar of a root: names that look like whiteouts are files there" {
	made tar
	import --name root "$made"
	exits 0
	[ "$(tree root)" = "./etc ./etc/.wh.kept ./usr ./usr/bin ./usr/bin/hello " ]
	STEPCELL_HOME=$BATS_TEST_TMPDIR/other run --separate-stderr "$STEPCELL" image import <"$made"
	exits 2
	says --name
}

@test "told apart by content, or taken as one is told" {
	mkdir notes
	echo hello >notes/hello
	tar -cf notes.tar -C notes hello
	import notes.tar
	exits 2
	says "--as tar takes it"
	import --as tar notes.tar
	exits 0
	[ "$(tree notes)" = "./hello " ]
	import --as doc notes.tar
	exits 2
	says "export, oci, docker, tar, prefix"
	import --as oci notes.tar
	exits 2
	import notes
	exits 2
	says "neither a layout nor a CPython"
	import --as prefix notes.tar
	exits 2
}

@test "of several images one is named; of several machines this one is picked" {
	made oci "two images"
	import "$made"
	exits 2
	says "several images" greeter:1.0 other:2
	import --ref 3 "$made"
	exits 2
	says "no image '3'"
	import --ref 2 --name second "$made"
	exits 0
	made docker "two images"
	import "$made"
	exits 2
	says "several images"
	import --ref greeter:1.0 --name third "$made"
	exits 0
	made layout "several machines"
	import --name fourth "$made"
	exits 0
	import --platform linux/mips "$made"
	exits 4
	says "no image for linux/mips" linux/s390x
}

@test "what is not what it says is refused, and leaves nothing" {
	while read -r code wrong; do
		read -r expected
		made layout "$wrong"
		import "$made"
		printf '%s: ' "$wrong"
		exits "$code"
		says "$expected"
		empty_store
	done <<-END
		2 diff id
		unpacks to sha256:
		2 too few diff ids
		2 layers, and hashes of 1
		2 layer size
		bytes, not
		2 layer bytes
		is damaged: it hashes to
		2 manifest bytes
		is damaged: it hashes to
		2 missing layer
		is missing
		2 both kinds
		parts of both
		4 another machine
		is for linux/s390x
		2 environment
		expected NAME=VALUE
		2 gzip said of zstd
		its type says gzip, its bytes say zstd
		2 nothing said of gzip
		its type says not compressed, its bytes say gzip
		2 no layer
		no type of a layer
		2 bytes behind
		behind the end
	END
}

@test "of a Docker archive too, whose files have no hashes but in the config" {
	made docker "diff id"
	import "$made"
	exits 2
	says "unpacks to sha256:"
	empty_store
	made docker "too few diff ids"
	import "$made"
	exits 2
	empty_store
}
