#!/usr/bin/env bats
# Thirty jobs in a diamond of needs: what each comes to, in a run that ends and in one that is interrupted.
# shellcheck disable=SC2016 # ${{ }} is stepcell's to expand
# shellcheck disable=SC2154 # bats' run sets status, output and stderr

bats_require_minimum_version 1.5.0
load helper

# ID ; NEEDS ; IF ; COMMAND ; its result ; its result when root is interrupted
table() {
	cat <<-'END'
		root ;             ;                                                  ; sleep ${{ vars.SLEEP || 0 }} ; success ; cancelled
		a1   ; root        ;                                                  ; true  ; success ; skipped
		a2   ; root        ;                                                  ; false ; failure ; skipped
		a3   ; root        ; false                                            ; true  ; skipped ; skipped
		may  ; root        ;                                                  ; false ; failure ; skipped
		b1   ; a1          ;                                                  ; true  ; success ; skipped
		b2   ; a1,a2       ;                                                  ; true  ; skipped ; skipped
		b3   ; a3          ;                                                  ; true  ; skipped ; skipped
		b4   ; may         ;                                                  ; true  ; success ; skipped
		b5   ; a2          ; failure()                                        ; true  ; success ; skipped
		b6   ; a1          ; failure()                                        ; true  ; skipped ; skipped
		b7   ; a2,a3       ; always()                                         ; true  ; success ; success
		b8   ; a1,a3       ; "!cancelled()"                                   ; true  ; success ; skipped
		b9   ; a1          ; cancelled()                                      ; true  ; skipped ; success
		b10  ; a3          ; "always() && needs.a3.result == 'skipped'"       ; true  ; success ; success
		c1   ; b1,b4       ;                                                  ; true  ; success ; skipped
		c2   ; b5          ;                                                  ; true  ; skipped ; skipped
		c3   ; b2          ; failure()                                        ; true  ; success ; skipped
		c4   ; b3          ; success()                                        ; true  ; skipped ; skipped
		c5   ; b7          ;                                                  ; true  ; skipped ; skipped
		c6   ; b7          ; always()                                         ; false ; failure ; failure
		c7   ; b8          ;                                                  ; true  ; skipped ; skipped
		c8   ; b8          ; "!failure() && !cancelled()"                     ; true  ; success ; skipped
		c9   ; b9,b1       ; needs.b1.result == 'success'                     ; true  ; skipped ; skipped
		c10  ; b9,b1       ; "!cancelled() && needs.b1.result == 'success'"   ; true  ; success ; skipped
		d1   ; c1          ;                                                  ; true  ; success ; skipped
		d2   ; c6,c1       ; failure()                                        ; true  ; success ; success
		d3   ; c6          ; "always() && needs.c6.result == 'failure'"       ; false ; failure ; failure
		d4   ; c3,c8,d1    ; always()                                         ; true  ; success ; success
		end  ; d1,d2,d3,d4 ; always()                                         ; echo "end:${{ needs.d1.result }},${{ needs.d3.result }}" ; success ; success
	END
}

graph() {
	cat <<-'END'
		  root
		  |- a1
		  |  |- b1
		  |  |  |- c9  + b9  [depends]
		  |  |  `- c10  + b9  [depends]
		  |  |- b6  [depends]
		  |  `- b9  [depends]
		  |- a2
		  |  |- b2  + a1
		  |  |  `- c3  [depends]
		  |  `- b5  [depends]
		  |     `- c2  [depends]
		  |- a3  [no]
		  |  |- b3  [no]
		  |  |  `- c4  [no]
		  |  |- b7  + a2
		  |  |  |- c5  [no]
		  |  |  `- c6
		  |  |     `- d3  [depends]
		  |  |- b8  + a1  [depends]
		  |  |  |- c7  [no]
		  |  |  `- c8  [depends]
		  |  `- b10  [depends]
		  `- may
		     `- b4
		        `- c1  + b1
		           |- d1
		           |  `- d4  + c3, c8
		           |     `- end  + d1, d2, d3
		           `- d2  + c6  [depends]
	END
}

setup_file() {
	[ "$(table | wc -l)" = 30 ]
}

diamond() {
	local id needs condition command _
	while IFS=';' read -r id needs condition command _; do
		printf '  %s:\n    runs-on: ubuntu-latest\n' "${id// /}"
		[ -z "${needs// /}" ] || printf '    needs: [%s]\n' "${needs// /}"
		[ -z "${condition// /}" ] || printf '    if: %s\n' "$condition"
		[ "${id// /}" != may ] || printf '    continue-on-error: true\n'
		printf '    steps: [{ run: %s }]\n' "$(python3 -c 'import json, sys
print(json.dumps(sys.argv[1].strip()))' "$command")"
	done < <(table) >"$1.jobs"
	cat - "$1.jobs" <<<$'on: push\njobs:' >"$1"
}

# results COLUMN: what the table expects; found: what the journal in run.out says.
results() { table | tr -d ' ' | awk -F';' -v n="$1" '{ print $1, $(NF - 2 + n) }' | sort; }
found() {
	python3 -c 'import json, sys
for line in sys.stdin:
	e = json.loads(line)
	if e["type"] == "run-ended":
		for j in e["jobs"]:
			print(j["id"], j["verdict"])' | sort
}

@test "thirty jobs: failures, skips, always(), cancelled(), failure() through ancestors" {
	diamond "$project/.github/workflows/ci.yml"
	cell_run --json
	exits 1
	diff -u <(results 1) <(found <<<"$output")
	says end:success,failure
}

@test "the same, interrupted in its first job" {
	diamond "$project/.github/workflows/ci.yml"
	start --json --var SLEEP=50
	within 20 said step-started
	sleep 0.3
	kill -INT "$pid"
	finish
	exits 130
	diff -u <(results 2) <(found <<<"$output")
	says end:skipped,failure
}

@test "the plan of the thirty: what is decided, what waits for whom, and the graph" {
	diamond "$project/.github/workflows/ci.yml"
	run --separate-stderr "$STEPCELL" plan -C "$project"
	exits 0
	says 'b3    no       needs a3, which is skipped' 'c1    yes      after b1, b4' \
		"d3    depends  if: always() && needs.c6.result == 'failure' is not known yet; waits for needs.c6.result"
	run --separate-stderr "$STEPCELL" plan -C "$project" --graph
	exits 0
	diff -u <(graph) <(sed 1d <<<"$output")
}
