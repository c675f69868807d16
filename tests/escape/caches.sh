#!/bin/bash
# caches.sh: what untrusted runs leave in caches, against the runs that come after them. TAP, a line an attack.
set -u

# shellcheck source=tests/escape/whole.bash
. "$(dirname "$0")/whole.bash"

# asks KEYS: the steps of a job that restores with these lines of `with` and shows what it got.
asks() {
	cat <<-END
		$steps
		      - uses: actions/cache/restore@v4
		        with:
		          path: kept
		$1
		      - run: echo "got [\$(cat kept/file 2>/dev/null)]"
	END
}

# saves KEY TEXT
saves() {
	cat <<-END
		$steps
		      - run: mkdir -p kept; echo '$2' >kept/file
		      - uses: actions/cache/save@v4
		        with: {path: kept, key: $1}
	END
}

# `untrusted` for a host without cgroups too, and another policy that is as trusted as `default`.
untrusted=$tmp/untrusted.yml mine=$tmp/mine.yml
sed 's/^require: .*/require: [userns, seccomp]/' "$top/policies/untrusted.yml" >"$untrusted"
sed 's/^name: .*/name: mine/' "$top/policies/default.yml" >"$mine"

# One repository, whose workflow changes: caches go by where the checkout lies.
change() {
	cat >"$1/.github/workflows/ci.yml"
}

# The very key that a trusted run will ask for, the beginning of it, from the branch and from a pull request.
poison() {
	local dir out held=0 control=1 event
	local key='          key: pip-1'$'\n''          restore-keys: pip-'

	dir=$(repository poisoned < <(saves pip-1 poison))
	sed -i 's/^on: push/on: [push, pull_request]/' "$dir/.github/workflows/ci.yml"
	for event in push pull_request; do
		run "$dir" --policy "$untrusted" -e $event | grep -q 'saved for' || control=2
	done
	change "$dir" < <(asks "$key")
	out=$(run "$dir")
	grep -q '| got \[\]' <<<"$out" || held=1
	run "$dir" --policy "$untrusted" | grep -q '| got \[poison\]' || control=2
	out+=$(run "$dir" --policy "$mine") || held=1
	grep -q '| got \[poison\]' <<<"$out" && held=1

	# with a policy that is trusted by mistake it goes through
	change "$dir" < <(saves pip-1 poison)
	run "$dir" --policy "$mine" >/dev/null
	change "$dir" < <(asks "$key")
	run "$dir" | grep -q '| got \[poison\]' && [ $control = 1 ] && control=0
	verdict "caches: a poisoned entry of an untrusted run under a trusted run's key" $control $held "$out"
}

# A trusted entry is there: the untrusted run tries to take its place.
replace() {
	local dir out held=0 control=1

	dir=$(repository replaced < <(saves k genuine))
	run "$dir" >/dev/null
	change "$dir" < <(saves k poison)
	run "$dir" --policy "$untrusted" >/dev/null
	change "$dir" < <(asks '          key: k')
	out=$(run "$dir")
	grep -q '| got \[genuine\]' <<<"$out" || held=1
	run "$dir" --policy "$untrusted" | grep -q '| got \[poison\]' && control=0
	verdict "caches: an untrusted run replaces a trusted entry" $control $held "$out"
}

# A branch of a pull request, run as trusted: main does not get what it cached.
from_a_pull_request() {
	local dir out held=0 control=1

	dir=$(repository branch < <(saves k poison | sed 's/^on: push/on: [push, pull_request]/'))
	run "$dir" -e pull_request >/dev/null
	run "$dir" --ref refs/heads/topic >/dev/null
	change "$dir" < <(asks '          key: k' | sed 's/^on: push/on: [push, pull_request]/')
	out=$(run "$dir")
	grep -q '| got \[\]' <<<"$out" || held=1
	run "$dir" -e pull_request | grep -q '| got \[poison\]' && control=0
	verdict "caches: main meets what a branch or a pull request cached" $control $held "$out"
}

# The checkout says that it is somebody else's repository, to read what that one cached.
another_repository() {
	local victim dir out held=0 control=1

	victim=$(repository victim < <(saves k private))
	git -C "$victim" remote add origin https://git.example.com/victim/code
	run "$victim" >/dev/null
	dir=$(repository thief < <(asks '          key: k'))
	git -C "$dir" remote add origin https://git.example.com/victim/code
	out=$(run "$dir" --policy "$untrusted"; run "$dir")
	grep -q '| got \[private\]' <<<"$out" && held=1
	change "$victim" < <(asks '          key: k')
	run "$victim" --policy "$untrusted" | grep -q '| got \[private\]' && control=0
	verdict "caches: a checkout that takes another repository's name" $control $held "$out"
}

# A key is no path, and neither is a ref.
names_that_are_paths() {
	local dir out held=0 control=1

	mkdir -p "$tmp/home/caches"
	dir=$(repository paths < <(saves "../../../canary" poison))
	out=$(run "$dir" --ref 'refs/heads/../../../canary')
	find "$tmp" -name 'canary*' | grep -q . && held=1
	grep -q 'saved for' <<<"$out" && control=0
	verdict "caches: keys and refs that are paths" $control $held "$out"
}

poison
replace
from_a_pull_request
another_repository
names_that_are_paths
again_as_user
