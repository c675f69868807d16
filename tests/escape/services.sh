#!/bin/bash
# services.sh: attacks from and on the cells of one job that share a network: a step against its services,
# a service against its job, another job, the host. TAP, a line an attack.
set -u

# shellcheck source=tests/escape/whole.bash
. "$(dirname "$0")/whole.bash"

if [ ! -x /bin/busybox ] && [ -z "${TINY_IMAGES-}" ]; then
	skipped "E3 a network that cells share" "needs busybox-static, to make images"
	echo "1..$tests"
	exit 0
fi

# The payloads (attack.c), run as steps of a job with a service, from its checkout.
payload=$tmp/attack
cp "${ATTACK-}" "$payload" 2>/dev/null || # compiled elsewhere, where this host has no compiler
	gcc -std=gnu17 -O1 -D_GNU_SOURCE -Wall -Wextra -o "$payload" "$here"/*.c -lseccomp -lpthread || exit 1

# image REF [KEY=JSON]...: into the store
image() {
	python3 "$here/../e2e/tiny.py" "$tmp/layout-${1%:*}" "$@" && "$STEPCELL" image import -q "$tmp/layout-${1%:*}" >/dev/null
}
image box:1 'Env=["PATH=/bin"]' || exit 1

# with_service NAME COMMAND [KEY: VALUE] <<STEPS: a repository of one job `a`, whose service `db` runs COMMAND
with_service() {
	local dir
	dir=$(
		{
			printf 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    services:\n      db:\n        image: box:1\n'
			printf '        entrypoint: /bin/sh\n        command: '\''-c "%s"'\''\n' "$2"
			[ $# -lt 3 ] || printf '        %s\n' "$3"
			printf '        options: --health-cmd "test -e /tmp/well"\n    steps:\n      - uses: actions/checkout@v4\n'
			sed 's/^/      /'
		} | repository "$1"
	)
	cp "$payload" "$dir/attack"
	echo "$dir"
}
answers='touch /tmp/well; echo served >/tmp/it; exec nc -ll -p 4000 -e cat /tmp/it'

# ---- a step and the network ----

# payload "ROW" CONTROL [ARGUMENT...]: what the step says must be "held", what the control says "open"
payload() {
	local name=$1 control=$2 dir out open=1 held=1
	shift 2
	# shellcheck disable=SC2086 # words on purpose
	[[ "$(cd "$tmp" && $control 2>&1)" != *open:* ]] || open=0
	dir=$(with_service "p$tests" "$answers" <<<"- run: ./attack $*")
	out=$(run "$dir")
	grep -q '^a | held:' <<<"$out" && held=0
	verdict "$name" $open $held "$out"
}

host_listeners() {
	local port abstract server
	python3 - "$tmp/ports" <<-'END' &
		import select, socket, sys
		tcp, local = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)
		local.bind("\0shared-escape")
		local.listen()
		open(sys.argv[1], "w").write("%d shared-escape\n" % tcp.getsockname()[1])
		while True:
		    for s in select.select([tcp, local], [], [])[0]:
		        s.accept()[0].close()
	END
	server=$!
	within 10 test -s "$tmp/ports"
	read -r port abstract <"$tmp/ports"
	payload "E3 from a job's network: listeners of the host" "./attack connect $port $abstract" connect "$port" "$abstract"
	payload "E4 from a job's network: abstract sockets of the host" "./attack abstract $abstract" abstract "$abstract"
	kill $server
	wait $server 2>/dev/null
}

# ---- two jobs ----

# A service of one job, asked from another that has a network too: it is not there.
another_job() {
	local dir out held=1 open=1
	dir=$(
		repository two <<-END
			on: push
			jobs:
			  a:
			    runs-on: ubuntu-latest
			    services: { db: { image: "box:1", entrypoint: /bin/sh, command: -c "$answers" } }
			    steps:
			      - run: |
			          for i in \$(seq $((60 * slow))); do (exec 3<>/dev/tcp/db/4000 && cat <&3) && break; sleep 0.5; done
			          sleep 5
			  b:
			    runs-on: ubuntu-latest
			    services: { other: { image: "box:1", entrypoint: sleep, command: "600" } }
			    steps:
			      - run: |
			          for i in \$(seq $((20 * slow))); do (exec 3<>/dev/tcp/127.0.0.1/4000 && cat <&3) 2>/dev/null || true; sleep 0.5; done
			          echo done
		END
	)
	out=$(run "$dir" --parallel 2)
	grep -q '^a | served' <<<"$out" && open=0
	grep -q '^b | done' <<<"$out" && ! grep -q '^b | served' <<<"$out" && held=0
	verdict "E3 another job's service" $open $held "$out"
}

# ---- a service against who started it ----

# The function that starts a server has stepcell's memory, and with it the secrets of other jobs.
memory_of_the_starter() {
	local dir out log held=1 open=1 spy
	# shellcheck disable=SC2016 # for the shell of the service
	spy='for p in 1 2 3; do cat /proc/$p/environ >/dev/null && echo environ $p; grep -c . /proc/$p/maps && echo maps $p; done; kill -STOP 1; touch /tmp/well; sleep 600'
	dir=$(with_service spy "$spy" <<<'- run: sleep 0.5; echo went on')
	out=$(run "$dir")
	log=$(cat "$STEPCELL_HOME"/runs/*/logs/a/service-db.log | tail -n 40)
	grep -q '^environ 3' <<<"$log" && grep -q '^maps 3' <<<"$log" && open=0
	! grep -qE '^(environ|maps) [12]$' <<<"$log" && grep -q '^a | went on' <<<"$out" && held=0
	verdict "C21 a server and stepcell's copies in its cell" $open $held "$log"$'\n'"$out"
}

