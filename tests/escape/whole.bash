# whole.bash: what the attacks by whole runs share: a repository, a run of it, a row's verdict.
#
# Each row has its control: the same thing done without stepcell finds the way open.
# shellcheck shell=bash disable=SC2034 # what is set here is for those who source this

# shellcheck source=tests/escape/place.bash
. "$(dirname "${BASH_SOURCE[0]}")/place.bash"
export STEPCELL_HOME=$tmp/home GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
trap 'rm -rf "$tmp"' EXIT

# verdict NAME CONTROL HELD TEXT: the control found the way open (0), and the wall held (0).
verdict() {
	if [ "$2" != 0 ]; then
		fail "$1${as-}" "the control did not get through: the row proves nothing"
	elif [ "$3" != 0 ]; then
		fail "$1${as-}" "$4"
	else
		pass "$1${as-}"
	fi
}

# A repository whose workflow is read from standard input; its path on standard output.
repository() {
	local dir=$tmp/$1

	mkdir -p "$dir/.github/workflows"
	cat >"$dir/.github/workflows/ci.yml"
	git -C "$dir" init -q -b main
	git -C "$dir" add -A
	git -C "$dir" -c user.name=a -c user.email=a@host.example.com commit -qm x
	echo "$dir"
}

run() {
	timeout -k 5 $((120 * slow)) "$STEPCELL" run --image host -C "$@" 2>&1
}

steps='on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4'

# Where a file of rows is run a second time, it counts on.
tests=${TESTS_BEFORE:-0} failed=${FAILED_BEFORE:-0}

# The last line of a file whose rows are for root and for an ordinary user: the plan, or all of it once
# more as that user.
again_as_user() {
	if [ "$(id -u)" != 0 ]; then
		echo "1..$tests"
		exit $((failed > 0))
	fi
	mkdir -p "$tmp/share/tests/e2e" "$tmp/share/build/release"
	cp -R "$here" "$here/../cases" "$tmp/share/tests/"
	cp "$here/../e2e/onpty.py" "$tmp/share/tests/e2e/"
	cp -R "$top/policies" "$top/rootfs" "$tmp/share/"
	cp "$STEPCELL" "$tmp/share/build/release/stepcell"
	chmod -R a+rX "$tmp/share"
	setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups env -u STEPCELL_HOME -u STEPCELL_DATA HOME="$tmp" \
		STEPCELL="$tmp/share/build/release/stepcell" TESTS_BEFORE="$tests" FAILED_BEFORE="$failed" \
		"$tmp/share/tests/escape/$(basename "$0")"
	exit $?
}
