#!/usr/bin/env bats
# What is kept of a run and what is shown of it: the journal, its views, artifacts, and what a policy says.
# shellcheck disable=SC2154 # run sets stderr

bats_require_minimum_version 1.5.0
load helper

# One job that passes with an artifact, one that fails, one that is skipped for it.
three_jobs() {
	workflow <<-'END'
		name: CI
		on: push
		jobs:
		  make:
		    runs-on: ubuntu-latest
		    steps:
		      - name: Make
		        run: |
		          mkdir -p out/sub; echo one >out/sub/one; echo two >out/two; chmod 755 out/two; ln -s two out/link
		          ln -s /etc/passwd out/evil; mkfifo out/fifo; echo hidden >out/.secret
		          echo '### made' >>"$GITHUB_STEP_SUMMARY"; printf 'said \033[2J\n'
		      - uses: actions/upload-artifact@v4
		        with: { name: out, path: out/ }
		  break:
		    needs: make
		    runs-on: ubuntu-latest
		    steps: [{ name: Break, run: echo before; exit 3 }]
		  after:
		    needs: break
		    runs-on: ubuntu-latest
		    steps: [{ run: 'true' }]
	END
}

# blob: the artifact of the last run.
blob() { find "$STEPCELL_HOME/runs" -name '*.tar.zst' | sort | tail -n 1; }

@test "lines, failures and a table; the same again from the record" {
	three_jobs
	cell_run -e push
	exits 1
	says 'make | said \x1b[2J' 'make: ok Make (' 'break: failed Break (' 'exit 3)' 'after: skipped the job' \
		'summary of make: Make' 'break failed at: Break' '  | before' '  whole log: '
	[[ "$(all)" =~ make\ +success\ .*\ out ]]
	[[ "$(all)" =~ after\ +skipped ]]
	log=$(all | sed -n 's/^  whole log: //p')
	grep -q before "$log"

	run "$STEPCELL" runs show
	exits 0
	says 'break failed at: Break' 'make: ok Make ('
	run "$STEPCELL" runs logs last break
	[[ "$output" == before* ]]
	run "$STEPCELL" runs logs last make Make
	[ "$output" = 'said \x1b[2J' ]
}

@test "--quiet keeps failures and the table" {
	three_jobs
	cell_run -e push --quiet
	exits 1
	says 'break: failed Break' 'break failed at: Break' 'make '
	says_not 'make: ok'
	says_not 'said '
}

@test "--json: one event a line, and the record is the same lines" {
	three_jobs
	cell_run -e push --json
	exits 1
	printf '%s\n' "$output" | python3 -c '
import json, sys
events = [json.loads(line) for line in sys.stdin]
assert events[0]["type"] == "run-started" and events[-1]["type"] == "run-ended", events
assert [j["verdict"] for j in events[-1]["jobs"]] == ["success", "failure", "skipped"], events[-1]
assert all(a["at"] <= b["at"] for a, b in zip(events, events[1:]))
'
	printf '%s\n' "$output" >seen
	diff seen "$STEPCELL_HOME"/runs/*/journal.ndjson
	"$STEPCELL" runs list --json | python3 -c '
import json, sys
(run,) = json.load(sys.stdin)
assert run["verdict"] == "failure" and run["workflow"] == "CI" and run["event"] == "push", run
assert set(run) >= {"id", "verdict", "workflow", "event", "ref", "policy", "started", "seconds"}, run
'
}

@test "an artifact: what it holds, what it does not, and the same bytes the second time" {
	three_jobs
	cell_run -e push
	first=$(sha256sum <"$(blob)")
	says '2 left out: pipes, sockets, devices, links that lead out'
	tar --zstd -tvf "$(blob)" >listing
	[ "$(awk '{ print $NF }' listing | tr '\n' ' ')" = "two sub/one two " ] # a link ends in its target
	grep -q '^lrwxrwxrwx 0/0 .* link -> two' listing
	grep -q '^-rwxr-xr-x 0/0 .* two' listing
	run ! grep -E 'evil|fifo|secret|passwd' listing
	sleep 1
	cell_run -e push
	[ "$(sha256sum <"$(blob)")" = "$first" ]
}

@test "a live terminal ends with the table, and no panel is left" {
	command -v script >/dev/null || cannot "script(1) is not installed"
	three_jobs
	TERM=xterm NO_COLOR=1 LANG=C.UTF-8 run script -qec "stty cols 100 rows 30; '$STEPCELL' run -C '$project' --image host -e push" /dev/null
	# what stands behind the last time that the panel was taken away
	last=${output##*$'\e[J'}
	[[ "$last" == *"break failed at: Break"*"run "*": failure in "* ]]
	[[ "$last" != *"jobs ended"* ]]
	[[ "$output" == *"jobs ended"* ]]
	[[ "$output" != *$'\e[2J'* ]]
}

@test "policy: list, show, explain, and the line that refuses" {
	run --separate-stderr "$STEPCELL" policy list
	exits 0
	[ "$(printf '%s\n' "$output" | awk '{ print $1 }' | tr '\n' ' ')" = "default deploy trusted untrusted " ]
	"$STEPCELL" policy show untrusted >mine.yml
	run --separate-stderr "$STEPCELL" policy show ./mine.yml
	exits 0
	[ "$output" = "$(<mine.yml)" ]
	run --separate-stderr "$STEPCELL" policy explain deploy --environment production --secret AWS_ACCESS_KEY_ID
	exits 0
	run --separate-stderr "$STEPCELL" policy explain default --environment production
	exits 3
	says 'policies/default.yml:' "run with --policy deploy, or add 'production' to environments"
	run --separate-stderr "$STEPCELL" policy explain nosuch
	exits 2
}

@test "runs: no such run, and none at all" {
	run --separate-stderr "$STEPCELL" runs list
	exits 0
	[ -z "$output" ]
	run --separate-stderr "$STEPCELL" runs list --json
	[ "$output" = "[]" ]
	run --separate-stderr "$STEPCELL" runs show 2020
	exits 2
	says "no run '2020'"
}
