#!/usr/bin/env bats
# PostgreSQL and Redis from Debian's packages, as images imported from OCI layouts, and a client in Python
# that speaks to both: on a container, on the runner's image, as root and as an ordinary user.
# shellcheck disable=SC2154 # bats' run and user_open set variables

bats_require_minimum_version 1.5.0
load ../helper

postgres='#!/bin/bash
# as the usual entrypoint does it: a root gives itself up, anybody else is who starts
set -e
[ "$(id -u)" != 0 ] || exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
mkdir -p "$PGDATA"
initdb -U "${POSTGRES_USER:-postgres}" --auth-local=trust --auth-host=scram-sha-256 --pwfile=<(echo "$POSTGRES_PASSWORD") >/dev/null
exec "$@" -c listen_addresses="*"'

# layout REF [KEY=JSON]...
layout() { python3 "$BATS_TEST_DIRNAME/../tiny.py" "$BATS_FILE_TMPDIR/layout/${1%:*}" "$1" "ROOT=\"$BATS_FILE_TMPDIR/root.tar\"" "${@:2}"; }

setup_file() {
	[ "$(id -u)" = 0 ] || return 0
	mkdir -p "$BATS_FILE_TMPDIR/layout"
	chmod 755 "$BATS_FILE_TMPDIR"
	mmdebstrap --quiet --mode=root --variant=minbase \
		--include=postgresql,redis-server,python3-psycopg2,python3-redis,python3-pytest \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		bookworm "$BATS_FILE_TMPDIR/root.tar" >"$BATS_FILE_TMPDIR/log" 2>&1 ||
		{ cat "$BATS_FILE_TMPDIR/log" >&2; return 1; }
	layout postgres:15 'Entrypoint=["docker-entrypoint.sh"]' 'Cmd=["postgres"]' 'StopSignal="SIGINT"' \
		'Env=["PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin", "PGDATA=/var/lib/postgresql/data"]' \
		'ExposedPorts={"5432/tcp": {}}' 'Volumes={"/var/lib/postgresql/data": {}}' \
		"FILES=$(python3 -c 'import json, sys; print(json.dumps({"usr/local/bin/docker-entrypoint.sh": sys.argv[1]}))' "$postgres")"
	layout redis:7 'Cmd=["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no"]' 'User="redis"' \
		'WorkingDir="/data"' 'ExposedPorts={"6379/tcp": {}}' 'Env=["PATH=/usr/bin:/bin"]'
	layout client:1 'Cmd=["python3"]' 'Env=["PATH=/usr/bin:/bin"]'
	rm "$BATS_FILE_TMPDIR/root.tar"
	chmod -R a+rX "$BATS_FILE_TMPDIR/layout"
}

setup() {
	[ "$(id -u)" = 0 ] || cannot "needs root, to make images from packages"
	cd "$BATS_TEST_TMPDIR" || return 1
	project=$BATS_TEST_TMPDIR/project
	mkdir -p "$project/.github/workflows"
	cat >"$project/test_servers.py" <<-'END'
		import os
		import psycopg2, redis

		HOSTS = os.environ["DB_HOST"], os.environ["CACHE_HOST"]

		def test_postgres():
		    db = psycopg2.connect(host=HOSTS[0], port=os.environ["DB_PORT"], user="ci", password="secret", dbname="postgres")
		    with db, db.cursor() as c:
		        c.execute("create table t (n int)")
		        c.execute("insert into t select generate_series(1, 1000)")
		        c.execute("select sum(n) from t")
		        assert c.fetchone() == (500500,)

		def test_redis():
		    cache = redis.Redis(host=HOSTS[1])
		    assert cache.set("key", "value") and cache.get("key") == b"value"
		    assert cache.incrby("count", 7) == 7
	END
	workflow <<-'END'
		on: push
		jobs:
		  test:
		    runs-on: ubuntu-latest
		    strategy: { matrix: { db: [db, localhost] } }
		    container: client:1
		    services:
		      db:
		        image: postgres:15
		        env: { POSTGRES_USER: ci, POSTGRES_PASSWORD: secret }
		        ports: ['5432:5432']
		        options: >-
		          --health-cmd pg_isready
		          --health-interval 10s
		          --health-timeout 5s
		          --health-retries 5
		      cache:
		        image: redis:7
		        ports: [6379]
		        options: --health-cmd "redis-cli ping" --health-interval 10s --health-timeout 5s --health-retries 5
		    env:
		      DB_HOST: ${{ matrix.db }}
		      CACHE_HOST: cache
		    steps:
		      - uses: actions/checkout@v4
		      - run: python3 -m pytest -q -p no:cacheprovider
		        env: { DB_PORT: "${{ job.services.db.ports['5432'] }}" }
		      - uses: docker://client:1
		        with: { args: python3 -m pytest -q -p no:cacheprovider -k redis }
		        env: { DB_PORT: 5432 }
	END
}

passed() {
	exits 0
	says "service db is healthy" "service cache is healthy" "2 passed" "1 passed, 1 deselected"
	says_not "failed"
}

@test "PostgreSQL and Redis, a Python client in a container, a Docker action: as root" {
	export STEPCELL_HOME=$BATS_FILE_TMPDIR/home
	for image in postgres redis client; do
		"$STEPCELL" image import -q "$BATS_FILE_TMPDIR/layout/$image"
	done
	run --separate-stderr timeout 300 "$STEPCELL" run -C "$project" </dev/null
	passed
	! pgrep -f "postgres: checkpointer" || false
}

@test "the same as an ordinary user" {
	user_open
	export USER_TIMEOUT=300
	for image in postgres redis client; do
		as_user stepcell image import -q "$BATS_FILE_TMPDIR/layout/$image"
	done
	cp -R "$project" "$user_home" && chown -R "$user:" "$user_home/project"
	run --separate-stderr as_user stepcell run -C project
	user_close
	passed
}