# Nor is what it was called by there to be read: the operator's line has his paths, and what else he put there.
line_of_the_starter() {
	local dir out log held=1 open=1 spy
	# shellcheck disable=SC2016 # for the shell of the service
	spy='for p in 1 2 3; do echo line $p $(cat /proc/$p/cmdline); done; touch /tmp/well; sleep 600'
	dir=$(with_service line "$spy" <<<'- run: echo went on')
	out=$(run "$dir")
	log=$(tail -qn 3 "$STEPCELL_HOME"/runs/*/logs/a/service-db.log | grep -a "^line ")
	grep -qE '^line 3 /bin/sh' <<<"$log" && open=0
	[ "$(grep -cE '^line [12] stepcell-init[^ -~]*$' <<<"$log")" = 2 ] && ! grep -qF "$dir" <<<"$log" && held=0
	verdict "E9 the operator's command line, from a service" $open $held "$log"$'\n'"$out"
}

# It ends its cell by killing who started it: the job fails, and nothing else does.
killing_the_starter() {
	local dir out held=1 open=1
	sh -c 'sleep 0.1 & kill -9 $!; wait $!' 2>/dev/null || open=0
	dir=$(with_service suicide 'touch /tmp/well; sleep 0.5; kill -9 2; sleep 600' <<-'END'
		- run: sleep 1.5
		- run: echo never-$((1 + 1))
		- run: echo always-$((1 + 1))
		  if: always()
	END
	)
	out=$(run "$dir")
	grep -q "service 'db': " <<<"$out" && grep -q '^a | always-2' <<<"$out" && ! grep -q '^a | never-2' <<<"$out" && held=0
	verdict "A15 a server that kills who started it" $open $held "$out"
}

# It says it is well and fills the job's log with words of stepcell's, which nobody takes for commands.
false_words() {
	local dir out held=1 open=0
	dir=$(with_service words 'echo ::error::forged; echo ::set-output name=x::1; printf \\033[2J; touch /tmp/well; sleep 600' <<<'- run: echo went on')
	out=$(run "$dir")
	grep -q '^a | went on' <<<"$out" && ! grep -q forged <<<"$out" && ! grep -q $'\033' <<<"$out" && held=0
	verdict "E14 commands in what a service says" $open $held "$out"
}

# ---- a service with a network of its own, and what leads there ----

log_of_last() {
	local runs=("$STEPCELL_HOME"/runs/*/)
	cat "${runs[-1]}logs/a/service-$1.log"
}

