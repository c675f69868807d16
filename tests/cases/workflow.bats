#!/usr/bin/env bats
# Small workflow files that carry what is expected of them:
#	#: OPTIONS     of the command, for this file
#	#= LINE        of its output, in order; none: no output
# lint's lines are without the file's name and what is indented below them, plan's are ID RUNS WHY.
# shellcheck disable=SC2154 # bats' run sets status, output and stderr

: "${STEPCELL:=$BATS_TEST_DIRNAME/../../build/release/stepcell}"

setup() { export STEPCELL_HOME=$BATS_TEST_TMPDIR/home; }

options_of() { sed -n 's/^#: //p' "$1"; }
expected_of() { sed -n 's/^#= //p' "$1"; }

# The lines that differ, under the file's name.
compare() {
	diff -u --label "$1: expected" --label 'found' <(expected_of "$1") - || return 1
}

lint_file() {
	local options out code=0
	read -ra options <<<"$(options_of "$1")"
	out=$("$STEPCELL" lint "${options[@]}" "$1") || code=$?
	compare "$1" < <(printf '%s' "${out:+$out$'\n'}" | sed "/^ /d; s|^$1:||") || return 1
	if grep -q ': error: ' <<<"$out"; then [ "$code" = 1 ]; else [ "$code" = 0 ]; fi
}

plan_file() {
	local options
	read -ra options <<<"$(options_of "$1")"
	"$STEPCELL" plan -W "$1" "${options[@]}" --json |
		python3 -c 'import json, sys
for j in json.load(sys.stdin)["jobs"]:
	print(j["id"], j["runs"], j["name"] if j["name"] != j["id"] else "", j["why"])' |
		sed 's/  / /' | compare "$1"
}

each() {
	local f failed=0
	cd "$BATS_TEST_DIRNAME/$2" || return 1
	for f in *.yml; do "$1" "$f" || failed=1; done
	[ $failed = 0 ]
}

@test "lint says what each file expects" { each lint_file lint; }
@test "plan says what each file expects" { each plan_file plan; }

@test "lint of a file that is not there is wrong usage" {
	run "$STEPCELL" lint "$BATS_TEST_TMPDIR/none.yml"
	[ "$status" = 2 ]
	[[ $output == *"cannot open"*"none.yml"* ]]
}

@test "lint --strict lets warnings fail" {
	run "$STEPCELL" lint "$BATS_TEST_DIRNAME/lint/warnings.yml"
	[ "$status" = 0 ]
	run "$STEPCELL" lint --strict "$BATS_TEST_DIRNAME/lint/warnings.yml"
	[ "$status" = 1 ]
}

@test "expr prints a value or where it went wrong" {
	echo '{"a": {"b": [1, 2]}}' >"$BATS_TEST_TMPDIR/context.json"
	run "$STEPCELL" expr --context "$BATS_TEST_TMPDIR/context.json" -- 'a.b[1]'
	[ "$status" = 0 ]
	[ "$output" = '{"kind": "Number", "value": 2}' ]
	run "$STEPCELL" expr -- '-1 <'
	[ "$status" = 1 ]
	[ "$output" = '{"err": {"kind": "parsing", "value": "unexpected end of the expression (at 5)"}}' ]
	run "$STEPCELL" expr --context "$BATS_TEST_TMPDIR/none.json" -- 1
	[ "$status" = 2 ]
}

@test "a hostile file ends at once, in little memory, with an error where there is one" {
	# address space is what a shell can limit, and what a sanitizer needs without end
	local space=400000
	case $STEPCELL in */san/*) space=unlimited ;; esac
	cd "$BATS_TEST_TMPDIR" || return 1
	python3 "$BATS_TEST_DIRNAME/hostile.py" >files || return 1
	while read -r f expected; do
		run bash -c "ulimit -v $space; exec timeout 20 \"\$@\"" - "$STEPCELL" lint "$f"
		[ "$status" = "$expected" ] || {
			echo "$f: exit $status: ${output:0:200}"
			return 1
		}
	done <files
	for f in wide value cases; do
		run bash -c "ulimit -v $space; exec timeout 20 \"\$@\"" - "$STEPCELL" plan -W "$f.yml"
		[ "$status" = 0 ]
	done
}

@test "what a workflow's names hold does not reach the terminal as it is" {
	cd "$BATS_TEST_TMPDIR" || return 1
	printf 'on: push\nname: "\\e[1m"\njobs:\n  a: {name: "\\e[31mred\\n", runs-on: x, steps: [{run: x}]}\n' >w.yml
	for how in '' --graph; do
		run "$STEPCELL" plan -W w.yml $how
		[ "$status" = 0 ]
		[[ $output != *$'\e'* && $output == *'\x1b[31mred\n'* ]]
	done
}
