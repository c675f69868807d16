# say.bash: a row's outcome as a line of TAP; a skip fails under STEPCELL_MUST_RUN.
# shellcheck shell=bash
tests=0 failed=0

pass() {
	tests=$((tests + 1))
	echo "ok $tests - $1"
}

fail() {
	tests=$((tests + 1)) failed=$((failed + 1))
	echo "not ok $tests - $1"
	printf '%s\n' "${@:2}" | sed 's/^/# /'
}

skipped() {
	[ -z "${STEPCELL_MUST_RUN-}" ] || { fail "$1" "$2"; return; }
	tests=$((tests + 1))
	echo "ok $tests - $1 # SKIP $2"
}