# Every port of the job's loopback is tried, and from the service every one of its own, where the step and the
# host listen at others.
other_ports() {
	local dir out log held=1 open=1 server name="E3 through a forwarder"
	python3 -c '
import socket, sys
s = socket.create_server(("127.0.0.1", 0))
open(sys.argv[1], "w").write(str(s.getsockname()[1]))
while True: s.accept()[0].close()' "$tmp/port" &
	server=$!
	within 10 test -s "$tmp/port"
	# shellcheck disable=SC2016 # for the shell of the service
	dir=$(with_service others "(nc -ll -p 4000 -e echo served &); (nc -ll -p 4444 -e echo hidden &); sleep 0.3; \
nc 127.0.0.1 4444 </dev/null; nc 127.0.0.1 $(cat "$tmp/port") </dev/null && echo OPEN host; touch /tmp/well; \
for i in 1 2 3 4 5 6 7 8 9; do sleep 0.3; nc 127.0.0.1 5555 </dev/null && echo OPEN job; done; echo tried; sleep 600" \
		'ports: ["4001:4000"]' <<-'END'
			- run: |
			    python3 - <<'E'
			    import socket, time
			    own = socket.create_server(("127.0.0.1", 5555))
			    for host, ports in ("127.0.0.1", 65536), ("127.0.1.1", 10000):
			        for port in range(1, ports):
			            try:
			                with socket.create_connection((host, port), 10) as s:
			                    print("found", host, port, s.recv(100) if port != 5555 else "own", flush=True)
			            except ConnectionRefusedError:
			                pass
			    time.sleep(4)
			    E
	END
	)
	out=$(run "$dir")
	log=$(log_of_last db)
	grep -q '^hidden' <<<"$log" && grep -q "^a | found 127.0.0.1 4001 b'served" <<<"$out" && open=0
	[ "$(grep -c '^a | found' <<<"$out")" = 2 ] && grep -q '^a | found 127.0.0.1 5555 own' <<<"$out" && held=0
	verdict "$name: other ports of the service" $open $held "$log"$'\n'"$out"
	held=1 open=1
	[ -z "$(bash -c "exec 3<>/dev/tcp/127.0.0.1/$(cat "$tmp/port")" 2>&1)" ] && grep -q '^a | found 127.0.0.1 5555 own' <<<"$out" && open=0
	grep -q '^tried' <<<"$log" && ! grep -q OPEN <<<"$log" && held=0
	verdict "$name: the loopbacks of the job and the host, from the service" $open $held "$log"
	kill $server
	wait $server 2>/dev/null
}

# Two jobs with the same ports at the same time: each finds its own service.
same_ports() {
	local dir out held=1 open=1 job
	dir=$(
		printf 'on: push\njobs:\n' >"$tmp/same.yml"
		for job in a b; do
			cat <<-END
				  $job:
				    runs-on: ubuntu-latest
				    services: { db: { image: "box:1", entrypoint: nc, command: -ll -p 4000 -e echo of-$job, ports: ["4001:4000"] } }
				    steps:
				      - run: for i in 1 2 3 4 5 6 7 8; do (exec 3<>/dev/tcp/127.0.0.1/4001 && cat <&3) || true; sleep 0.5; done
			END
		done >>"$tmp/same.yml"
		repository same <"$tmp/same.yml"
	)
	out=$(run "$dir" --parallel 2)
	grep -q '^a | of-a' <<<"$out" && grep -q '^b | of-b' <<<"$out" && open=0
	! grep -qE '^a \| of-b|^b \| of-a' <<<"$out" && held=0
	verdict "E3 through a forwarder: another job's service at the same port" $open $held "$out"
}

# flood.py PORT: up to 400 connections that are kept; how many are answered. Then one more, when they are gone.
cat >"$tmp/flood.py" <<'END'
import select, socket, sys
def dial():
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 300)
    return s, bool(select.select([s], [], [], 10)[0])
every = []
while len(every) < 400:
    every.append(dial())
    if not every[-1][1]:
        every += [(socket.create_connection(("127.0.0.1", int(sys.argv[1])), 300), False) for _ in range(len(every), 400)]
waiting = [s for s, answered in every if not answered]
late = waiting and select.select(waiting, [], [], 2)[0]
print("answered", len(every) - len(waiting) + len(late), flush=True)
for s, _ in every:
    s.close()
for _ in range(20):  # its server's queue may have no room yet, and TCP forgets who finds none
    last, answered = dial()
    if answered:
        break
print("after it", last.recv(100), flush=True)
END

flood() {
	local dir out held=1 open=1 server
	python3 -c '
import socket, sys
s = socket.create_server(("127.0.0.1", 0), backlog=1000)
open(sys.argv[1], "w").write(str(s.getsockname()[1]))
keep = []
while True:
    keep.append(s.accept()[0])
    keep[-1].sendall(b"served")' "$tmp/flooded" &
	server=$!
	within 10 test -s "$tmp/flooded"
	python3 "$tmp/flood.py" "$(cat "$tmp/flooded")" 2>/dev/null | grep -c '^answered 400' >/dev/null && open=0
	kill $server
	wait $server 2>/dev/null
	dir=$(with_service flood 'touch /tmp/well; exec nc -ll -p 4000 -e echo served' 'ports: ["4001:4000"]' <<-'END'
		- run: python3 flood.py 4001
		- run: exec 3<>/dev/tcp/localhost/4001; echo "next step, $(cat <&3)"
	END
	)
	cp "$tmp/flood.py" "$dir"
	out=$(run "$dir")
	grep -q '^a | answered 256$' <<<"$out" && grep -q "^a | after it b'served" <<<"$out" &&
		grep -q '^a | next step, served' <<<"$out" && held=0
	verdict "D6 a flood of connections through a forwarder" $open $held "$out"
}

