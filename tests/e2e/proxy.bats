#!/usr/bin/env bats
# A policy that lets a job reach named hosts: through a proxy, and what it decided is told.
# shellcheck disable=SC2154 # user_open sets user_home

bats_require_minimum_version 1.5.0
load helper

teardown() {
	[ -z "${server-}" ] || kill "$server"
	user_close
}

# serve: a web server on 127.0.0.1, at $port, that says "served"; and a policy that names it.
serve() {
	mkdir www
	echo served >www/x
	python3 - www >port.new 3>&- <<-'END' &
		import functools, http.server, sys
		class Handler(http.server.SimpleHTTPRequestHandler):
		    def log_message(self, *words): pass
		server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=sys.argv[1]))
		print(server.server_address[1], flush=True)
		server.serve_forever()
	END
	server=$!
	within 10 [ -s port.new ]
	port=$(<port.new)
	cat >named.yml <<-END
		name: named
		network: { mode: proxy, allow: ["127.0.0.1:$port", "localhost:$port"] }
	END
}

# A program that prints what each URL says, or why not. What is at 127.0.0.1 is the job's own for others.
fetch='
import os, sys, urllib.request
os.environ.update(no_proxy="", NO_PROXY="")
for url in sys.argv[1:]:
    try:
        print(urllib.request.urlopen(url, timeout=20).read().decode().strip())
    except urllib.error.HTTPError as e:
        print(e.code, e.read().decode().strip())'

@test "exec reaches what the policy names and nothing else, and says what was refused" {
	serve
	run --separate-stderr timeout 60 "$STEPCELL" exec --policy named.yml -- python3 -c "$fetch" \
		"http://127.0.0.1:$port/x" "http://localhost:$port/x" "http://other.example.com/" </dev/null
	exits 0
	[ "${lines[0]}" = served ]
	[ "${lines[1]}" = "403 stepcell: it leads to 127.0.0.1, which is no public address" ]
	[ "${lines[2]}" = "403 stepcell: the policy does not allow it" ]
	says "refused: connect(other.example.com:80) the policy does not allow it, 1 time"

	# a network that the policy calls its own
	sed -i 's|allow:|internal: [127.0.0.0/8], allow:|' named.yml
	run --separate-stderr timeout 60 "$STEPCELL" exec --policy named.yml -- python3 -c "$fetch" "http://localhost:$port/x"
	exits 0
	[ "$output" = served ]
}

@test "without the proxy nothing is reached, and no other policy has one" {
	serve
	run timeout 60 "$STEPCELL" exec --policy named.yml -- python3 -c "
import socket
try: socket.create_connection(('127.0.0.1', $port), 5)
except OSError as e: print(e)" </dev/null
	exits 0
	says "Connection refused"
	run timeout 60 "$STEPCELL" exec -- sh -c 'echo "proxy:$http_proxy$HTTPS_PROXY"' </dev/null
	says "proxy:"
	says_not 3128
}

@test "a run: the environment names the proxy, the journal has what it decided, step by step" {
	serve
	echo "$fetch" >"$project/fetch.py"
	steps <<-END
		- run: echo "by \$http_proxy and \$HTTPS_PROXY"
		- uses: actions/checkout@v4
		- run: python3 fetch.py http://127.0.0.1:$port/x http://127.0.0.1:$port/x http://evil.example.com/
	END
	cell_run --policy named.yml
	exits 0
	says "by http://127.0.0.1:3128 and http://127.0.0.1:3128" "403 stepcell: the policy does not allow it" \
		"connect(evil.example.com:80)"
	"$STEPCELL" runs show --json | python3 -c "
import json, sys
events = [e for e in map(json.loads, sys.stdin) if e['type'] == 'network']
assert len(events) == 1, events
e = events[0]
assert (e['job'], e['step']) == ('a', 3), e
assert e['allowed'] == [{'host': '127.0.0.1:$port', 'count': 2}], e
assert e['refused'] == [{'call': 'connect', 'arguments': 'evil.example.com:80', 'answer': 'the policy does not allow it', 'count': 1}], e"
}

@test "what was allowed is told, whatever else a step asks for" {
	serve
	steps <<-END
		- shell: python3 {0}
		  run: |
		    import socket
		    def ask(words):
		        with socket.create_connection(("127.0.0.1", 3128)) as s:
		            s.sendall(words.encode() + b" HTTP/1.1\r\n\r\n")
		            return b"".join(iter(lambda: s.recv(4096), b""))
		    # more kinds than are told apart, and more words than a pipe holds
		    for i in range(1500):
		        assert b" 403 " in ask("CONNECT %d.refused.example.com:443" % i)
		    assert ask("GET http://127.0.0.1:$port/x").endswith(b"served\n")
	END
	cell_run --policy "$PWD/named.yml"
	exits 0
	python3 - "$STEPCELL_HOME"/runs/*/journal.ndjson "$port" <<-'END'
		import json, sys
		event, = (e for e in map(json.loads, open(sys.argv[1])) if e["type"] == "network")
		assert event["allowed"] == [{"host": "127.0.0.1:" + sys.argv[2], "count": 1}], event["allowed"]
		assert sum(r["count"] for r in event["refused"]) == 1500, event["refused"]
	END
}

@test "jobs at once have a proxy each; a stepcell that is killed takes it along" {
	serve
	mark=proxied$$
	workflow <<-END
		on: push
		jobs:
		$(for j in a b; do job $j "exec -a $mark sleep 60"; done)
	END
	start --policy named.yml
	within 20 alive $mark
	groups=$(cgroups_of_run)
	[ "$(pgrep -c -P "$pid")" -ge 4 ]
	kill -KILL "$pid"
	wait "$pid" || true
	nothing_left $mark ""
	within 5 [ -z "$(for g in $groups; do cat "$g/cgroup.procs" 2>/dev/null; done)" ]
}

@test "an ordinary user has it too" {
	[ "$(id -u)" = 0 ] || cannot "it takes root to be another user"
	serve
	user_open
	cp named.yml "$user_home/"
	run --separate-stderr as_user stepcell exec --policy named.yml -- python3 -c "$fetch" "http://127.0.0.1:$port/x" "http://other.example.com/"
	exits 0
	[ "${lines[0]}" = served ]
	[ "${lines[1]}" = "403 stepcell: the policy does not allow it" ]
}
