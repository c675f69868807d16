#!/usr/bin/env bats
# PostgreSQL (two, at one port) and Redis from Debian's packages, in an image imported from an OCI layout, and a client in
# Python that speaks to both: from a container and from a Docker action, as root and as an ordinary user.
# One image has all of it, for each is half a gigabyte to import.
# shellcheck disable=SC2154 # bats' run and user_open set variables

bats_require_minimum_version 1.5.0
load ../helper

# As the usual entrypoint does it: a root gives itself up, anybody else is who starts.
entrypoint='#!/bin/bash
set -e
[ "$1" = postgres ] || exec "$@"
[ "$(id -u)" != 0 ] || exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
mkdir -p "$PGDATA" /run/postgresql
initdb -U "${POSTGRES_USER:-postgres}" --auth-local=trust --auth-host=scram-sha-256 --pwfile=<(echo "$POSTGRES_PASSWORD") >/dev/null
exec "$@" -c listen_addresses="*"'

setup_file() {
	[ "$(id -u)" = 0 ] || return 0
	chmod a+rx "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/file" "$BATS_FILE_TMPDIR"
	mmdebstrap --quiet --mode=root --variant=minbase \
		--include=postgresql,redis-server,python3-psycopg2,python3-redis,python3-pytest \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		bookworm "$BATS_FILE_TMPDIR/root.tar" >"$BATS_FILE_TMPDIR/log" 2>&1 ||
		{ cat "$BATS_FILE_TMPDIR/log" >&2; return 1; }
	python3 "$BATS_TEST_DIRNAME/../tiny.py" "$BATS_FILE_TMPDIR/layout" stack:1 "ROOT=\"$BATS_FILE_TMPDIR/root.tar\"" \
		'Entrypoint=["docker-entrypoint.sh"]' 'Cmd=["postgres"]' 'StopSignal="SIGINT"' \
		'Env=["PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin", "PGDATA=/var/lib/postgresql/data"]' \
		'ExposedPorts={"5432/tcp": {}}' 'Volumes={"/var/lib/postgresql/data": {}}' \
		"FILES=$(python3 -c 'import json, sys; print(json.dumps({"usr/local/bin/docker-entrypoint.sh": sys.argv[1]}))' "$entrypoint")"
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
		import psycopg2, pytest, redis

		HOSTS = os.environ["DB_HOST"], os.environ["CACHE_HOST"]

		# of two servers at one port, the second one by two of its names
		@pytest.mark.parametrize("host, port, name", [(HOSTS[0], os.environ["DB_PORT"], "ci"), ("localhost", 5433, "old"), ("old", 5432, "old")])
		def test_postgres(host, port, name):
		    db = psycopg2.connect(host=host, port=port, user=name, password="secret", dbname="postgres")
		    with db, db.cursor() as c:
		        c.execute("create temporary table t (n int)")
		        c.execute("insert into t select generate_series(1, 1000)")
		        c.execute("select sum(n) from t")
		        assert c.fetchone() == (500500,)

		def test_redis():
		    cache = redis.Redis(host=HOSTS[1])
		    assert cache.set("key", "value") and cache.get("key") == b"value"
		    assert cache.incrby("count", 7) in (7, 14)  # of the two who ask
	END
	workflow <<-'END'
		on: push
		jobs:
		  test:
		    runs-on: ubuntu-latest
		    strategy: { matrix: { db: [db, localhost] } }
		    container: stack:1
		    services:
		      db:
		        image: stack:1
		        env: { POSTGRES_USER: ci, POSTGRES_PASSWORD: secret }
		        ports: ['5432:5432']
		        options: >-
		          --health-cmd pg_isready
		          --health-interval 10s
		          --health-timeout 5s
		          --health-retries 5
		      old:
		        image: stack:1
		        env: { POSTGRES_USER: old, POSTGRES_PASSWORD: secret }
		        ports: ['5433:5432']
		        options: --health-cmd pg_isready --health-interval 10s --health-timeout 5s --health-retries 5
		      cache:
		        image: stack:1
		        command: redis-server --bind 0.0.0.0 --protected-mode no
		        ports: [6379]
		        options: --health-cmd "redis-cli ping" --health-interval 10s --health-timeout 5s --health-retries 5
		    env:
		      DB_HOST: ${{ matrix.db }}
		      CACHE_HOST: cache
		    steps:
		      - uses: actions/checkout@v4
		      - run: python3 -m pytest -q -p no:cacheprovider
		        env: { DB_PORT: "${{ job.services.db.ports['5432'] }}" }
		      - uses: docker://stack:1
		        with: { args: python3 -m pytest -q -p no:cacheprovider -k redis }
		        env: { DB_PORT: 5432 }
	END
}

passed() {
	exits 0
	says "service db is healthy" "service old is healthy" "service cache is healthy" "4 passed" "1 passed, 3 deselected"
	says_not "failed"
}

@test "PostgreSQL and Redis, a Python client in a container, a Docker action: as root" {
	export STEPCELL_HOME=$BATS_FILE_TMPDIR/home
	"$STEPCELL" image import -q "$BATS_FILE_TMPDIR/layout"
	run --separate-stderr timeout 300 "$STEPCELL" run -C "$project" </dev/null
	passed
	! pgrep -f "postgres: checkpointer" || false
}

@test "the same as an ordinary user" {
	user_open
	export USER_TIMEOUT=300
	as_user stepcell image import -q "$BATS_FILE_TMPDIR/layout"
	cp -R "$project" "$user_home" && chown -R "$user:" "$user_home/project"
	run --separate-stderr as_user stepcell run -C project
	user_close
	passed
}