# It is in sight of neither side: every number that a process could have is killed, and it goes on.
out_of_reach() {
	local dir out log held=1 open=1
	# shellcheck disable=SC2016 # for the shells of the service and of the step
	local kill='for p in $(seq 5 40000); do [ $p = $$ ] || kill -9 $p 2>/dev/null || true; done'
	sh -c 'sleep 60 & for p in $!; do [ $p = $$ ] || kill -9 $p 2>/dev/null; done; wait $!; [ $? = 137 ]' && open=0
	# shellcheck disable=SC2016
	dir=$(with_service reach 'set -- /proc/[0-9]*; echo sees $#; '"$kill"'; echo tried; touch /tmp/well; exec nc -ll -p 4000 -e echo served' \
		'ports: ["4001:4000"]' <<-END
			- run: |
			    set -- /proc/[0-9]*; echo "sees \$#"
			    $kill
			    exec 3<>/dev/tcp/localhost/4001; echo "still \$(cat <&3)"
	END
	)
	out=$(run "$dir")
	log=$(log_of_last db)
	grep -q '^sees [34]$' <<<"$log" && grep -q '^tried' <<<"$log" && grep -qE '^a \| sees [23]$' <<<"$out" &&
		grep -q '^a | still served' <<<"$out" && held=0
	verdict "C21 the forwarder, from a service and from a step" $open $held "$log"$'\n'"$out"
}

# ---- a container and what stepcell keeps ----

# A policy grants a folder of the host, and in it, or around it, lies the state home, with every filter.
state_as_a_volume() {
	local dir place held=0 open=1 out volumes=0
	mkdir -p "$tmp/apart"
	chmod 777 "$tmp/apart"
	ln -sfn "$STEPCELL_HOME/cache" "$tmp/link"
	for place in "$tmp/apart" "$tmp" "$STEPCELL_HOME" "$STEPCELL_HOME/cache" "$tmp/link"; do
		volumes=$((volumes + 1))
		dir=$(repository "volume$volumes" <<-END
			on: push
			jobs:
			  a:
			    runs-on: ubuntu-latest
			    container: { image: "box:1", volumes: ["$place:/v"] }
			    steps:
			      - run: echo forged >/v/written
		END
		)
		sed "s|^volumes:.*|volumes: ['$place:rw']|" "$top/policies/default.yml" >"$dir.yml"
		out=$(run "$dir" --policy "$dir.yml")
		if [ "$place" = "$tmp/apart" ]; then
			[ "$(cat "$place/written" 2>/dev/null)" = forged ] && open=0
		elif [ -e "$place/written" ] || ! grep -q "own state is in" <<<"$out"; then
			held=1
			break
		fi
	done
	verdict "filters: where they are kept, as a container's volume" $open $held "$place: $out"
}

# ---- what is left ----

# holders NAMESPACE: the processes that are in it, and the descriptors that hold it.
holders() {
	find /proc/[0-9]*/ns/net /proc/[0-9]*/fd -lname "$1" 2>/dev/null
}

# shellcheck disable=SC2317 # called by within
is_gone() { [ -z "$(holders "$1")" ] && ! pgrep -f '^sleep 61277' >/dev/null; }

nothing_left() {
	local dir pid server network held=1 open=1 out=$tmp/left.out
	dir=$(with_service left 'touch /tmp/well; sleep 61277; true' <<<'- run: sleep 600')
	run "$dir" >"$out" &
	pid=$!
	within 10 grep -q 'step Run sleep' "$out"
	server=$(pgrep -f '^sleep 61277')
	network=$(readlink "/proc/${server:-none}/ns/net" | sed 's/[][]/\\&/g')
	[ -n "$network" ] && [ -n "$(holders "$network")" ] && open=0
	pgrep -f -- "-C $dir" | xargs kill -KILL
	wait $pid 2>/dev/null
	"$STEPCELL" plan -C "$dir" >/dev/null # takes away the layers that are left
	within 5 is_gone "$network" && held=0
	verdict "D14 D16 a job's network and its services, when stepcell is killed" $open $held "$(cat "$out"; holders "$network")"
}

payload "E1 packets from a job's network" "./attack egress 127.0.0.1" egress 192.0.2.1 10.0.0.1 172.17.0.1 169.254.169.254 2001:db8::1
payload "C3 namespaces, from a job's network" "./attack namespaces" namespaces
payload "C23 netlink and raw sockets in a job's network" "./attack netlink" netlink
host_listeners
another_job
memory_of_the_starter
line_of_the_starter
killing_the_starter
false_words
other_ports
same_ports
flood
out_of_reach
state_as_a_volume
nothing_left

mkdir -p "$tmp/share/tests/e2e"
cp "$here/../e2e/tiny.py" "$tmp/share/tests/e2e/"
again_as_user
