#!/usr/bin/env bats
# lint as a command: its rules, formats, excerpts, what silences it, and where it looks.
# shellcheck disable=SC2154 # bats' run sets status, output and stderr

: "${STEPCELL:=$BATS_TEST_DIRNAME/../../build/release/stepcell}"
tree=$BATS_TEST_DIRNAME/../..

setup() {
	export XDG_CONFIG_HOME=$BATS_TEST_TMPDIR/config
	mkdir -p "$XDG_CONFIG_HOME/stepcell" "$BATS_TEST_TMPDIR/here"
	cd "$BATS_TEST_TMPDIR/here" || return 1
}
# workflow STEP...: a file a.yml with these steps.
workflow() {
	printf '%s\n' 'on: push' jobs: '  a:' '    runs-on: ubuntu-latest' '    steps:' >a.yml
	printf '      - %s\n' "$@" >>a.yml
}
configure() { printf '%s\n' "$@" >"$XDG_CONFIG_HOME/stepcell/config.yml"; }
lint() { run --separate-stderr "$STEPCELL" lint "$@"; }
bats_require_minimum_version 1.5.0

@test "every rule that the code names is in the table, and every rule there is used" {
	cd "$tree" || return 1
	"$STEPCELL" lint --rules --format=json >"$BATS_TEST_TMPDIR/rules.json"
	python3 - "$BATS_TEST_TMPDIR/rules.json" <<'PY'
import glob, json, re, sys
table = {r["id"] for r in json.load(open(sys.argv[1]))}
files = glob.glob("src/workflow/*.c") + ["src/base/yaml.c", "src/base/decode.c", "src/runner/called.c"]
text = "".join(open(f).read() for f in files)
# the first text of a call that reports is the rule
used = set(re.findall(r'\b(?:diag_error|diag_warn|say)\([^";]*"([a-z-]+)"', text))
assert used == table, (used - table, table - used)
PY
}

@test "the page of the rules is the table" {
	"$STEPCELL" lint --rules --format=json | python3 -c '
import json, sys
for r in json.load(sys.stdin):
	print("| `%s` | %s | %s | %s |" % (r["id"], r["level"], r["means"].replace("|", "\\|"), r["mend"].replace("|", "\\|")))' >rules
	diff -u <(grep '^| `' "$tree/docs/LINT.md") rules
	"$STEPCELL" lint --rules | grep -q '^untrusted-input *error'
}

@test "a finding shows its line, where on it, and how it is mended" {
	workflow "run: echo \"ä\$(x	y) \${{ github.head_ref }}\""
	lint a.yml
	[ "$status" = 1 ]
	cat >expected <<'TEXT'
a.yml:6:32: error: strangers write this, and it becomes part of the script [untrusted-input]
     6 |       - run: echo "ä$(x	y) ${{ github.head_ref }}"
       |                        	       ^~~~~~~~~~~~~~~
       = pass it through env and use the variable in quotes: "$NAME"
TEXT
	diff -u expected <(echo "$output")
	[ "$stderr" = '1 error, 0 warnings in 1 file' ]
}

