#!/usr/bin/env bats
# The image store: what it says, what it takes in, and that nothing half-made is ever in it.
# shellcheck disable=SC2154 # run sets stderr

bats_require_minimum_version 1.5.0
load helper

# image ARGUMENT...: $status, $output and $stderr are set.
image() { run --separate-stderr timeout 60 "$STEPCELL" image "$@" </dev/null; }

# make_export NAME: an exported image by hand, with one layer of two files, in the folder export/.
make_export() {
	local hello list
	mkdir -p export/root/bin
	printf 'hello' >export/root/bin/hello
	ln -sf hello export/root/bin/link
	chmod 755 export/root/bin/hello export/root/bin
	hello=$(printf 'hello' | sha256sum | cut -d ' ' -f 1)
	list=$(printf 'd 755 bin\nf 755 5 %s bin/hello\nl bin/link hello\n' "$hello" | sha256sum | cut -d ' ' -f 1)
	mkdir -p "export/trees/$list"
	mv export/root "export/trees/$list/root"
	: >"export/trees/$list/owners"
	printf '{"name":"%s","layers":[{"tree":"sha256:%s","bytes":5,"entries":3}],"env":{"A":"1"},"toolchains":[]}\n' \
		"$1" "$list" >export/image.json
	tree=$list
}

pack() { tar -C export --sort=name --owner=0 --group=0 -cf "$1" image.json trees; }

# empty_store: no tree, no name, no blob, nothing staged.
empty_store() {
	local left
	left=$(find "$STEPCELL_HOME/store" -mindepth 2 ! -path '*/blobs/sha256')
	[ -z "$left" ] || { printf 'in the store:\n%s\n' "$left"; return 1; }
}

@test "an exported image that takes the host's name, or whose variables are none, is refused" {
	for wrong in 's/"name":"small"/"name":"host"/' 's/"A":"1"/"A":["1"]/' 's/"A":"1"/"A=B":"1"/' \
		's|"toolchains":..|"toolchains":[{"version":"3\\u001b[2J","path":"/x","layers":0}]|'; do
		rm -rf export
		make_export small
		sed -i "$wrong" export/image.json
		pack wrong.tar
		image import wrong.tar
		exits 2
		says "image manifest"
		says_not $'\e'
	done
	empty_store
}

@test "an exported image that says it is a registry's is none" {
	local at=registry.example.com/ci/tool pin
	pin=sha256:$(printf 'a%.0s' {1..64})
	make_export registry.example.com-ci-tool-1
	sed -i "s|^{|{\"origin\":\"$at:1@$pin\",|" export/image.json
	pack claims.tar
	image import claims.tar
	exits 0
	for ref in registry.example.com-ci-tool-1 "$output"; do
		image show "$ref"
		exits 0
	done
	for ref in "$at:1" "$at:1@$pin"; do
		image show "$ref"
		exits 4
		says "stepcell image pull $ref"
	done
}

@test "an exported image that says another size than it has is refused: budgets go by it" {
	for wrong in 's/"bytes":5/"bytes":9000000000000000/' 's/"entries":3/"entries":4/'; do
		rm -rf export
		make_export small
		sed -i "$wrong" export/image.json
		pack wrong.tar
		image import wrong.tar
		exits 2
		says "its manifest says" "and its trees have 5 in 3"
	done
	empty_store
}

@test "an import takes no plain name by which the latest of a reference is known, unless told to" {
	make_export small
	pack image.tar
	image import --name small:latest image.tar
	exits 0
	sed -i 's/"A":"1"/"A":"2"/' export/image.json
	pack other.tar
	image import other.tar
	exits 2
	says "'small' is another image here (small:latest, sha256:" --replace
	image show --json small
	says '"A": "1"'
	image import --name other other.tar
	exits 0
	image import --replace other.tar
	exits 0
	image show --json small
	says '"A": "2"'
}

@test "the Pythons of an exported image are for other roots where the operator says so" {
	make_export small
	sed -i 's|"toolchains":..|"toolchains":[{"version":"3.99.0","path":"/opt/hostedtoolcache/Python/3.99.0/x64","layers":1}]|' \
		export/image.json
	pack image.tar
	image import image.tar
	exits 0
	image resolve --architecture x64 3.99
	exits 4
	says "no toolchain for Python 3.99"
	image import --toolchains image.tar
	exits 0
	image resolve --architecture x64 3.99
	exits 0
	says "3.99.0  small"
	mkdir -p root/usr
	tar -C root -cf root.tar usr
	image import --toolchains --name other root.tar
	exits 2
	says "--toolchains is for exported images"
}

