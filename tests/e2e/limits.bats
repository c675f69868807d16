#!/usr/bin/env bats
# What a job may use: a verdict of its own for each limit, and other jobs go on.
# shellcheck disable=SC2016 # what runs in the step is for its shell to expand
# shellcheck disable=SC2154 # bats' run sets status, output and stderr

bats_require_minimum_version 1.5.0
load helper

# limits LINE...: a policy with these limits, small.yml.
limits() {
	printf 'name: small\nrequire: [userns, seccomp, landlock]\nlimits:\n' >small.yml
	printf '  %s\n' "$@" >>small.yml
}

@test "memory, processes, disk, time and output: each ends its own job, others go on" {
	limits 'memory: 64MiB' 'pids: 32' 'disk: 8MiB' 'log: 64KiB' 'step: 20s'
	{
		job mem 'python3 -c "x = bytearray(200 << 20); print(len(x))"'
		job pids 'for i in $(seq 60); do sleep 5 & done; wait'
		job disk 'dd if=/dev/zero of=big bs=1M count=64; echo wrote-$?'
		job log 'while :; do echo a line that is said again and again; done'
		job fine 'sleep 2; echo fine:$((1 + 1))'
	} | on_push
	cell_run --policy ./small.yml --parallel 5
	exits 1
	says fine:2
	all | grep -q '^log: failed the job.*log-limit: it said more than'
	all | grep -q '^disk: failed the job'
	all | grep -q '^pids: failed the job'
	all | grep -q '^mem: failed the job'
	says_not wrote-0
	[ "$(cat home/runs/*/logs/log/*.log | wc -c)" -lt 100000 ]
	[[ "$(all)" == *"no cgroup wall"* ]] || says out-of-memory
}

@test "a long line, a line of a secret across pieces, bytes that are no text" {
	echo TOKEN=supersecret >secrets
	printf 'name: one\nsecrets: [TOKEN]\n' >one.yml
	steps 'env: { T: "${{ secrets.TOKEN }}" }' <<-'END'
		- run: |
		    python3 -c "import os; print(\"x\" * 65530 + os.environ[\"T\"] + \"y\" * 200000)"
		    printf 'a\000b\377c\033[31mred\rbar\n'
	END
	cell_run --secret-file secrets --policy ./one.yml --json
	exits 0
	[[ $output != *supersecret* ]]
	[[ $output != *persecret* ]]
	[[ $output == *'***'* && $output == *'bar'* ]]
	python3 -c 'import json, sys
for line in sys.stdin: json.loads(line)' <<<"$output"
}

@test "artifacts: the limit is of the whole job" {
	limits 'artifacts: 1MiB'
	{
		printf -- '- run: head -c 700000 /dev/zero >one\n'
		printf -- '- { uses: actions/upload-artifact@v4, with: { name: a%s, path: one } }\n' 1 2
	} | steps
	cell_run --policy ./small.yml -o out
	exits 1
	[ -f out/a/a1.tar.zst ]
	[ ! -e out/a/a2.tar.zst ]
}

@test "a variable that is too long, files that are no files: the step fails or nothing happens" {
	steps <<-'END'
		- run: rm $GITHUB_ENV; mkdir $GITHUB_ENV; ln -sf /etc/passwd $GITHUB_OUTPUT; rm $GITHUB_PATH; mkfifo $GITHUB_PATH
		- run: echo 1:fine
		- run: head -c 12000000 /dev/zero >$GITHUB_OUTPUT
		  continue-on-error: true
		- run: printf 'A<<E\n' >>$GITHUB_ENV
		  continue-on-error: true
		- run: '{ printf BIG=; head -c 3000000 /dev/zero | tr "\0" x; echo; } >>$GITHUB_ENV'
		- run: echo 2:not
	END
	cell_run
	exits 1
	says 1:fine "GITHUB_OUTPUT: larger than" "Matching delimiter not found" "Argument list too long"
	says_not '| 2:not'
}

@test "a job that has a question answered for long does not lift the limits of its neighbour" {
	{
		# a hundred gigabytes to hash, in 4,000 names of one file
		job ask 'truncate -s 32M f; mkdir d; for i in {1..64}; do ln f d/$i; done; for i in {1..64}; do cp -al d d$i; done'
		printf '      - run: echo ${{ hashFiles('"'d*/*'"') }}\n'
		job fill 'sleep 5; until [ $((++i)) -gt 20 ]; do head -c 8M /dev/zero >f$i; sleep 0.1; echo "has $((i * 8)) MiB"; done'
	} | on_push
	sed -e 's/^  disk: .*/  disk: 32MiB/' "$(dirname "$STEPCELL")/../../policies/default.yml" >small.yml
	start --policy ./small.yml --parallel 2
	within 30 said "fill | has 8 MiB"
	sleep 4
	kill -INT "$pid"
	finish
	exits 130
	says "hashFiles(): interrupted" # the control: the answer was waited for all the time
	says_not "has 80 MiB"
}

# has_written MIB: there is so much below the state home.
has_written() { [ "$(du -sm "$STEPCELL_HOME" | cut -f 1)" -ge "$1" ]; }

@test "who reads what is said may take their time, and no limit waits for them" {
	local write what
	write='yes much-more-than-a-pipe-holds | head -c 1000000 & for i in $(seq 20); do head -c 8M /dev/zero >/tmp/f$i; sleep 0.1; done; sleep 50'
	job fill "$write" | on_push
	sed -e 's/^  disk: .*/  disk: 32MiB/' "$(dirname "$STEPCELL")/../../policies/default.yml" >small.yml
	for what in "run -C $project --image host" 'exec --tty'; do
		mkfifo said
		exec 4<>said
		# shellcheck disable=SC2086 # words
		if [ "${what% *}" = exec ]; then
			"$STEPCELL" $what --policy ./small.yml -- bash -c "$write" >said 2>run.err </dev/null 4>&- 3>&- &
		else
			"$STEPCELL" $what --policy ./small.yml >said 2>run.err </dev/null 4>&- 3>&- &
		fi
		pid=$!
		within 40 has_written 20
		sleep 4
		if has_written 100; then return 1; fi
		cat <said >run.out 3>&- 4>&- &
		exec 4>&-
		finish
		wait || true
		[ "$status" != 0 ]
		says disk-limit
		[ "$(wc -c <run.out)" -gt 65536 ] # the control: it had to wait
		rm -r said "$STEPCELL_HOME"
	done
}