@test "of a long line the part is shown that matters" {
	workflow "run: echo $(printf 'x%.0s' {1..3000}) \${{ github.head_ref }} $(printf 'y%.0s' {1..3000})"
	lint a.yml
	[ "${#lines[1]}" -lt 200 ]
	[[ ${lines[1]} == *'...xxx'*'github.head_ref'*yyy ]]
	marked=${lines[2]%%^*}
	[[ ${lines[1]:${#marked}} == github.head_ref* ]]
}

@test "control characters of a file do not reach the terminal" {
	workflow $'"run\\e[31m": x'
	lint a.yml
	[[ $output != *$'\e'* && $output == *'\x1b[31m'* ]]
}

@test "json: every field, silenced findings too" {
	workflow 'uses: example/tool@v1' 'uses: example/tool@v2 # stepcell: ignore[unpinned-uses] ours'
	lint --format=json a.yml
	[ "$status" = 0 ]
	python3 - <<PY
import json
d = json.loads('''$output''')
a, b = d["findings"]
assert (d["errors"], d["warnings"], d["silenced"], d["files"]) == (0, 1, 1, 1)
assert (a["file"], a["line"], a["column"], a["end_column"]) == ("a.yml", 6, 15, 30), a
assert (a["level"], a["rule"]) == ("warning", "unpinned-uses") and "silenced" not in a
assert a["source"].strip() == "- uses: example/tool@v1" and a["message"] and a["mend"]
assert b["silenced"] == "ours"
PY
}

@test "json stays JSON, however long a reason is, and whatever bytes a file has" {
	workflow "uses: example/tool@v1 # stepcell: ignore[unpinned-uses] $(printf '"%.0s' {1..100000})"
	lint --format=json a.yml
	python3 -c 'import json, sys; assert json.load(sys.stdin)["silenced"] == 1' <<<"$output"
	workflow $'run: "\xff\xe2\x80"'
	for format in json sarif; do
		"$STEPCELL" lint --format=$format a.yml >out || [ $? = 1 ]
		python3 -c 'import json; json.load(open("out", encoding="utf-8"))'
	done
}

@test "sarif: 2.1.0 as its readers want it" {
	workflow 'run: echo ${{ github.head_ref }}' 'uses: example/tool@v2 # stepcell: ignore[unpinned-uses] ours'
	mv a.yml 'b ü.yml'
	lint --format=sarif 'b ü.yml'
	[ "$status" = 1 ]
	echo "$output" >out.sarif
	python3 - <<'PY'
import json, urllib.parse
d = json.load(open("out.sarif"))
assert d["version"] == "2.1.0" and d["$schema"].endswith("sarif-2.1.0.json")
[run] = d["runs"]
driver = run["tool"]["driver"]
assert driver["name"] == "stepcell" and run["columnKind"] == "unicodeCodePoints"
ids = [r["id"] for r in driver["rules"]]
assert len(set(ids)) == len(ids) > 20
for r in driver["rules"]:
	assert r["shortDescription"]["text"] and r["help"]["text"]
	assert r["defaultConfiguration"]["level"] in ("error", "warning")
assert {r["id"] for r in driver["rules"] if "security" in r.get("properties", {}).get("tags", [])} == {
	"untrusted-input", "untrusted-checkout", "unpinned-uses", "excessive-permissions", "plain-credentials"}
a, b = run["results"]
for r in (a, b):
	assert ids[r["ruleIndex"]] == r["ruleId"] and r["message"]["text"] and r["level"] in ("error", "warning")
	[where] = r["locations"]
	where = where["physicalLocation"]
	assert urllib.parse.unquote(where["artifactLocation"]["uri"]) == "b ü.yml"
	assert where["region"]["endColumn"] > where["region"]["startColumn"] >= 1 <= where["region"]["startLine"]
	assert where["region"]["snippet"]["text"]
assert "suppressions" not in a
assert b["suppressions"] == [{"kind": "inSource", "justification": "ours"}]
PY
	workflow 'run: make'
	lint --format=sarif a.yml
	[ "$(python3 -c 'import json, sys; print(json.load(sys.stdin)["runs"][0]["results"])' <<<"$output")" = '[]' ]
}

@test "github: annotations that a text cannot break out of" {
	workflow '"run%,:": x'
	mv a.yml 'a,b:c%.yml'
	lint --format=github 'a,b:c%.yml'
	[ "${#lines[@]}" = 2 ] # the other: one of run, uses, ... is missing
	[[ ${lines[0]} == '::error file=a%2Cb%3Ac%25.yml,line=6,col=9,endColumn='*',title=syntax-check::'*"'run%25,:'"*'%0A'* ]]
}

@test "a comment silences its line, or the next when it stands alone, and says so" {
	workflow 'run: echo ${{ github.head_ref }} # stepcell: ignore[untrusted-input] a test'
	lint a.yml
	[ "$status" = 0 ] && [ -z "$output" ]
	[ "$stderr" = '0 errors, 0 warnings in 1 file; 1 silenced' ]
	lint --no-ignore a.yml
	[ "$status" = 1 ]
	workflow 'run: make # stepcell: ignore[untrusted-input]' 'run: echo ${{ github.head_ref }}'
	lint a.yml
	[ "$status" = 1 ] && [[ $output == *'[ignore-comment]'* ]]
}

@test "what silences lint changes nothing for run" {
	workflow '{run: "exit 7"} # stepcell: ignore[syntax-check]' '{runn: x} # stepcell: ignore[syntax-check]'
	lint a.yml
	[ "$status" = 0 ]
	STEPCELL_HOME=$BATS_TEST_TMPDIR/home run "$STEPCELL" run -W a.yml --image host
	[ "$status" = 2 ] && [[ $output == *"unknown key 'runn'"* ]]
}

@test "the operator turns rules off, up and down, and names runners" {
	workflow 'uses: example/tool@v1' 'run: echo ${{ github.head_ref }}'
	sed -i 's/ubuntu-latest/ours/' a.yml
	lint a.yml
	[ "$stderr" = '1 error, 2 warnings in 1 file' ]
	configure 'lint:' '  rules: {untrusted-input: warning, unpinned-uses: off}' '  labels: [ours]'
	lint a.yml
	[ "$status" = 0 ] && [ "$stderr" = '0 errors, 1 warning in 1 file' ]
	configure 'lint: {rules: {unpinned-uses: error}}'
	lint a.yml
	[ "$stderr" = '2 errors, 1 warning in 1 file' ]
}

@test "a configuration that is wrong is said, with its place" {
	workflow 'run: make'
	configure 'lint: {rules: {unpined: off}}'
	lint a.yml
	[ "$status" = 2 ] && [[ $stderr == *"config.yml:1:16: no rule 'unpined'"* ]]
	configure 'lint: {rules: {unpinned-uses: loud}}'
	lint a.yml
	[ "$status" = 2 ] && [[ $stderr == *'off, warning or error'* ]]
	configure 'lnit: {}'
	lint a.yml
	[ "$status" = 2 ] && [[ $stderr == *"unknown section 'lnit'"* ]]
	configure 'lint: ['
	lint a.yml
	[ "$status" = 2 ]
}

@test "nothing in the checkout configures lint" {
	workflow 'run: echo ${{ github.head_ref }}'
	mkdir -p .config/stepcell .github/stepcell
	echo 'lint: {rules: {untrusted-input: off}}' | tee .config/stepcell/config.yml .github/stepcell/config.yml stepcell.yml >config.yml
	lint a.yml
	[ "$status" = 1 ]
}

@test "without a file it takes .github/workflows, of a folder all below it" {
	lint
	[ "$status" = 2 ] && [[ $stderr == *'.github/workflows'* ]]
	mkdir empty
	lint empty
	[ "$status" = 2 ] && [[ $stderr == *"below 'empty'"* ]]
	workflow 'uses: example/tool@v1'
	mkdir -p .github/workflows deep/er act
	cp a.yml .github/workflows/a.yaml
	cp a.yml deep/er/b.yml
	ln -s / deep/away
	lint
	[[ ${lines[0]} == .github/workflows/a.yaml:6:15:* ]] && [ "$stderr" = '0 errors, 1 warning in 1 file' ]
	lint deep .github
	[ "$stderr" = '0 errors, 2 warnings in 2 files' ]
}

@test "an action that two workflows use is told about once, and stays below the checkout" {
	mkdir act
	printf '%s\n' 'name: a' 'description: d' 'runs: {using: node12, main: x}' >act/action.yml
	cp act/action.yml "$BATS_TEST_TMPDIR/action.yml"
	workflow 'uses: ./act' 'uses: ./../' 'uses: ./link'
	ln -s .. link
	cp a.yml b.yml
	lint a.yml b.yml
	[ "$(grep -c deprecated-runtime <<<"$output")" = 1 ]
	[[ $output == act/action.yml:3:15:* ]]
	lint act/action.yml a.yml act/action.yml
	[ "$(grep -c deprecated-runtime <<<"$output")" = 1 ]
}