@test "an image made by hand is imported, listed, shown and exported again" {
	make_export small
	pack image.tar
	image import image.tar
	exits 0
	digest=$output
	[ "$digest" = "sha256:$(sha256sum <export/image.json | cut -d ' ' -f 1)" ]
	image list
	says small
	image show --json "$digest"
	says '"name": "small"' '"A": "1"' "trees/$tree/root"
	[ "$(cat "$STEPCELL_HOME/store/trees/$tree/root/bin/link")" = hello ]

	"$STEPCELL" image export small >again.tar.zst
	STEPCELL_HOME=$BATS_TEST_TMPDIR/other run "$STEPCELL" image import <again.tar.zst
	exits 0
	[ "$output" = "$digest" ]
	diff -r -x stamps "$STEPCELL_HOME/store/trees/$tree" "other/store/trees/$tree"
}

@test "names of any bytes come back from an export, and tar(1) finds the others plain" {
	mkdir -p root/etc
	echo a >root/etc/plain
	echo b >root/etc/$'gr\303\274n'
	echo c >root/etc/$'\377\376'
	tar --format=gnu -C root -cf names.tar .
	image import names.tar
	exits 0
	digest=$output
	"$STEPCELL" image export names >again.tar.zst
	STEPCELL_HOME=$BATS_TEST_TMPDIR/other run "$STEPCELL" image import <again.tar.zst
	exits 0
	[ "$output" = "$digest" ]
	diff -r root "$(echo other/store/trees/*/root)"
	# a header of its own has what needs it: the two names
	LC_ALL=C tar --zstd -tvf again.tar.zst >listed 2>said
	grep -q ' trees/.*/root/etc/plain$' listed
	[ "$(wc -l <said)" -le 2 ] || { cat said; false; }
}

# attribute FILE NAME [VALUE]: set it, or print it
attribute() {
	python3 -c 'import os, sys
if len(sys.argv) > 3: os.setxattr(sys.argv[1], sys.argv[2], sys.argv[3].encode())
else: print(os.getxattr(sys.argv[1], sys.argv[2]).decode())' "$@"
}

@test "extended attributes of the user's are kept, carried to another store, and verified" {
	mkdir -p root/etc
	echo x >root/etc/word
	attribute root/etc/word user.a "1 2" 2>/dev/null || cannot "the file system of the tests keeps no attributes"
	attribute root/etc user.b 3
	tar --xattrs --format=posix -C root -cf kept.tar .
	image import kept.tar
	exits 0
	digest=$output
	word=$(echo "$STEPCELL_HOME"/store/trees/*/root/etc/word)
	[ "$(attribute "$word" user.a)" = "1 2" ]
	list=$(cat "$STEPCELL_HOME"/store/trees/*/manifest)
	grep -q '^d 755 etc user.b=3$' <<<"$list"
	grep -q '^f 644 2 [0-9a-f]* etc/word user.a=1\\0402$' <<<"$list"
	"$STEPCELL" image export kept >again.tar.zst
	STEPCELL_HOME=$BATS_TEST_TMPDIR/other run "$STEPCELL" image import <again.tar.zst
	exits 0
	[ "$output" = "$digest" ]
	[ "$(attribute other/store/trees/*/root/etc user.b)" = 3 ]
	image verify kept
	exits 0
	attribute "$word" user.a other
	image verify kept
	exits 1
	says "changed etc/word"
}

@test "an import takes no name that means another image, unless told to" {
	make_export small
	pack image.tar
	image import image.tar
	exits 0
	image import image.tar
	exits 0
	sed -i 's/"A":"1"/"A":"2"/' export/image.json
	pack other.tar
	image import other.tar
	exits 2
	says "another image" --replace
	image show --json small
	says '"A": "1"'
	image import --replace other.tar
	exits 0
	image show --json small
	says '"A": "2"'
}

