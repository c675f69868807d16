#!/usr/bin/env bats
# Recipes of Debian's packages on top of another image of Debian's: fetched from an archive, installed in a cell.
# shellcheck disable=SC2154,SC2016 # run sets stderr; the recipes' commands expand their variables

bats_require_minimum_version 1.5.0
load ../helper

teardown() { user_close; }

# debian: a base of Debian's packages, made once for this file; skips where no archive can be reached.
debian() {
	export STEPCELL_HOME=$BATS_FILE_TMPDIR/debian
	if [ ! -e "$BATS_FILE_TMPDIR/base.yml" ]; then
		printf 'kind: debian\nsuite: bookworm\npackages: [tar]\nwithout: ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*"]\n' >"$BATS_FILE_TMPDIR/base.yml"
		timeout 900 "$STEPCELL" image build "$BATS_FILE_TMPDIR/base.yml" >"$BATS_FILE_TMPDIR/base.log" 2>&1 </dev/null || true
	fi
	"$STEPCELL" image show base >/dev/null 2>&1 || cannot "no base of Debian's packages could be built: $(tail -n 1 "$BATS_FILE_TMPDIR/base.log")"
}

# packages IMAGE: what it has of Debian, a line each.
packages() { "$STEPCELL" image sbom "$1" | python3 -c '
import json, sys
for p in json.load(sys.stdin)["packages"]:
    for ref in p.get("externalRefs", []):
        if ref["referenceLocator"].startswith("pkg:deb/"):
            print(p["name"], p["versionInfo"])' | sort; }

@test "packages on top of an image: with what they need, known to dpkg and to the SBOM, the same bytes again" {
	debian
	cat >more.yml <<-'END'
		kind: layer
		base: base
		packages: [jq, hello, cron-daemon-common] # whose script adds a group
		commands:
		  - hello >/etc/said
		  - echo '{"a":[1,2]}' | jq -c .a >>/etc/said
	END
	build ./more.yml
	exits 0
	says "3 packages, 0 files and 2 commands on top of base"
	digest=$output
	inside more sh -c 'cat /etc/said; cut -d : -f 1 /etc/group; dpkg --audit; dpkg-query -W -f "\${db:Status-Abbrev}\${Package}\n" jq hello libjq1; for left in /debs /apt /var/log/dpkg.log; do [ ! -e $left ] || echo "left $left"; done'
	says "Hello, world!" "[1,2]" "ii jq" "ii hello" "ii libjq1" crontab
	says_not left
	[ "$(comm -13 <(packages base) <(packages more) | cut -d ' ' -f 1 | paste -sd ' ')" = "cron-daemon-common hello jq libjq1 libonig5" ]
	[ -z "$(comm -23 <(packages base) <(packages more))" ]
	build ./more.yml
	says "is there already"
	build ./more.yml --force
	exits 0
	[ "$output" = "$digest" ]
	[ -z "$(ls "$STEPCELL_HOME/store/staging")" ]
}

@test "an ordinary user puts the same packages on top as root" {
	[ "$(id -u)" = 0 ] || cannot "it takes root to build as root and as another user"
	debian
	printf 'kind: layer\nbase: base\npackages: [hello]\n' >more.yml
	build ./more.yml
	exits 0
	digest=$output
	user_open
	"$STEPCELL" image export -o "$user_home/base.tar.zst" base
	cp more.yml "$user_home/"
	chown "$user:" "$user_home/more.yml" "$user_home/base.tar.zst"
	export USER_TIMEOUT=600
	as_user stepcell image import --quiet base.tar.zst
	run --separate-stderr as_user stepcell image build ./more.yml
	exits 0
	[ "$output" = "$digest" ]
}

@test "packages that cannot be: one that no archive has, an archive that nobody signed" {
	debian
	printf 'kind: layer\nbase: base\npackages: [no-such-package-anywhere]\n' >never.yml
	build ./never.yml
	exits 4
	says "fetching its packages ended as failed" "Unable to locate package no-such-package-anywhere"
	run "$STEPCELL" image show never
	[ "$status" = 4 ]
	# a mirror whose index has another's signature, or none
	mkdir -p www/dists/bookworm
	printf 'Origin: Debian\nSuite: bookworm\nCodename: bookworm\n' >www/dists/bookworm/Release
	(cd www && exec python3 -m http.server --bind 127.0.0.1 0) >port 2>/dev/null 3>&- &
	server=$!
	within 20 grep -q 'port [0-9]' port || { kill $server; false; }
	printf 'kind: layer\nbase: base\npackages: [hello]\nmirror: http://127.0.0.1:%s\n' "$(grep -o 'port [0-9]*' port | cut -d ' ' -f 2)" >never.yml
	build ./never.yml
	kill $server
	exits 4
	says "is not signed"
}
