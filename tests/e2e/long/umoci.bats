#!/usr/bin/env bats
# The same image unpacked by stepcell and by umoci: the trees differ in what trees.py says, and in nothing else.
# shellcheck disable=SC2154 # run sets stderr

bats_require_minimum_version 1.5.0
load ../helper

here=${BATS_TEST_FILENAME%/*}

# both: the layout image.oci into stepcell.tree and umoci.tree.
both() {
	"$STEPCELL" image import --quiet --name same image.oci
	ln -s "$("$STEPCELL" image show --json same | sed -n 's|^ *"\(/.*/root\)"$|\1|p')" stepcell.tree
	umoci unpack --image image.oci:latest bundle >/dev/null
	ln -s bundle/rootfs umoci.tree
}

setup_file() {
	[ "$(id -u)" = 0 ] || cannot "umoci as an ordinary user keeps no owners and no devices to compare with"
	command -v umoci >/dev/null || cannot "umoci is not installed"
}

@test "a made image of three layers with everything that layers can do" {
	python3 "$here/trees.py" make image.oci
	both
	run --separate-stderr python3 "$here/trees.py" compare stepcell.tree umoci.tree
	exits 0
	# the differences that are meant are there to be seen
	says "set-id bits: 4" "devices: 3"
}

@test "a real system's programs, libraries and settings" {
	tar -C / --one-file-system --exclude=*.pyc -cf system.tar bin lib sbin etc usr/bin usr/sbin usr/lib/python3 usr/share/perl5
	umoci init --layout image.oci
	umoci new --image image.oci:latest
	umoci raw add-layer --image image.oci:latest system.tar
	both
	run --separate-stderr python3 "$here/trees.py" compare stepcell.tree umoci.tree
	exits 0
}
