#!/bin/bash
# images.sh: hostile images and archives (archives.py), taken in by `image import` and run in cells. TAP, a
# line an attack. Their paths aim at a folder of canaries; the control unpacks them as tar does that
# trusts every name.
set -u

# shellcheck source=tests/escape/rig.bash
. "$(dirname "$0")/rig.bash"

export STATIC=${ATTACK_STATIC:-$tmp/static} # compiled elsewhere, where this host has no compiler
canaries=$tmp/canaries
static() {
	[ -n "${ATTACK_STATIC-}" ] ||
		gcc -static -w -std=gnu17 -O1 -D_GNU_SOURCE -o "$STATIC" "$here"/*.c -lseccomp -lpthread 2>/dev/null
}
if ! command -v python3 >/dev/null || ! static; then
	skipped "B1 hostile archives" "needs python3, and gcc with a static C library"
	echo "1..$tests"
	exit $((failed > 0))
fi

# lay DIR: the folder that archives aim at. Anybody may write there: only stepcell keeps from it.
lay() {
	rm -rf "$1"
	mkdir -p "$1/sub"
	echo canary >"$1/canary"
	chmod 777 "$1" "$1/sub"
	chmod 666 "$1/canary"
	look "$1" >"$1.before"
}

# What a canary's reader can see of it, its folder's time too.
look() {
	find "$1" -printf '%P %y %m %n %s %T@ %l\n' | sort
	find "$1" -type f -exec cat {} +
	getfattr -dR "$1" 2>/dev/null
	return 0
}
touched() { ! look "$1" | cmp -s - "$1.before"; }

# archive KIND CANARIES: its path. Without the archive there is no attack, and no row may pass.
archive() {
	local out=$tmp/$1.tar
	[ "$2" = "$canaries" ] || out=$tmp/$1.control.tar
	if [ ! -e "$out" ]; then
		(cd "$tmp" && python3 "$here/archives.py" "$1" "$2" new.tar && chmod 644 new.tar && mv new.tar "$out") ||
			{ echo "the archive $1 cannot be made" >&2; kill $$; exit 1; }
	fi
	echo "$out"
}

# import WHO KIND [HOME]: its exit code is set, what it said is in $tmp/stderr
import() {
	local file
	file=$(archive "$2" "$canaries")
	as "$1" env STEPCELL_HOME="$tmp/$1-${3:-state}" timeout -k 5 $((100 * slow)) "$tmp/bin/stepcell" image import \
		"$file" >"$tmp/said" 2>"$tmp/stderr" </dev/null
}

# fresh WHO: a store for one archive, which is not the one that cells use
fresh() {
	rm -rf "$tmp/$1-fresh"
	mkdir -m 700 "$tmp/$1-fresh"
	[ "$1$(id -u)" != user0 ] || chown $USER_ID:$USER_ID "$tmp/$1-fresh"
}

# taken WHO: what the fresh store of WHO holds, names alone
taken() {
	find "$tmp/$1-fresh/store" -mindepth 2 ! -path '*/blobs/sha256' ! -path '*/turns/*' -printf '%P\n' 2>/dev/null |
		sed 's/[0-9a-f]\{64\}/HASH/' | sort | tr '\n' ' '
}
nothing_else='blobs/sha256/HASH images/hostile trees/HASH trees/HASH/manifest trees/HASH/owners trees/HASH/root trees/HASH/root/bin trees/HASH/root/bin/hello trees/HASH/root/bin/link trees/HASH/stamps '

# judge_canaries NAME SAID CONTROL: and the folder of canaries is what it was
judge_canaries() {
	if touched "$canaries"; then
		fail "$1" "the canaries were touched:" "$(look "$canaries" | diff "$canaries.before" -)"
		lay "$canaries"
	else
		judge "$@"
	fi
}

# ---- archives that lead out ----

# The archive has a whole image in it: only what leads out keeps it from being taken.
leads_out() {
	local kind=$1 who said code open=''
	lay "$tmp/control"
	mkdir -p "$tmp/naive"
	python3 "$here/archives.py" --trust "$(archive "$kind" "$tmp/control")" "$tmp/naive" 2>"$tmp/control.log"
	touched "$tmp/control" && open="open: the canaries changed"
	rm -rf "$tmp/naive" "$tmp/control"
	for who in $(users); do
		fresh "$who"
		import "$who" "$kind" fresh
		code=$?
		case $code:$(taken "$who") in
		2: | 4:) said="held: $(sed -n '$s/.*: //p' "$tmp/stderr")" ;;
		"0:$nothing_else") said="held: the image alone, without it" ;;
		*) said="open: exit code $code, $(taken "$who")" ;;
		esac
		judge_canaries "${kind%%-*} an archive: ${kind#*-}, as $who" "$said" "${open:-nothing}"
	done
}

# ---- archives that are more than they seem ----

# unpacked FILE: the control: how many bytes come of it, up to 200 MB
unpacked() {
	local file=$1
	case $1 in
	*gzip*) gzip -dc "$file" ;;
	*nested*) gzip -dc "$file" | gzip -dc | gzip -dc ;;
	*xz*) xz -dc "$file" ;;
	*zstd*) zstd -qdc "$file" ;;
	*sparse*) tar -xOf "$file" ;;
	# these do not unpack to much: they ask for as much to unpack with
	*dictionary*) xz -lvv "$file" | grep -q 'dict=4' && head -c 200000000 /dev/zero ;;
	*window*) zstd -lv "$file" | grep -q 'Window Size: 2' && head -c 200000000 /dev/zero ;;
	esac 2>/dev/null | head -c 200000000 | wc -c
}

# The exit code of a command, and the most memory that a process of it had, in MiB.
measure='import resource, subprocess, sys
code = subprocess.run(sys.argv[2:], stdout=2, timeout=int(sys.argv[1])).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10)'

bombs() {
	local kind=$1 who said open='' file code memory began
	file=$(archive "$kind" "$canaries")
	[ "$(unpacked "$file")" = 200000000 ] && open="open: 200 MB and more"
	for who in $(users); do
		began=$SECONDS
		fresh "$who"
		read -r code memory <<<"$(as "$who" env STEPCELL_HOME="$tmp/$who-fresh" \
			/usr/bin/python3 -c "$measure" $((100 * slow)) "$tmp/bin/stepcell" image import "$file" 2>"$tmp/stderr" </dev/null)"
		said="held: $(sed -n '$s/.*: //p' "$tmp/stderr"); $memory MiB of memory"
		[ "$code" = 2 ] || said="open: exit code $code"
		[ "${memory:-9999}" -lt 300 ] || said="open: $memory MiB of memory"
		[ $((SECONDS - began)) -lt $((60 * slow)) ] || said="open: $((SECONDS - began)) s"
		[ -z "$(taken "$who")" ] || said="open: left $(taken "$who")"
		judge_canaries "${kind%%-*} a bomb: ${kind#*-}, as $who" "$said" "${open:-nothing}"
	done
}

# An import that was meant to succeed is part of the store from here on.
count_from_here() { snapshot >"$tmp/before" 2>/dev/null; }

# ---- images that are taken, and what they are when a cell runs them ----

# An image is what its archive would have made of it, without whatever a build has no need of.
devices_and_bits() {
	local open='' bits='' who found program
	[ "$(id -u)" != 0 ] || bits=$(as user "$tmp/outside/suid" setid)
	mkdir -p "$tmp/naive"
	[ "$(id -u)" != 0 ] || tar -C "$tmp/naive" --xattrs --xattrs-include='*' -xpf "$(archive B8-kinds "$canaries")" 2>"$tmp/control.log"
	[ -n "$(strange "$tmp/naive")" ] && open="open: $(strange "$tmp/naive" | wc -l) of them"
	rm -rf "$tmp/naive"
	for who in $(users); do
		import "$who" B8-kinds || { fail "B8 devices, FIFOs, set-id bits, capabilities, attributes of overlayfs, as $who" "$(cat "$tmp/stderr")"; continue; }
		count_from_here
		found=$(strange "$tmp/$who-state/store")
		judge "B8 devices, FIFOs, set-id bits, capabilities, attributes of overlayfs, as $who" \
			"$([ -z "$found" ] && echo "held: none is in the store" || echo "open: $found")" "$open"
		for program in suid filecaps; do
			judge "B8 $program of an image, run, as $who" "$(image=kinds inside "$who" /$program setid)" "$bits"
		done
	done
}

strange() {
	find "$1" \( -type b -o -type c -o -type p -o -type s -o -perm /7000 \) ! -path '*/host/*'
	getcap -r "$1" 2>/dev/null
	# what overlayfs or the kernel acts on; a label is the host's own
	python3 - "$1" <<-'END'
		import os, sys
		for at, folders, files in os.walk(sys.argv[1]):
		    for name in (os.path.join(at, n) for n in folders + files):
		        for a in os.listxattr(name, follow_symlinks=False):
		            if a.startswith(("user.overlay.", "trusted.", "security.capability", "system.")):
		                print(name, a)
	END
}

# linked_places ID PLACE: three ways to lead out; the cell runs in the image alone, or is refused.
linked_places() {
	local id=$1 place=$2 who way code said open='' name
	lay "$tmp/control"
	ln -s "$tmp/control" "$tmp/naive-place"
	touch "$tmp/naive-place/made" && touched "$tmp/control" && open="open: made through the link"
	rm -rf "$tmp/naive-place" "$tmp/control"
	for who in $(users); do
		said=
		for way in absolute up magic; do
			name=${id,,}-$place-$way
			import "$who" "$id-$place-$way" || { said="held: $way is no image; $said"; continue; }
			count_from_here
			said+="$way: $(image=$name inside "$who" /attack unknown || tail -n 1 "$tmp/stderr" | sed 's/.*error: //'); "
		done
		[[ $said != *open:* ]] && said="held: $said"
		judge_canaries "$id a root whose /$place leads out, as $who" "$said" "${open:-nothing}"
	done
}

# What would be /proc for somebody who takes it by its path has the names that a set-up writes to.
false_proc() {
	local who open='' payload
	mkdir "$tmp/naive"
	tar -C "$tmp/naive" --strip-components=3 -xf "$(archive A8-proc "$canaries")"
	echo 0 >"$tmp/naive/proc/sys/user/max_user_namespaces" && open="open: a writer by path is deceived"
	rm -rf "$tmp/naive"
	for who in $(users); do
		import "$who" A8-proc || { fail "A8 a /proc of the image's, as $who" "$(cat "$tmp/stderr")"; continue; }
		count_from_here
		for payload in caps namespaces; do
			judge "A8 a /proc of the image's, then $payload, as $who" "$(image=a8-proc inside "$who" /attack $payload)" "${open:-nothing}"
		done
	done
}

poisoned() {
	local who open said
	mkdir "$tmp/naive"
	for i in 1 2 3; do echo pure >"$tmp/naive/$i"; done
	"$STATIC" poison "$tmp/naive" now >/dev/null
	open=$("$STATIC" poison "$tmp/naive")
	rm -rf "$tmp/naive"
	for who in $(users); do
		import "$who" B10-poison || { fail "B10 a poisoned toolchain, as $who" "$(cat "$tmp/stderr")"; continue; }
		count_from_here
		judge "B10 a toolchain to be poisoned, as $who" "$(image=poison inside "$who" /attack poison /data now)" "$open"
		judge "B10 the same toolchain for the next, as $who" "$(image=poison inside "$who" /attack poison /data)" "$open"
		said="open: $(as "$who" "$tmp/bin/stepcell" image verify poison 2>&1)" &&
			said="held: it was read, and every file is what it was"
		judge "B10 every file of the poisoned toolchain, as $who" "$said" "$open"
	done
}

# What somebody with the store's rights could do behind its back: a tree under another's name.
swapped() {
	local who said open trees name
	for who in $(users); do
		fresh "$who"
		if ! import "$who" whole fresh || ! import "$who" B10-poison fresh; then
			fail "B10 a tree in another's place, as $who" "$(cat "$tmp/stderr")"
			continue
		fi
		mapfile -t trees < <(find "$tmp/$who-fresh/store/trees" -mindepth 1 -maxdepth 1)
		open=$(ls "${trees[0]}/root")
		mv "${trees[0]}" "$tmp/kept" && mv "${trees[1]}" "${trees[0]}" && mv "$tmp/kept" "${trees[1]}"
		[ "$open" = "$(ls "${trees[0]}/root")" ] || open="open: its path leads to the other's files"
		for name in whole poison; do
			said="open: it ran"
			as "$who" env STEPCELL_HOME="$tmp/$who-fresh" "$tmp/bin/stepcell" exec --image $name -- /attack 2>"$tmp/stderr" </dev/null ||
				{ grep -q "its files were changed in the store" "$tmp/stderr" && said="held: refused, and set aside"; }
			judge "B10 a tree in another's place ($name), as $who" "$said" "$open"
		done
	done
}

lay "$canaries"
count_from_here
for kind in $(python3 "$here/archives.py" --list); do
	case $kind in
	B6* | B7*) bombs "$kind" ;;
	*) leads_out "$kind" ;;
	esac
done
devices_and_bits
for place in dev proc sys tmp home; do linked_places A5 $place; done
for place in etc usr; do linked_places A6 $place; done
false_proc
poisoned
swapped
echo "1..$tests"
exit $((failed > 0))
