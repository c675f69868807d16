#!/usr/bin/env bats
# pip and a policy that names hosts: packages come from an index, over HTTP and TLS, through the job's proxy.
# The index is a folder of wheels behind a server of the test's, in a network of its own that holds nothing
# else; its wheels are of this project's example projects.
# shellcheck disable=SC2154,SC2016 # run sets stderr; the steps expand what is quoted here

bats_require_minimum_version 1.5.0
load helper

# cell_run [OPTION]...: as everybody's, for programs that take their time to start.
cell_run() { run --separate-stderr timeout 300 "$STEPCELL" run -C "$project" --image host "$@" </dev/null; }

PYTHON=/usr/bin/python3 # of the host's image
ADDRESS=192.0.3.7       # that the index has, and the names beside it

# wheels_make: an index of them as PEP 503 has it: a folder a project.
wheels_make() {
	local name
	for name in tally abi; do
		cp -R "$BATS_TEST_DIRNAME/../projects/$name" "$BATS_FILE_TMPDIR/"
		mkdir -p "$BATS_FILE_TMPDIR/index/simple/$name"
		"$PYTHON" -m pip wheel -q --no-build-isolation --no-deps --no-index \
			-w "$BATS_FILE_TMPDIR/index/simple/$name" "$BATS_FILE_TMPDIR/$name" || return 1
	done
}

# authority_make: an authority, and a certificate of it for the server.
authority_make() (
	cd "$BATS_FILE_TMPDIR" || exit 1
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem
	openssl req -newkey rsa:2048 -nodes -subj /CN=packages.example.com -keyout server.key -out server.csr
	printf 'subjectAltName=DNS:packages.example.com,DNS:other.example.com\n' >server.ext
	openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext -out server.crt
) 2>/dev/null

setup_file() {
	[ "$(id -u)" = 0 ] || return 0
	"$PYTHON" -c "import setuptools, pip" || return 0
	wheels_make && authority_make
}

# network_open: a network and names of the test's own, with the index in it; from here on stepcell runs there.
network_open() {
	[ "$(id -u)" = 0 ] || cannot "it takes root to give addresses and names to a network"
	[ -e "$BATS_FILE_TMPDIR/index" ] || cannot "$PYTHON has no pip and setuptools to build wheels with"
	printf '127.0.0.1 localhost\n%s packages.example.com other.example.com\n' $ADDRESS >hosts
	chmod 644 hosts
	unshare --net --mount sh -ec '
		ip link set lo up
		ip addr add '$ADDRESS'/32 dev lo
		mount --bind hosts "$(readlink -f /etc/hosts)"
		exec "$0" "$@"' "$PYTHON" "$BATS_TEST_DIRNAME/index.py" "$BATS_FILE_TMPDIR" $ADDRESS asked >index.out 2>&1 3>&- &
	server=$!
	within 20 [ -e asked ]
	# the state home of a run that was set up here is this one's too
	printf '#!/bin/sh\nexec nsenter --target %s --net --mount --wdns="$PWD" -- %s "$@"\n' "$server" "$STEPCELL" >stepcell
	chmod 755 stepcell
	STEPCELL=$PWD/stepcell
	policy named trusted
	cp "$BATS_FILE_TMPDIR/ca.pem" "$project/"
}

teardown() { [ -z "${server-}" ] || kill "$server"; }

# policy NAME default|untrusted: NAME.yml is that policy with a proxy to the index.
policy() {
	sed "s/^name: .*/name: $1/; s/^network: .*/network: { mode: proxy, allow: [\"packages.example.com:80\", \"packages.example.com:443\"] }/" \
		"$BATS_TEST_DIRNAME/../../policies/${2/#trusted/default}.yml" >"$1.yml"
}

# asked PATTERN: how often the index was asked for what matches.
asked() { grep -cE -- "$1" asked || true; }

# steps <<END: the project's workflow is one job of these, which takes packages from the index.
steps() {
	{
		cat <<-'END'
			on: [push, pull_request]
			env: { PIP_INDEX_URL: 'https://packages.example.com/simple/', PIP_CERT: ca.pem, PIP_RETRIES: 0 }
			jobs:
			  a:
			    runs-on: ubuntu-latest
			    steps:
			      - uses: actions/checkout@v4
		END
		cat
	} | workflow
}

