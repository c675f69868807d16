#!/usr/bin/env bats
# Keeping images: what is known of them, whether they are what they were, what may go, and many at once.
# shellcheck disable=SC2154 # run sets stderr

bats_require_minimum_version 1.5.0
load helper

setup_file() {
	printf 'int main(void) { return 0; }\n' >"$BATS_FILE_TMPDIR/true.c"
	gcc -static -O1 -o "$BATS_FILE_TMPDIR/true" "$BATS_FILE_TMPDIR/true.c"
}

# image ARGUMENT...: $status, $output and $stderr are set.
image() { run --separate-stderr timeout 60 "$STEPCELL" image "$@" </dev/null; }

# pack NAME FILE [WORD]: an exported image FILE, whose one tree ($tree, of $bytes bytes) starts, and holds WORD and some packages.
pack() {
	local root=export/root
	rm -rf export
	mkdir -p "$root"/{bin,etc,home/runner,proc,dev,tmp,var/lib/dpkg,usr/lib/python3/dist-packages/py_one-1.2.dist-info}
	cp "$BATS_FILE_TMPDIR/true" "$root/bin/true"
	echo "${3-nothing}" >"$root/etc/word"
	ln -s true "$root/bin/link"
	ln -s true "$root/bin/sh" # a step of it passes, whatever it is
	: >"$root/usr/lib/python3/dist-packages/two-2.0-py3.11.egg-info"
	printf 'Package: %s\nStatus: %s\nVersion: %s\n\n' bash 'install ok installed' 5.2-1 gone 'deinstall ok config-files' 1 \
		>"$root/var/lib/dpkg/status"
	(cd "$root" && find . -mindepth 1 | LC_ALL=C sort -t / | while read -r path; do
		path=${path#./}
		if [ -L "$path" ]; then
			echo "l $path $(readlink "$path")"
		elif [ -d "$path" ]; then
			echo "d $(stat -c %a "$path") $path"
		else
			echo "f $(stat -c '%a %s' "$path") $(sha256sum <"$path" | cut -d ' ' -f 1) $path"
		fi
	done) >list
	tree=$(sha256sum <list | cut -d ' ' -f 1)
	bytes=$(awk '$1 == "f" { bytes += $3 } END { print bytes }' list)
	mkdir -p "export/trees/$tree"
	mv export/root "export/trees/$tree/root"
	: >"export/trees/$tree/owners"
	printf '{"name":"%s","layers":[{"tree":"sha256:%s","bytes":%d,"entries":%d}],"env":{"A":"1"},"toolchains":[]}\n' \
		"$1" "$tree" "$bytes" "$(wc -l <list)" >export/image.json
	tar -C export --sort=name --owner=0 --group=0 -cf "$2" image.json trees
}

# start IMAGE: a command in a cell of it.
start_on() { run --separate-stderr timeout 60 "$STEPCELL" exec --image "$1" -- /bin/true </dev/null; }

store_of() { echo "$STEPCELL_HOME/store"; }

@test "show: layers, packages, where it comes from, and when it was used" {
	pack small image.tar
	image import image.tar
	exits 0
	image show small
	exits 0
	says "used     never" "origin   import $PWD/image.tar" "package  debian bash 5.2-1" \
		"package  python py_one 1.2" "package  python two 2.0"
	says_not gone
	start_on small
	exits 0
	image show --json small
	says '"name": "py_one"' "\"tree\": \"sha256:$tree\""
	says_not '"used": null'
	image list
	says_not never
}

@test "a file changed behind the store's back: found at the start, named, set aside, and healed by an import" {
	pack small image.tar
	image import image.tar
	start_on small
	exits 0
	printf 'x' | dd of="$(store_of)/trees/$tree/root/etc/word" conv=notrunc status=none
	start_on small
	exits 125
	says "its files were changed in the store: changed etc/word" "set aside as $(store_of)/quarantine/$tree.0" \
		"\`stepcell image import $PWD/image.tar\` brings it back"
	[ "$(cat "$(store_of)/quarantine/$tree.0/root/etc/word")" = xothing ]
	workflow <<-END
		on: push
		jobs:
		$(job a true)
	END
	run --separate-stderr "$STEPCELL" run -C "$project" --image small </dev/null
	exits 4
	says "was found changed, and is set aside" "brings it back"
	image list
	exits 0
	says "cannot be used"
	image import image.tar
	exits 0
	start_on small
	exits 0
}

@test "verify names what was changed, what is missing, what is new, and what no tree may have" {
	pack small image.tar
	image import image.tar
	image verify small
	exits 0
	says whole
	root=$(store_of)/trees/$tree/root
	chmod 700 "$root/etc"
	rm "$root/bin/link"
	echo x >"$root/new file"
	mkfifo "$root/etc/pipe"
	image verify small
	exits 1
	says "changed etc" "missing bin/link" 'new new\040file' "new etc/pipe" "set aside as"
	image verify --all
	exits 1
	says "is set aside"
	image verify --all --json
	exits 1
	says '"problem": "image'
	image import image.tar
	image verify --all
	exits 0
	image verify
	exits 2
}

@test "an import heals a tree that was changed and has not been looked at since" {
	pack small image.tar
	image import image.tar
	echo x >>"$(store_of)/trees/$tree/root/etc/word"
	image import image.tar
	exits 0
	image verify small
	exits 0
	[ -d "$(store_of)/quarantine/$tree.0" ]
}

@test "a tree under another's name, or with another's files or list, is refused" {
	pack one one.tar one
	one=$tree
	image import one.tar
	pack two two.tar two
	two=$tree
	image import two.tar
	cp -a "$(store_of)" saved
	for what in '' /root /manifest /stamps; do
		rm -rf "$(store_of)" && cp -a saved "$(store_of)"
		mv "$(store_of)/trees/$one$what" kept
		mv "$(store_of)/trees/$two$what" "$(store_of)/trees/$one$what"
		mv kept "$(store_of)/trees/$two$what"
		for image in one two; do
			start_on $image
			if [ "$what" = /stamps ]; then # their files are right: read, and stamped anew
				exits 0
			else
				exits 125
				says "were changed in the store"
			fi
		done
	done
}

@test "a store that was copied elsewhere is read once, and believed from then on" {
	pack small image.tar
	image import image.tar
	cp -a "$STEPCELL_HOME" copy
	export STEPCELL_HOME=$PWD/copy
	before=$(cat "$(store_of)/trees/$tree/stamps")
	start_on small
	exits 0
	[ "$(cat "$(store_of)/trees/$tree/stamps")" != "$before" ]
	before=$(stat -c %Y.%i "$(store_of)/trees/$tree/stamps")
	start_on small
	exits 0
	[ "$(stat -c %Y.%i "$(store_of)/trees/$tree/stamps")" = "$before" ]
}

# aged IMAGE DAYS: it was made, named and used so many days ago.
aged() {
	local digest
	digest=$("$STEPCELL" image show --json "$1" | sed -n 's/^  "digest": "sha256:\(.*\)",/\1/p')
	touch -d "$2 days ago" "$(store_of)/blobs/sha256/$digest" "$(store_of)/images/$1"
	[ ! -e "$(store_of)/used/$digest" ] || touch -d "$2 days ago" "$(store_of)/used/$digest"
}

# holds IMAGE...: these are in the store, whole, and no others; no tree lies there that none of them has.
holds() {
	image verify --all
	exits 0
	[ "$("$STEPCELL" image list | cut -d ' ' -f 1 | xargs)" = "$*" ] || { "$STEPCELL" image list; return 1; }
	[ "$(find "$(store_of)"/{trees,blobs/sha256} -mindepth 1 -maxdepth 1 | wc -l)" = $(($# * 2)) ] ||
		{ find "$(store_of)" -maxdepth 3; return 1; }
}

@test "prune: what no name means, what was not used for some time, and what a budget has no room for" {
	for name in one two three; do
		pack $name $name.tar $name
		image import $name.tar
	done
	aged one 40
	aged two 20
	start_on one # used now
	exits 0
	image prune --unused-for 10d --dry-run
	exits 0
	says "image  two  not used since" "tree " "would free"
	says_not "image  one"
	holds one three two
	image prune --unused-for 10d --json
	exits 0
	says '"name": "two"' '"kind": "tree"'
	holds one three

	pack three other.tar other # another image of the name: nothing means the old one
	image import --replace other.tar
	image prune
	exits 0
	says "no name means it"
	holds one three

	aged one 3
	image prune --keep "$bytes"
	exits 0
	says "image  one  to keep within the budget"
	holds three
	image prune --keep 1TiB
	holds three
	image prune --keep 0
	holds
	image import one.tar # a turn remembers an image that is gone: it is made anew
	holds one
	image prune --keep much
	exits 2
	image prune --unused-for long
	exits 2
}

@test "prune: what is in use stays, whole; what is set aside goes when it is asked for" {
	pack one one.tar one
	image import one.tar
	digest=$output
	aged one 40
	flock -s "$(store_of)/blobs/sha256/${digest#sha256:}" sleep 30 &
	holder=$!
	within 5 sh -c "! flock -n -x $(store_of)/blobs/sha256/${digest#sha256:} true"
	image prune --keep 0 --unused-for 1d
	exits 0
	says "1 in use"
	holds one
	kill "$holder"
	wait "$holder" || true
	echo x >"$(store_of)/trees/$tree/root/etc/word"
	image verify one
	exits 1
	image prune
	[ -d "$(store_of)/quarantine/$tree.0" ]
	image prune --quarantine
	exits 0
	says "aside "
	[ ! -e "$(store_of)/quarantine/$tree.0" ]
}

@test "prune collects what a crash may have left, and what belongs to no image" {
	pack one one.tar one
	image import one.tar
	mkdir -p "$(store_of)/trees/$(printf '%064d' 7)/root/bin"
	echo x >"$(store_of)/blobs/sha256/$(printf '%064d' 7)"
	echo x >"$(store_of)/blobs/sha256/left.tmp"
	: >"$(store_of)/turns/$(printf '%064d' 7)"
	: >"$(store_of)/used/$(printf '%064d' 7)"
	echo '{"manifest":"sha256:'"$(printf '%064d' 8)"'"}' >"$(store_of)/images/lost"
	image list
	exits 0
	says lost "cannot be used"
	image prune
	exits 0
	says "name   lost" "tree   $(printf '%064d' 7)"
	holds one
	[ -z "$(ls "$(store_of)/used")" ]
	[ "$(find "$(store_of)/turns" -type f | wc -l)" = 1 ]
}

@test "runs start, imports come and prunes go at once: a run has all of its image, or is told that there is none" {
	pack one one.tar one
	image import one.tar
	loop() { # its own word is in the file said.WHICH
		local which=$1 until=$((SECONDS + 4))
		while [ $SECONDS -lt $until ]; do
			"${@:2}" 2>"said.$which" || { echo "$* $?"; cat "said.$which"; return 1; }
		done
	}
	starting() { "$STEPCELL" exec --image one -- /bin/true || grep -qE "there is no image 'one'" "$1"; }
	pids=()
	loop 1 starting said.1 >>loops 3>&- &
	pids+=($!)
	loop 2 starting said.2 >>loops 3>&- &
	pids+=($!)
	loop 3 "$STEPCELL" image prune --keep 0 >>loops 3>&- &
	pids+=($!)
	for which in 4 5; do
		loop $which "$STEPCELL" image import one.tar >>loops 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid" || { cat loops; false; }; done
	image import one.tar
	image prune
	holds one
}

@test "images.lock: another image of the name, one that is not in it, and the host's are refused" {
	pack small one.tar one
	image import one.tar
	workflow <<-END
		on: push
		jobs:
		$(job a true)
	END
	image lock small
	exits 0
	printf '%s\n' "$output" >"$project/images.lock"
	grep -q "^    digest: sha256:[0-9a-f]\{64\}\$" "$project/images.lock"
	locked_run() { run --separate-stderr "$STEPCELL" run -C "$project" "$@" </dev/null; }
	locked_run --image small
	exits 0

	pack small two.tar two
	image import --replace two.tar
	locked_run --image small
	exits 2
	says "images.lock: 'small' must be sha256:" "the store has sha256:"
	"$STEPCELL" image lock >other.lock
	locked_run --image small --images-lock other.lock
	exits 0
	locked_run --image host
	exits 2
	says "images.lock: 'host' is not in it"

	echo 'images: { small: { digest: short } }' >"$project/images.lock"
	locked_run --image small
	exits 2
	says "images.lock:1:28: expected \"sha256:\" and 64 digits"
	image lock other
	exits 4
	says "there is no image 'other'"
}

@test "rm: what is asked for goes, by any of its names, and nothing else" {
	pack small one.tar one
	pack other two.tar two
	pack third three.tar three
	"$STEPCELL" image import -q one.tar >/dev/null
	"$STEPCELL" image import -q --name team/small:1 two.tar >/dev/null
	digest=$("$STEPCELL" image import -q three.tar)
	image rm team/small:2
	exits 4
	says "there is no image 'team/small:2'"
	image rm host
	exits 2
	image rm team/small:1 "$digest"
	exits 0
	says "team/small:1  asked for" "third  asked for"
	[ "$(ls "$(store_of)/images")" = small ]
	[ "$(find "$(store_of)/trees" -mindepth 1 -maxdepth 1 | wc -l)" = 1 ]
	rm -rf "$(store_of)"/trees/*
	image rm small
	exits 0
	[ -z "$(find "$(store_of)/images" "$(store_of)/blobs" -type f)" ]
}

@test "the usual image, set aside, is not made up for by another" {
	pack small one.tar one
	image import one.tar
	pack python-3.11 usual.tar usual
	image import usual.tar
	workflow <<-END
		on: push
		jobs:
		$(job a true)
	END
	usual_run() { run --separate-stderr "$STEPCELL" run -C "$project" </dev/null; }
	usual_run
	exits 0
	echo x >>"$(store_of)/trees/$tree/root/etc/word"
	image verify python-3.11
	exits 1
	usual_run
	exits 4
	says "is set aside" "\`stepcell image import "
	image import usual.tar
	usual_run
	exits 0
}
