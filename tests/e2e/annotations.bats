#!/usr/bin/env bats
# What a step wants to be seen: annotations, problem matchers, summaries.
# shellcheck disable=SC2016 # what runs in the step is for its shell to expand
# shellcheck disable=SC2154 # bats' run sets status, output and stderr

bats_require_minimum_version 1.5.0
load helper

# notes: the annotations of the last `run --json`, one a line.
notes() {
	python3 -c '
import json, sys
for line in sys.stdin:
    e = json.loads(line)
    if e["type"] == "annotation":
        print(e["level"], *(f"{k}={e[k]}" for k in sorted(e) if k not in ("type", "at", "job", "step", "level")), sep="|")
    if e["type"] == "step-ended" and "annotations" in e:
        print("counts", json.dumps(e["annotations"]), sep="|")' <<<"$output"
}

@test "annotations have all their properties, are masked, counted and bounded" {
	steps <<-'END'
		- run: |
		    echo "::error file=$GITHUB_WORKSPACE/src/a.c,line=3,endLine=4,title=Bad%3A thing::msg%0Asecond"
		    echo "::warning file=b.c,line=3,col=5,endColumn=7::w"
		    echo "::notice col=5::n"
		    echo "::add-mask::hunter2"; echo "::error title=hunter2::the word is hunter2"
		- run: for i in $(seq 1020); do echo "::notice::n$i"; done
		- run: echo "::group::G%0Ah"; echo in; echo "::endgroup::"
	END
	cell_run --json
	exits 0
	[ "$(notes | grep -v 'message=n[0-9]')" = "error|end_line=4|file=src/a.c|line=3|message=msg
second|title=Bad: thing
warning|col=5|end_col=7|file=b.c|line=3|message=w
notice|message=n
error|message=the word is ***|title=***
counts|{\"error\": 2, \"warning\": 1, \"notice\": 1}
counts|{\"notice\": 1020}" ]
	[ "$(notes | grep -c 'message=n[0-9]')" = 1000 ]
	# the log file has them all, as GitHub's has
	grep -q '^##\[error\]the word is \*\*\*$' home/runs/*/logs/a/001.log
	[ "$(grep -c '^##\[notice\]n' home/runs/*/logs/a/002.log)" = 1020 ]
	run "$STEPCELL" runs show
	says "annotations of a: 2 errors, 1 warning, 1021 notices" "  error   src/a.c:3: Bad: thing: msg" \
		"  ... and 1010 more: stepcell runs show"
	run "$STEPCELL" runs logs last a 1
	says '##[warning]w'
	run "$STEPCELL" runs logs last a 3
	[ "$output" = '##[group]G\nh
in
##[endgroup]' ]
}

@test "problem matchers: GitHub's python.json, from the workspace, from TEMP, and gone again" {
	mkdir "$project/.github/m"
	cat >"$project/.github/m/python.json" <<-'END'
		{"problemMatcher": [{"owner": "python", "pattern": [
		  {"regexp": "^\\s*File\\s\\\"(.*)\\\",\\sline\\s(\\d+),\\sin\\s(.*)$", "file": 1, "line": 2},
		  {"regexp": "^\\s*raise\\s(.*)\\(\\'(.*)\\'\\)$", "message": 2}]}]}
	END
	cat >"$project/flake8.json" <<-'END'
		{"problemMatcher": [{"owner": "flake8", "severity": "warning", "pattern": [
		  {"regexp": "^(.+):(\\d+):(\\d+): ([EF]\\d+) (.+)$", "file": 1, "line": 2, "column": 3, "code": 4, "message": 5}]}]}
	END
	printf 'def f():\n    raise ValueError('"'no such thing'"')\nf()\n' >"$project/a.py"
	steps <<-'END'
		- uses: actions/checkout@v4
		- run: |
		    echo "::add-matcher::.github/m/python.json"
		    mv flake8.json $RUNNER_TEMP/; echo "::add-matcher::$RUNNER_TEMP/flake8.json"
		- run: python3 a.py
		  continue-on-error: true
		- run: |
		    printf '\033[1m./src/b.py:1:80: E501 too long\033[0m\n'
		    echo "::remove-matcher owner=FLAKE8::"
		    echo "./src/b.py:1:81: E501 too long"
	END
	cell_run --json
	exits 0
	[ "$(notes)" = "error|file=a.py|line=2|matcher=python|message=no such thing
counts|{\"error\": 1}
warning|code=E501|col=80|file=src/b.py|line=1|matcher=flake8|message=too long
counts|{\"warning\": 1}" ]
	says "\"text\":\"    raise ValueError('no such thing')\""
}

@test "setup-python brings the matcher for tracebacks, as the public action does" {
	printf 'def f():\n    raise ValueError('"'no such thing'"')\nf()\n' >"$project/a.py"
	steps <<-'END'
		- uses: actions/checkout@v4
		- run: python3 a.py
		  continue-on-error: true
		- uses: actions/setup-python@v5
		- run: python3 a.py
		  continue-on-error: true
	END
	cell_run --json
	exits 0
	[ "$(notes)" = "error|file=a.py|line=2|matcher=python|message=no such thing
counts|{\"error\": 1}" ]
}

@test "problem matchers: files that are none fail the step, and nothing else of it" {
	steps <<-'END'
		- run: 'echo ::add-matcher::/etc/passwd; echo 1:on'
		  continue-on-error: true
		- run: 'mkfifo p; echo ::add-matcher::p; sleep 0.1; echo 2:on'
		  continue-on-error: true
		- run: 'ln -s /etc l; echo ::add-matcher::l; echo 3:on'
		  continue-on-error: true
		- run: 'echo ::add-matcher::/proc/1/environ; echo ::add-matcher::../../../../../../root/x; echo 4:on'
		  continue-on-error: true
		- run: 'head -c 300000 /dev/zero >z; echo ::add-matcher::z; echo 5:on'
		  continue-on-error: true
		- run: 'echo "::add-matcher::"; echo "::remove-matcher::"; echo 6:on'
		- run: 'printf 7:on; printf "\\n::add-matcher::unended"'
		  continue-on-error: true
		- run: 'for i in $(seq 102); do echo ::add-matcher::none; done'
		  continue-on-error: true
	END
	cell_run
	exits 0
	says 1:on 2:on 3:on 4:on 5:on 6:on 7:on "/unended': No such file" "passwd: problem matchers:1:" "p' is no regular file" "l' is no regular file" \
		"environ" "root/x'" "z' is larger than 262144 bytes" "the path of a file is missing" \
		"more than 100 files of problem matchers"
	says_not "root:x:"
}

@test "problem matchers: one that would never end is removed, the step goes on" {
	steps <<-'END'
		- run: |
		    cat >m.json <<'E'
		    {"problemMatcher": [{"owner": "bomb", "pattern": [{"regexp": "^(a|aa)+$", "message": 0}]},
		                        {"owner": "good", "pattern": [{"regexp": "^oh (.*)", "message": 1}]}]}
		    E
		    echo "::add-matcher::$PWD/m.json"
		    head -c 4000 /dev/zero | tr '\0' a; echo '!'
		    echo "oh dear"; echo aaa
	END
	cell_run --json
	exits 0
	[ "$(notes)" = "warning|message=problem matcher 'bomb' is removed: it took too much: match limit exceeded
error|matcher=good|message=dear
counts|{\"error\": 1, \"warning\": 1}" ]
}

@test "summaries are files of the run, by step and joined by job; one that is too large is left out" {
	steps <<-'END'
		- run: printf '# One' >>$GITHUB_STEP_SUMMARY
		- run: head -c 1100000 /dev/zero | tr '\0' x >$GITHUB_STEP_SUMMARY
		- run: |
		    echo "::add-mask::hunter2"
		    printf '## Two\nhunter2\n' >>$GITHUB_STEP_SUMMARY
	END
	cell_run
	exits 0
	says "summary of a: " "  ## Two" "whole summary: " "GITHUB_STEP_SUMMARY is left out: larger than 1048576 bytes"
	[ "$(cat home/runs/*/summaries/a.md)" = '# One
## Two
***' ]
	[ "$(cat home/runs/*/summaries/a/003.md)" = '## Two
***' ]
	[ "$(echo home/runs/*/summaries/a/*)" = "$(echo home/runs/*/summaries/a/00[13].md)" ]
	run "$STEPCELL" runs show
	says "whole summary: $(echo "$PWD"/home/runs/*/summaries/a.md)"
}
