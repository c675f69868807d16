#!/usr/bin/env bats
# Recipes on top of another image: files, commands in a cell, and what they may not do. The base is a small
# root of this host's own programs, imported.
# shellcheck disable=SC2154,SC2016 # run sets stderr; the recipes' commands expand their variables

bats_require_minimum_version 1.5.0
load helper

# root_make: a tar of a shell, tar and a few programs, with the libraries that they need.
root_make() {
	local root=$BATS_FILE_TMPDIR/root program library
	mkdir -p "$root"/{etc,proc,dev,sys,tmp,run,usr/bin,usr/lib64,home/runner}
	ln -s usr/bin "$root/bin"
	ln -s usr/lib64 "$root/lib64"
	ln -s usr/lib "$root/lib"
	for program in sh tar cat mkdir rm ls sleep; do
		cp -L "$(command -v "$program")" "$root/usr/bin/"
		ldd "$(command -v "$program")" | grep -o '/[^ ]*' | while read -r library; do
			mkdir -p "$root/usr/$(dirname "${library#/usr}")"
			cp -L "$library" "$root/usr/${library#/usr}"
		done
	done
	mkdir -p "$root/var/lib/dpkg"
	printf 'Package: tiny\nStatus: install ok installed\nVersion: 1:2.0+b1\nArchitecture: amd64\n\n' >"$root/var/lib/dpkg/status"
	echo going >"$root/etc/going"
	tar -C "$root" --owner=0 --group=0 -cf "$BATS_FILE_TMPDIR/root.tar" .
}

setup_file() { root_make; }

base() { "$STEPCELL" image import --quiet --name small "$BATS_FILE_TMPDIR/root.tar"; }

@test "files and commands on top of an image: added, changed, removed; the same bytes again" {
	base
	printf '#!/bin/sh\necho hello from a file\n' >hello.sh
	cat >mine.yml <<-'END'
		kind: layer
		base: small
		files:
		  - { from: hello.sh, to: /usr/local/bin/hello, executable: true }
		  - { from: hello.sh, to: /etc/hello.txt }
		commands:
		  - /usr/local/bin/hello >/etc/said
		  - rm /etc/going
		  - mkdir -p /opt/deep && echo $GREETING >/opt/deep/file
		env: { GREETING: good day }
	END
	build ./mine.yml
	exits 0
	digest=$output
	inside mine sh -c 'cat /etc/said /opt/deep/file; ls /etc; echo $GREETING'
	exits 0
	says "hello from a file" "good day" hello.txt
	says_not going
	inside small cat /etc/going
	says going
	build ./mine.yml
	says "is there already"
	build ./mine.yml --force
	[ "$output" = "$digest" ]
	echo '# other' >>hello.sh
	build ./mine.yml
	exits 0
	[ "$output" != "$digest" ]
	[ -z "$(ls "$STEPCELL_HOME/store/staging")" ]
}

@test "commands see nothing of the host, and have no network unless both ask and grant" {
	base
	mkdir secret
	echo canary >secret/file
	cat >mine.yml <<-END
		kind: layer
		base: small
		commands:
		  - ls $PWD/secret 2>/etc/refused && exit 9 || true
		  - cat /proc/net/dev >/etc/net || true
	END
	build ./mine.yml
	exits 0
	inside mine cat /etc/refused /etc/net
	says_not canary
	says_not eth
	echo 'network: full' >>mine.yml
	build ./mine.yml
	exits 3
	says "--allow-network"
	build ./mine.yml --allow-network
	exits 0
}

@test "a command that fails: no image, and its last words" {
	base
	printf 'kind: layer\nbase: small\ncommands: ["echo a reason; exit 3"]\n' >mine.yml
	build ./mine.yml
	exits 4
	says "its commands ended as failed" "a reason"
	run "$STEPCELL" image show mine
	[ "$status" = 4 ]
	[ -z "$(ls "$STEPCELL_HOME/store/staging")" ]
	printf 'kind: layer\nbase: small\nfiles: [{from: nowhere, to: /etc/x}]\n' >mine.yml
	build ./mine.yml
	exits 4
	says nowhere
}

@test "an ordinary user builds the same image as root" {
	[ "$(id -u)" = 0 ] || cannot "it takes root to build as root and as another user"
	base
	printf 'kind: layer\nbase: small\ncommands: ["mkdir -p /opt/x; echo y >/opt/x/y; rm /etc/going"]\n' >mine.yml
	build ./mine.yml
	exits 0
	digest=$output
	user_open
	cp mine.yml "$BATS_FILE_TMPDIR/root.tar" "$user_home/"
	chown "$user:" "$user_home"/mine.yml "$user_home/root.tar"
	as_user stepcell image import --quiet --name small root.tar
	run --separate-stderr as_user stepcell image build ./mine.yml
	exits 0
	[ "$output" = "$digest" ]
}

teardown() { user_close; }

@test "packages that cannot be: a name that is none, and a base that is no Debian" {
	base
	printf 'kind: layer\nbase: small\npackages: ["-o=x"]\n' >never.yml
	build ./never.yml
	exits 2
	says "'-o=x' cannot be a package"
	printf 'kind: layer\nbase: small\npackages: [hello]\n' >never.yml
	build ./never.yml
	exits 2
	says "packages go on top of a Debian with its dpkg, which 'small' is not"
}

@test "an image's packages as SPDX" {
	base
	run --separate-stderr "$STEPCELL" image sbom small
	exits 0
	python3 - "$output" <<-'END'
		import json, sys
		doc = json.loads(sys.argv[1])
		assert doc["spdxVersion"] == "SPDX-2.3" and doc["dataLicense"] == "CC0-1.0", doc
		assert doc["SPDXID"] == "SPDXRef-DOCUMENT" and doc["documentNamespace"].startswith("urn:"), doc
		image, tiny = doc["packages"]
		assert image["checksums"][0]["algorithm"] == "SHA256", image
		assert tiny["name"] == "tiny" and tiny["versionInfo"] == "1:2.0+b1", tiny
		assert tiny["externalRefs"][0]["referenceLocator"] == "pkg:deb/debian/tiny@1%3A2.0%2Bb1", tiny
		ids = {p["SPDXID"] for p in doc["packages"]} | {"SPDXRef-DOCUMENT"}
		assert len(ids) == 3 and all(r[k] in ids for r in doc["relationships"] for k in ("spdxElementId", "relatedSpdxElement"))
		for package in doc["packages"]:
		    for key in ("downloadLocation", "licenseConcluded", "licenseDeclared", "copyrightText", "filesAnalyzed"):
		        assert key in package, key
	END
}
