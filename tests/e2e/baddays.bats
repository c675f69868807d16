#!/usr/bin/env bats
# Bad days: steps that fail, a full disk, Ctrl-C, kill -9. Whatever happens is said, and nothing is left.
# shellcheck disable=SC2154 # start sets pid

bats_require_minimum_version 1.5.0
load helper

@test "a failing step: its last lines, its log, the jobs that do not run, exit 1" {
	{
		job a 'seq 1 50; echo last words >&2; exit 3'
		job b 'echo never' 'needs: a'
		job c 'echo other'
	} | on_push
	cell_run
	exits 1
	says "last words" "exit code 3" other
	says_not never
	log=$(all | grep -oE '/[^ ]+\.log' | head -n 1)
	grep -q '^.*17$' "$log"
	grep -q 'last words' "$log"
	# b is told as skipped, because of a
	all | grep -iE '(^|[^a-z])b([^a-z]|$).*skipped' | grep -q a
}

@test "a job that may fail does not fail the run" {
	job a 'exit 1' 'continue-on-error: true' | on_push
	cell_run
	exits 0
}

@test "a step that is killed, one that runs out of time" {
	job a 'kill -SEGV $$' | on_push
	cell_run
	exits 1
	says "signal 11"
	steps <<-'END'
		- run: exec sleep 30
		  timeout-minutes: 0.02
	END
	cell_run
	exits 1
	says timeout
}

@test "a full disk: a clear error, nothing half-published, and the next run is fine" {
	[ "$(id -u)" = 0 ] || cannot "mounting a small file system takes root"
	job a 'echo ran' | on_push
	mkdir -p "$STEPCELL_HOME"
	cat >full.sh <<-'END'
		mount -t tmpfs -o size=48m,mode=700 small "$STEPCELL_HOME"
		head -c 100m /dev/zero >"$STEPCELL_HOME/filler" 2>/dev/null
		"$STEPCELL" run -C "$project" --image host; echo "first $?"
		find "$STEPCELL_HOME" -size +0 -name '*.json*' -exec cat {} + | tail -n 3
		rm "$STEPCELL_HOME/filler"
		"$STEPCELL" run -C "$project" --image host; echo "second $?"
	END
	export project
	run --separate-stderr timeout 60 unshare -m sh full.sh </dev/null
	says "first 4" "No space left on device" "second 0" ran
}

@test "a full disk behind standard output is no success; a reader that has gone is" {
	job a "echo hi" | on_push
	for words in "run --image host -C $project" "run --json --image host -C $project" "exec --json -- true" "image show host" --help; do
		# shellcheck disable=SC2086 # words on purpose
		run --separate-stderr bash -c '"$STEPCELL" "$@" >/dev/full' bash $words
		exits 4
		says "cannot write to standard output: No space left on device"
		# shellcheck disable=SC2086
		run bash -c '"$STEPCELL" "$@" 2>/dev/null | head -c 1 >/dev/null; exit ${PIPESTATUS[0]}' bash $words
		exits 0
	done
	run --separate-stderr bash -c '"$STEPCELL" exec -- echo hi >/dev/full'
	exits 125
	says "cannot write what the command says: No space left on device"
}

@test "Ctrl-C: INT, then TERM, then KILL; always() steps run; partial artifacts are kept; exit 130" {
	mark=mark-$BATS_TEST_NUMBER-$$
	workflow <<-END
		on: push
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    steps:
		      - run: |
		          trap 'echo got INT' INT
		          trap 'echo got TERM' TERM
		          echo half >result.txt
		          (exec -a $mark sleep 1000) &
		          echo under way
		          while :; do sleep 0.2 || :; done
		      - if: always()
		        uses: actions/upload-artifact@v4
		        with: { name: part, path: result.txt }
		  b:
		    runs-on: ubuntu-latest
		    needs: a
		    steps:
		      - run: echo never
	END
	start -o out
	within 20 said "under way"
	cgroups=$(cgroups_of_run)
	alive "$mark"
	began=$SECONDS
	kill -INT "$pid"
	finish
	exits 130
	[ $((SECONDS - began)) -ge 9 ]
	[ $((SECONDS - began)) -le 30 ]
	says "got INT" "got TERM"
	says_not never
	[ "$(grep -ohE 'got (INT|TERM)' "$STEPCELL_HOME"/runs/*/logs/a/*.log | uniq | tr '\n' ' ')" = "got INT got TERM " ]
	[ "$(tar --zstd -xOf out/a/part.tar.zst result.txt)" = half ]
	nothing_left "$mark" "$cgroups"
}

@test "a step that ends at the first signal ends the run at once" {
	mark=mark-$BATS_TEST_NUMBER-$$
	job a "echo under way; exec -a $mark sleep 1000" | on_push
	start
	within 20 said "under way"
	cgroups=$(cgroups_of_run)
	began=$SECONDS
	kill -TERM "$pid"
	finish
	exits 130
	[ $((SECONDS - began)) -le 12 ]
	nothing_left "$mark" "$cgroups"
}

@test "kill -9: the cells die with their stepcell, and the next start sweeps" {
	mark=mark-$BATS_TEST_NUMBER-$$
	job a "echo under way; exec -a $mark sleep 1000" | on_push
	start
	within 20 said "under way"
	cgroups=$(cgroups_of_run)
	kill -KILL "$pid"
	wait "$pid" || true
	within 5 dead "$mark"
	job a "echo again" | on_push
	cell_run
	exits 0
	nothing_left "$mark" "$cgroups"
	[ -z "$(cgroups_of_run)" ]
}

@test "what a step leaves running ends with the step" {
	mark=mark-$BATS_TEST_NUMBER-$$
	steps <<-END
		- run: (trap '' TERM HUP INT; setsid bash -c 'exec -a $mark sleep 1000') & sleep 0.3
		- run: echo second
	END
	cell_run
	exits 0
	says second
	dead "$mark"
}
