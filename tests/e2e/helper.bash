# Shared by the end-to-end tests: a state home and a checkout for each test, and short words for what
# they all do. A test runs against `--image host` unless it says otherwise: nothing to build.
# shellcheck disable=SC2154 # bats' run sets status, output and stderr

: "${STEPCELL:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build/release/stepcell}"
export STEPCELL

setup() {
	export STEPCELL_HOME=$BATS_TEST_TMPDIR/home
	project=$BATS_TEST_TMPDIR/project
	mkdir -p "$project/.github/workflows"
	unset STEPCELL_DATA XDG_CONFIG_HOME
	cd "$BATS_TEST_TMPDIR" || return 1
}

# workflow <<END: the project's one workflow.
workflow() {
	cat >"$project/.github/workflows/ci.yml"
}

# job NAME COMMAND [KEY: VALUE]...: lines of a job of one step, to put below `jobs:`.
job() {
	printf '  %s:\n    runs-on: ubuntu-latest\n' "$1"
	[ $# -lt 3 ] || printf '    %s\n' "${@:3}"
	printf '    steps:\n      - run: |\n'
	printf '          %s\n' "${2//$'\n'/$'\n          '}"
}

# cell_run [OPTION]...: run the project's workflow; $status, $output and $stderr are set.
cell_run() {
	run --separate-stderr timeout 60 "$STEPCELL" run -C "$project" --image host "$@" </dev/null
}

# all: what a person would see, from both streams.
all() { printf '%s\n%s\n' "$output" "$stderr"; }

# says TEXT...: each text occurs in what the last command printed.
says() {
	local text
	for text; do
		[[ "$(all)" == *"$text"* ]] && continue
		printf 'expected "%s", got exit %s and:\n%s\n' "$text" "$status" "$(all)"
		return 1
	done
}

# exits CODE: the last command ended with it.
exits() {
	[ "$status" = "$1" ] && return
	printf 'expected exit %s, got %s and:\n%s\n' "$1" "$status" "$(all)"
	return 1
}

# cannot WHY: this machine cannot run the test; tests/tools/tally fails it under STEPCELL_MUST_RUN=1.
cannot() { skip "$1"; }

# within SECONDS COMMAND...: true as soon as COMMAND is, false when the time is over.
within() {
	local until=$((SECONDS + $1))
	shift
	while ! "$@"; do
		[ $SECONDS -lt $until ] || return 1
		sleep 0.1
	done
}

# alive MARK: some process has MARK (a word no other test uses) in its command line.
alive() {
	local line
	for line in /proc/[0-9]*/cmdline; do
		{ tr '\0' ' ' <"$line"; } 2>/dev/null | grep -qF -- "$1" && [ "${line//[!0-9]/}" != $$ ] && return
	done
	return 1
}