@test "an import whose files are not what it says is refused, and leaves nothing" {
	make_export small
	printf 'hullo' >"export/trees/$tree/root/bin/hello"
	pack image.tar
	image import image.tar
	exits 2
	says "is damaged"
	empty_store
}

@test "an import that was cut off leaves nothing" {
	make_export small
	head -c 300000 /dev/zero >"export/trees/$tree/root/big"
	pack image.tar
	head -c 200000 image.tar >cut.tar
	image import cut.tar
	exits 2
	empty_store
}

@test "an import that names a layer it does not hold is refused" {
	make_export small
	sed -i 's/sha256:[0-9a-f]*/sha256:0000000000000000000000000000000000000000000000000000000000000000/' export/image.json
	pack image.tar
	image import image.tar
	[ "$status" != 0 ]
	empty_store
}

@test "an import with paths that lead out is refused, and changes nothing outside" {
	make_export ../../small
	pack image.tar
	image import image.tar
	exits 2
	says "cannot be an image's name"
	empty_store
	echo canary >canary
	tar -P --transform 's|^canary|../../../canary|' -cf image.tar canary
	image import image.tar
	exits 2
	says "'..'"
	[ "$(cat canary)" = canary ]
	empty_store
}

@test "something that is no image is no import" {
	image import /dev/null
	[ "$status" != 0 ]
	head -c 5000 /dev/urandom >noise
	image import noise
	exits 2
	image import nowhere
	exits 2
	empty_store
}

staged() { [ -n "$(find "$STEPCELL_HOME/store/staging" -mindepth 1 2>/dev/null)" ]; }
swept() { "$STEPCELL" image list && ! staged; }

@test "killed in the middle of an import: the next start sweeps what it left" {
	make_export small
	pack image.tar
	mkfifo pipe
	"$STEPCELL" image import pipe >/dev/null 2>&1 3>&- &
	importer=$!
	exec 4>pipe
	head -c 2000 image.tar >&4
	within 10 staged
	kill -KILL "$importer"
	wait "$importer" || true
	exec 4>&-
	# its worker dies with it, at once but not before kill returns
	within 5 swept
	empty_store
}

@test "a full disk: a clear error, and nothing half-published" {
	[ "$(id -u)" = 0 ] || cannot "mounting a small file system takes root"
	make_export small
	head -c 8000000 /dev/urandom >"export/trees/$tree/root/big"
	pack image.tar
	mkdir -p "$STEPCELL_HOME"
	cat >on-a-small-disk <<-'END'
		mount -t tmpfs -o size=4m none "$STEPCELL_HOME" || exit
		"$STEPCELL" image import image.tar 2>said
		echo $? >code
		find "$STEPCELL_HOME/store" -mindepth 2 ! -path "*/blobs/sha256" >left
	END
	unshare --mount sh on-a-small-disk
	[ "$(cat code)" = 4 ]
	grep -q "No space left on device" said
	[ ! -s left ]
}

@test "the host's image: nothing to build, and nothing of the host but what is meant" {
	image show host
	exits 0
	root=$(sed -n 's/^layer    \/  //p' <<<"$output")
	grep -q '^runner:x:1001:1001:' "$root/etc/passwd"
	[ ! -e "$root/etc/shadow" ]
	[ ! -e "$root/etc/hostname" ]
	[ "$(cat "$root/etc/resolv.conf")" = "" ]
	[ "$(find "$root" -newer /etc -type p -o -type s -o -type b -o -type c)" = "" ]
}

@test "what is missing is named, with the command that builds it" {
	image show python-3.10
	exits 4
	says "stepcell image build python-3.10"
	image resolve 3.10
	exits 4
	says "no toolchain for Python 3.10" "stepcell image build python-3.10"
	image resolve three
	exits 2
	image build nothing
	exits 2
	says "there is no recipe 'nothing'"
}

@test "a recipe with mistakes: its place, and nothing is started" {
	cat >wrong.yml <<-END
		kind: debian
		suite: bookworm
		packages: [git]
		pakages: [make]
	END
	image build ./wrong.yml
	exits 2
	says "wrong.yml:4:1" "pakages"
	printf 'kind: debian\nsuite: bookworm\npackages: ["git --option"]\n' >wrong.yml
	image build ./wrong.yml
	exits 2
	says "cannot be a package"
}
