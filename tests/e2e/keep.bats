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

# pack NAME FILE [WORD]: an exported image FILE, whose one tree ($tree) starts, and holds WORD and some packages.
pack() {
	local root=export/root
	rm -rf export
	mkdir -p "$root"/{bin,etc,home/runner,proc,dev,tmp,var/lib/dpkg,usr/lib/python3/dist-packages/py_one-1.2.dist-info}
	cp "$BATS_FILE_TMPDIR/true" "$root/bin/true"
	echo "${3-nothing}" >"$root/etc/word"
	ln -s true "$root/bin/link"
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
	mkdir -p "export/trees/$tree"
	mv export/root "export/trees/$tree/root"
	: >"export/trees/$tree/owners"
	printf '{"name":"%s","layers":[{"tree":"sha256:%s","bytes":5,"entries":3}],"env":{"A":"1"},"toolchains":[]}\n' \
		"$1" "$tree" >export/image.json
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