@test "pip installs what the policy lets it reach, over TLS, and it works" {
	network_open
	steps <<-'END'
		      - run: echo "by $HTTPS_PROXY"
		      - run: python3 -m pip install tally
		      - run: python3 -c 'import tally; print("imported from", tally.__file__)'
		      - run: printf 'b a b\n' >text && tally text
	END
	cell_run --policy ./named.yml
	exits 0
	says "by http://127.0.0.1:3128" "Successfully installed tally-1.2.0" "imported from /"
	[ "$(asked 'TLS GET /simple/tally/tally-1.2.0.*whl')" = 1 ]
	"$STEPCELL" runs show --json | "$PYTHON" -c "
import json, sys
events = [e for e in map(json.loads, sys.stdin) if e['type'] == 'network']
assert [(e['step'], [h['host'] for h in e['allowed']], e['refused']) for e in events] == [(3, ['packages.example.com:443'], [])], events"
}

@test "a host that the policy does not name: pip fails, and the run names it" {
	network_open
	steps <<-'END'
		      - run: PIP_RETRIES=1 python3 -m pip install --index-url https://other.example.com/simple/ tally
	END
	cell_run --policy ./named.yml
	exits 1
	says "Tunnel connection failed: 403" "ERROR: No matching distribution found for tally" \
		"refused connect(other.example.com:443) the policy does not allow it"
	# one of two indexes: what the other has is had
	sed -i 's|--index-url .* tally|--extra-index-url http://other.example.com/simple/ --trusted-host other.example.com abi|' \
		"$project/.github/workflows/ci.yml"
	cell_run --policy ./named.yml
	exits 0
	says "Successfully installed abi" "refused connect(other.example.com:80) the policy does not allow it"
	[ "$(asked other.example.com)" = 0 ]
	# and the default policy reaches nothing
	sed -i 's|--extra-index-url .* abi|tally|' "$project/.github/workflows/ci.yml"
	cell_run
	exits 1
	says "No matching distribution found for tally"
}

@test "pip's own configuration counts, and plain HTTP is passed on" {
	network_open
	steps <<-'END'
		      - run: |
		          unset PIP_INDEX_URL
		          python3 -m pip config set global.index-url http://packages.example.com/simple/
		          python3 -m pip config set global.trusted-host packages.example.com
		      - run: |
		          unset PIP_INDEX_URL
		          python3 -m pip install abi
		          abi --help >help && echo "abi runs: $(head -c 5 help)"
	END
	cell_run --policy ./named.yml
	exits 0
	says "Successfully installed abi-" "abi runs: usage"
	[ "$(asked '^HTTP GET /simple/abi/abi-.*whl')" = 1 ]
}

# cached PACKAGE: a job that has setup-python install what its requirements say, with pip's cache.
cached() {
	printf '%s\n' "$@" >"$project/requirements.txt"
	steps <<-'END'
		      - run: |
		          mkdir -p "$RUNNER_TOOL_CACHE/Python/3.12.1/x64/bin"
		          ln -s /usr/bin/python3 "$RUNNER_TOOL_CACHE/Python/3.12.1/x64/bin/python"
		          touch "$RUNNER_TOOL_CACHE/Python/3.12.1/x64.complete"
		      - uses: actions/setup-python@v6
		        id: py
		        with:
		          python-version: ${{ job.status && '3.12' }}
		          architecture: x64
		          cache: pip
		          pip-install: -r requirements.txt
		      - run: echo "hit [${{ steps.py.outputs.cache-hit }}]"; python3 -c 'import tally; print("imported tally")'
	END
}

@test "pip's cache by trust: an untrusted run reads what a trusted one left, and leaves it nothing" {
	[ "$(uname -m)" = x86_64 ] || cannot "the rows are written for x64"
	network_open
	policy strangers untrusted
	cached tally
	cell_run --policy ./named.yml
	exits 0
	says "hit [false]" "Downloading" "imported tally" "saved for refs/heads/main:"
	cell_run --policy ./named.yml
	exits 0
	says "hit [true]" "Using cached" "imported tally" "is not saved again"
	[ "$(asked 'tally-.*whl')" = 1 ]

	# the same, from a stranger: what is trusted is read
	cell_run --policy ./strangers.yml -e pull_request
	exits 0
	says "hit [true]" "Using cached" "imported tally"
	[ "$(asked 'tally-.*whl')" = 1 ]

	# another package: the base's cache is a start, and what is added is the stranger's alone
	cached tally abi
	cell_run --policy ./strangers.yml
	exits 0
	says "hit [false]" "Using cached" "saved for refs/heads/main, untrusted"
	[ "$(asked 'abi-.*whl')" = 1 ]
	cell_run --policy ./strangers.yml
	exits 0
	says "hit [true]"
	[ "$(asked 'abi-.*whl')" = 1 ]
	cell_run --policy ./named.yml
	exits 0
	says "hit [false]" "saved for refs/heads/main:"
	says_not "which an untrusted run left"
	[ "$(asked 'abi-.*whl') $(asked 'tally-.*whl')" = "2 1" ]
}
