#!/usr/bin/env bats
# Job containers, services and Docker actions, from images of a busybox that the tests make.
# shellcheck disable=SC2154 # bats' run and user_open set variables

bats_require_minimum_version 1.5.0
load helper

# tiny REF [KEY=JSON]...: into the store
tiny() {
	local layout=$BATS_FILE_TMPDIR/layout-${1//[\/:]/-}
	python3 "$BATS_TEST_DIRNAME/tiny.py" "$layout" "$@"
	"$STEPCELL" image import -q "$layout" >/dev/null
}

# What a server does: it says who it is, becomes healthy, answers, and says when it is told to end.
server='#!/bin/sh
echo "serving as $(whoami) $(id -u) in $(pwd), home $HOME, with $*"
echo "$GREETING $WHO" >data
trap "echo told to end; exit 0" INT
nc -ll -p $1 -e cat data &
sleep 0.2
touch /tmp/well
wait'

setup_file() {
	[ -x /bin/busybox ] || return 0
	export STEPCELL_HOME=$BATS_FILE_TMPDIR/home
	tiny db:1 'Entrypoint=["/usr/bin/server"]' 'Cmd=["4000"]' 'User="db"' 'WorkingDir="/var/lib/db/made/here"' \
		'Env=["PATH=/bin:/usr/bin", "GREETING=hello"]' 'ExposedPorts={"4000/tcp": {}}' 'StopSignal="SIGINT"' \
		'Healthcheck={"Test": ["CMD", "test", "-e", "/tmp/well"], "Interval": 1000000000, "Retries": 3}' \
		"FILES=$(jq -n --arg s "$server" '{"usr/bin/server": $s}' 2>/dev/null ||
			python3 -c 'import json, sys; print(json.dumps({"usr/bin/server": sys.argv[1]}))' "$server")"
	tiny named:1 'Entrypoint=["/bin/sh", "-c", "sleep 61234.5"]' 'Env=["PATH=/bin"]'
	tiny box:1 'Cmd=["/bin/sh"]' 'Env=["PATH=/bin:/usr/bin", "FROM_IMAGE=yes"]'
	tiny root:1 'Entrypoint=["/bin/sh", "-c"]' 'Cmd=["echo root $(id -u) $HOME; sleep 100"]' 'Env=["PATH=/bin"]'
}

setup() {
	[ -x /bin/busybox ] || cannot "needs busybox-static"
	export STEPCELL_HOME=$BATS_FILE_TMPDIR/home
	project=$BATS_TEST_TMPDIR/project
	mkdir -p "$project/.github/workflows"
	cd "$BATS_TEST_TMPDIR" || return 1
}

# log_of SERVICE: of the last run
log_of() {
	local runs=("$STEPCELL_HOME"/runs/*/)
	cat "${runs[-1]}"logs/*/service-"$1".log
}

@test "a service: what its image and the workflow say, its health, its names, its log, its end" {
	steps 'services: { db: { image: "db:1", env: { WHO: "${{ github.job }}" }, ports: ["4000:4000"], options: --name other } }' <<-'END'
		- run: |
		    ask() { exec 3<>"/dev/tcp/$1/${{ job.services.db.ports['4000'] }}"; cat <&3; }
		    echo "name: $(ask db), other: $(ask other), local: $(ask localhost)"
		- run: echo "again $(exec 3<>/dev/tcp/db/4000; cat <&3)"; set -- /proc/[0-9]*; echo "processes $#"
	END
	cell_run
	exits 0
	says "service db started on db:1" "service db is healthy" "name: hello a, other: hello a, local: hello a" \
		"again hello a" "processes 2"
	[ "$(log_of db)" = "serving as db 1001 in /var/lib/db/made/here, home /var/lib/db, with 4000
told to end" ]
}

@test "runs logs: what a service said, masked, among the steps' lines and alone" {
	printf 'name: grants\nsecrets: [TOKEN]\nimages: all\nlimits: { services: 2 }\n' >policy.yml
	echo TOKEN=sekret-word >secrets
	# shellcheck disable=SC2016 # for the shell of the service
	steps 'services:
  db:
    image: box:1
    env: { T: "${{ secrets.TOKEN }}" }
    entrypoint: sh
    command: -c "echo token $T; echo more; touch /tmp/well; exec sleep 600"
    options: --health-cmd "test -e /tmp/well"' <<<'- { run: echo step-says, name: speaker }'
	cell_run --policy ./policy.yml --secret-file secrets
	exits 0
	says_not token # not while it goes on: a service may say much
	local said='stepcell: the image wants to be root, and is uid 1001 without rights
token ***
more'
	run "$STEPCELL" runs logs last a
	exits 0
	[ "$(grep '^db | ' <<<"$output")" = "db | ${said//$'\n'/$'\n'db | }" ]
	says "step-says"
	run "$STEPCELL" runs logs last a db
	[ "$output" = "$said" ]
	run "$STEPCELL" runs logs last a speaker
	[ "$output" = step-says ]
	! grep -r sekret-word "$STEPCELL_HOME"/runs || false
}

@test "--audit: what a service was refused is told under its name, and changes nothing for it" {
	steps 'services: { db: { image: "box:1", entrypoint: sh, command: -c "unshare -n true; touch /tmp/well; exec sleep 600", options: "--health-cmd \"test -e /tmp/well\"" } }' <<<'- run: echo step-says'
	cell_run --audit
	exits 0
	says "a: refused service db: unshare(flags=0x40000000) EPERM, 1 time, by unshare" "refused calls: 1;" "service db is healthy"
	cell_run --audit --json
	says '"service":"db","refused":[{"call":"unshare","arguments":"flags=0x40000000","answer":"EPERM","program":"unshare","count":1}]'
	cell_run
	exits 0
	says_not "refused"
}

@test "a service that fails fails the job, with its last words; steps that want to run do" {
	local what
	for what in 'command: sh -c "echo broken >&2; exit 7"'$'\n''    options: --health-cmd "sleep 5"|service broken: exit code 7|broken' \
		'command: nothing-there'$'\n''    options: --health-cmd "sleep 5"|service broken: exit code 127|cannot run' \
		'options: --health-cmd "echo ill; false" --health-interval 100ms --health-timeout 1s --health-retries 1 --entrypoint sleep'$'\n''    command: 30|not healthy after|ill' \
		'options: --health-cmd "sleep 30" --health-interval 100ms --health-timeout 200ms --health-retries 1 --entrypoint sleep'$'\n''    command: 30|not healthy after|'; do
		IFS='|' read -r -d '' keys error word <<<"$what" || true
		steps $'services:\n  broken:\n    image: box:1\n    '"$keys" <<-'END'
			- run: echo never-$((1 + 1))
			- run: echo always-$((1 + 1))
			  if: always()
		END
		cell_run
		exits 1
		says "$error" "${word%$'\n'}" "always-2"
		says_not "never-2"
	done
	steps 'services: { late: { image: "box:1", command: sh -c "sleep 0.3; exit 3" } }' <<-'END'
		- run: sleep 1
		- run: echo never-$((1 + 1))
	END
	cell_run
	exits 1
	says "service 'late': exit code 3"
	says_not "never-2"
}

@test "ports: two services at one port, each mapped to another: at localhost, and by name from a container and from each other" {
	local keys services='services:
  one: { image: "db:1", env: { WHO: one }, ports: ["4001:4000", "4002:4000/tcp"], options: --name alias }
  two: { image: "db:1", env: { WHO: two }, ports: [4000] }
  three: { image: "db:1", env: { WHO: three } }
  asks: { image: "box:1", command: "-c \"exec sleep 60\"", entrypoint: sh, options: "--health-cmd \"nc one 4000 >/tmp/said </dev/null && nc alias 4000 >>/tmp/said </dev/null && nc two 4000 >>/tmp/said </dev/null && cat /tmp/said && ! nc localhost 4001 </dev/null\" --health-retries 1 --health-interval 100ms" }'
	for keys in "$services" $'container: { image: "box:1" }\n'"$services"; do
		steps "$keys" <<-'END'
			- shell: sh
			  run: |
			    echo "ports ${{ job.services.one.ports['4000'] }} ${{ job.services.two.ports['4000'] }}; three: ${{ toJSON(job.services.three.ports) }}"
			    ask() { busybox nc "$1" "$2" </dev/null; }
			    echo "local: $(ask 127.0.0.1 4001), $(ask localhost 4002), $(ask ::1 4001), two: $(ask localhost 4000)"
			    ! ask localhost 4003
			- uses: docker://box:1
			  with: { args: sh -c "echo action $(nc localhost 4001 </dev/null) $(nc localhost 4000 </dev/null)" }
			- shell: sh
			  run: |
			    # by name the container's port from a container, else the port of `ports:`
			    [ -z "${{ job.container.id }}" ] || at=4000
			    echo "names: $(busybox nc one ${at:-4001} </dev/null), $(busybox nc alias ${at:-4002} </dev/null), $(busybox nc two 4000 </dev/null)"
			    [ -z "${{ job.container.id }}" ] || echo "three: $(busybox nc three 4000 </dev/null)"
		END
		cell_run
		exits 0
		says "ports 4002 4000; three: {}" "local: hello one, hello one, hello one, two: hello two" \
			"action hello one hello two" "names: hello one, hello one, hello two"
		[ "$keys" = "$services" ] || says "three: hello three"
	done
}

@test "ports: a service that listens where the job's proxy does has another one, or is refused by name" {
	printf 'name: named\nimages: all\nnetwork: { mode: proxy, allow: ["a.example.com:443"] }\nlimits: { services: 1 }\n' >named.yml
	steps 'services: { s: { image: "box:1", entrypoint: nc, command: -ll -p 3128 -e echo squid, ports: [3128] } }' <<-'END'
		- run: echo "${{ job.services.s.ports['3128'] }} $(for i in 1 2 3 4 5; do cat </dev/tcp/127.0.0.1/${{ job.services.s.ports['3128'] }} && break; sleep 0.3; done)"
	END
	cell_run --policy ./named.yml
	exits 0
	says "32768 squid"
	sed -i 's/ports: \[3128\]/ports: ["3128:3128"]/' "$project/.github/workflows/ci.yml"
	cell_run --policy ./named.yml
	exits 2
	says "service 's' wants port 3128 of the job's loopback, where its proxy is"
}

@test "ports: a service with a network of its own ends the job as any other, and what led to it is gone" {
	steps 'services: { m: { image: "named:1", ports: ["4001:4000"] } }' <<-'END'
		- run: (exec 3<>/dev/tcp/localhost/4001; cat <&3) || echo nobody-listens
		- run: sleep 600
	END
	start
	within 10 said "step Run sleep 600"
	said "nobody-listens"
	cgroups=$(cgroups_of_run)
	kill -KILL "$pid"
	finish
	"$STEPCELL" exec --image host true # which sweeps
	nothing_left sleep-61234 "$cgroups"
	! pgrep -f "^sleep 61234.5" || false
}

@test "ports: when what leads to a service is killed its job fails, and says so" {
	local server net inside p
	[ "$(id -u)" = 0 ] || cannot "needs root, to find it among the processes"
	steps 'services: { m: { image: "box:1", entrypoint: sleep, command: "61299.5", ports: ["4001:4000"] } }' <<-'END'
		- run: sleep 4
		- run: echo never-$((1 + 1))
		- run: echo always-$((1 + 1))
		  if: always()
	END
	start
	within 10 said "step Run sleep 4"
	server=$(pgrep -f "^sleep 61299.5")
	net=$(readlink "/proc/$server/ns/net") inside=$(readlink "/proc/$server/ns/pid")
	for p in /proc/[0-9]*; do
		[ "$(readlink "$p/ns/net")" = "$net" ] && [ "$(readlink "$p/ns/pid")" != "$inside" ] || continue
		kill -KILL "${p#/proc/}" || true # with its init a process is gone before its turn
	done
	finish
	exits 1
	says "service m: what led to its ports has ended" "always-2"
	says_not never-2
	! pgrep -f "^sleep 61299.5" || false
}

@test "container: the steps run in the image, by sh; its variables, accounts, volumes and options" {
	steps 'container: { image: "box:1", env: { OWN: "1" }, volumes: [/fresh, "named:/var/lib/db/named"], options: --user db -e MORE=2 }
services: { db: { image: "db:1" } }' <<-'END'
		- run: |
		    echo "$(readlink /proc/$$/exe) $FROM_IMAGE $OWN $MORE $(whoami) $HOME ${{ job.container.id }}"
		    touch /fresh/a /var/lib/db/named/a && pwd && nc db 4000 </dev/null
		    echo kept >kept
		- run: cat kept; ls /fresh
	END
	cell_run
	exits 0
	says "started on box:1" "/bin/busybox yes 1 2 db /home/runner a" "| /home/runner/work/project/project" "| hello" "| kept" "| a"
}

@test "docker: a step that names an image, an action with its parts, one that brings a Dockerfile" {
	mkdir -p "$project/act" file
	cat >"$project/act/action.yml" <<-'END'
		name: a
		description: d
		inputs: { who: { default: nobody } }
		runs:
		  using: docker
		  image: docker://box:1
		  pre-entrypoint: /bin/never
		  entrypoint: /bin/sh
		  args: [-c, 'echo "${STATE_s-main} $INPUT_WHO $OWN $0"; echo s=after >>$GITHUB_STATE; echo gone >/gone; echo stays >stays', "${{ inputs.who }}"]
		  env: { OWN: "of ${{ inputs.who }}" }
		  post-entrypoint: /bin/sh
	END
	printf 'name: f\ndescription: d\nruns: { using: docker, image: Dockerfile, args: [sh, -c, echo mapped] }\n' >file/action.yml
	"$STEPCELL" action add own/file@v1 file >/dev/null
	steps 'services: { db: { image: "db:1" } }' <<-'END'
		- uses: actions/checkout@v4
		- uses: ./act
		  with: { who: world }
		- run: cat stays; ls /gone 2>&1
		  continue-on-error: true
		- uses: docker://box:1
		  id: step
		  with: { entrypoint: sh, args: -c "cat /github/workspace/stays; nc db 4000 </dev/null; echo out=$FROM_IMAGE >>$GITHUB_OUTPUT" }
		- run: echo "out ${{ steps.step.outputs.out }}"
	END
	cell_run
	exits 0
	says "main world of world world" "| stays" "cannot access '/gone'" "| hello" "out yes" "after world of world world"
	steps 'permissions: {}' <<<'- uses: own/file@v1'
	cell_run
	exits 2
	says "its image is made by 'Dockerfile', and nothing here builds one" "mapping.yml"
	cp -R "${STEPCELL%/build/*}/policies" data-policies
	mkdir -p data && mv data-policies data/policies
	echo '  own/file: docker://box:1' >>data/policies/actions/mapping.yml
	STEPCELL_DATA=$PWD/data cell_run
	exits 0
	says "| mapped"
}

@test "what cannot be is refused before anything starts, and says why" {
	local keys code text
	while IFS='|' read -r keys code text; do
		steps "$keys" <<<'- run: echo started'
		cell_run
		exits "$code"
		says "$text"
		says_not "started on"
	done <<-'END'
		container: gone:1|4|image 'gone:1' is not in the store, and nothing is fetched
		services: { a: { image: "gone:1" } }|4|stepcell image pull --name gone:1 HOST/NAME:TAG
		container: host|3|image 'host' is for the operator
		container: { image: "box:1", options: --privileged }|3|--privileged is refused
		container: { image: "box:1", volumes: ["/etc:/etc"] }|3|volumes: none: volume '/etc:rw' is refused
		services: { a: { image: "box:1", ports: ["1:1"] }, b: { image: "box:1", ports: ["1:2"] } }|2|both want port 1 of the job's loopback
		services: { a: { image: "box:1", ports: ["1:2", 53/udp] } }|2|service 'a': port 53/udp: the services of this job need a network each
		services: { a: "box:1", b: "box:1", c: "box:1", d: "box:1", e: "box:1" }|3|has 4 services at most
	END
	steps 'container: box:1' <<<'- run: echo started'
	cell_run --policy untrusted
	exits 3
	says "images: none: image 'box:1' is refused; add 'box:1' to images"
	sed 's/^images: none/images: [box:1]/; s/^require:.*/require: [userns]/' "${STEPCELL%/build/*}/policies/untrusted.yml" >mine.yml
	cell_run --policy mine.yml
	exits 0
	sed -i 's/^network:.*/network: { mode: full }/' mine.yml
	steps 'services: { a: "box:1" }' <<<'- run: echo started'
	cell_run --policy mine.yml
	exits 3
	says "where services would listen for everybody"
}

# odd NAME: an image of a busybox whose root has a link or a file at a place, as NAME says: link-tmp
odd() {
	rm -rf root && mkdir -p root/bin
	cp /bin/busybox root/bin && ln -s busybox root/bin/sh && ln -s busybox root/bin/echo
	case $1 in
	link-*) ln -s /bin "root/${1#*-}" ;;
	file-*) echo >"root/${1#*-}" ;;
	esac
	tar -C root -cf "$1.tar" .
	"$STEPCELL" image import -q --replace --as tar --name "$1" "$1.tar" >/dev/null
}

# told NAME PLACE: that job alone has failed, and it says why
told() {
	exits 1
	says "image '$1': cell '" "unsafe path '/$2': the root has a link or a file on the way" "| other 2"
	says_not "| never"
}

@test "an image that has a link or a file where a mount is to be fails its own jobs" {
	local name place other='
  other:
    runs-on: ubuntu-latest
    steps: [{ run: "echo other $((1 + 1))" }]'
	for name in link-proc file-proc link-dev file-dev link-tmp file-tmp; do
		place=${name#*-}
		odd "$name"
		{ job_of a "container: $name" <<<'- run: echo never' && echo "$other"; } | on_push
		cell_run
		told "$name" "$place"
		{ job_of a "services: { s: { image: $name, entrypoint: /bin/sh } }" <<<'- run: echo never' && echo "$other"; } | on_push
		cell_run
		told "$name" "$place"
		{ job_of a 'permissions: {}' <<<"- { uses: 'docker://$name', with: { entrypoint: sh } }" && echo "$other"; } | on_push
		cell_run
		told "$name" "$place"
		run --separate-stderr "$STEPCELL" exec --image $name -- /bin/echo never </dev/null
		exits 125
		says "image '$name': cell '" "unsafe path '/$place'"
	done
	# what no mount of ours is for is the image's own, and so is what only looks like a Python's folder
	for name in link-sys file-sys link-opt file-opt; do
		odd "$name"
		steps "container: $name" <<<'- run: echo ran $((1 + 1))'
		cell_run
		exits 0
		says "| ran 2"
	done
}

@test "what is known only when the job starts fails it then" {
	cat <<-'END' | workflow
		on: push
		jobs:
		  a:
		    runs-on: ubuntu-latest
		    outputs: { box: "box:1", flag: --privileged }
		    steps: [{ run: "true" }]
		  b:
		    needs: a
		    runs-on: ubuntu-latest
		    container: ${{ needs.a.outputs.box }}
		    services: { one: "box:1", two: { image: "${{ needs.a.outputs.box }}", options: "${{ needs.a.outputs.flag }}" } }
		    steps: [{ run: echo ran-$((1 + 1)) }]
	END
	cell_run
	exits 3
	says "service 'two': options: --privileged is refused"
	says_not ran-2
	sed -i 's/flag: --privileged/flag: --init/' "$project/.github/workflows/ci.yml"
	cell_run # a service that ends with success, as the shell of this image does, has done what it was for
	exits 0
	says ran-2
}

@test "root is nobody here, and the log says so; interrupts and kill -9 leave no service" {
	steps 'services: { r: { image: "root:1", entrypoint: "", options: --health-cmd false } }' <<<'- run: echo never-$((1 + 1))'
	start
	within 10 said "service r started"
	sleep 0.3
	kill -INT "$pid"
	finish
	exits 130
	says_not never-2
	[[ "$(log_of r)" == *"the image wants to be root"*"root 1001 /root"* ]]

	steps 'services: { m: "named:1" }' <<<'- run: sleep 600'
	start
	within 10 said "step Run sleep 600"
	cgroups=$(cgroups_of_run)
	pgrep -f "^sleep 61234.5" >/dev/null
	kill -KILL "$pid"
	finish
	"$STEPCELL" exec --image host true # which sweeps
	nothing_left sleep-61234 "$cgroups"
	! pgrep -f "^sleep 61234.5" || false
}

@test "as an ordinary user: services, a container and a Docker action" {
	user_open
	steps 'container: { image: "box:1" }
services: { db: { image: "db:1" }, again: { image: "db:1", env: { WHO: again }, ports: ["4001:4000"] } }' <<-'END'
		- run: nc db 4000 </dev/null; nc again 4000 </dev/null; nc localhost 4001 </dev/null; echo it >it
		- uses: docker://box:1
		  with: { args: sh -c "cat it; nc db 4000 </dev/null" }
	END
	cp -R "$project" "$BATS_FILE_TMPDIR"/layout-db-1 "$BATS_FILE_TMPDIR"/layout-box-1 "$user_home"
	[ "$(id -u)" != 0 ] || chown -R "$user:" "$user_home"
	as_user stepcell image import -q layout-db-1
	as_user stepcell image import -q layout-box-1
	run --separate-stderr as_user stepcell run -C project --image host
	user_close
	exits 0
	says "service db is healthy" "| hello" "| hello again" "| it"
	[ "$(grep -c '| hello again' <<<"$output")" = 2 ]
}

@test "a home of more folders than anybody means is not made, and is /" {
	local short long
	short=$(printf '/a%.0s' {1..200}) long=$(printf '/a%.0s' {1..300})
	{
		for user in short long; do
			job $user 'sleep 1' 'container: { image: "box:1" }' \
				"services: { $user: { image: \"homes:1\", entrypoint: sh, options: --user $user, command: '-c \"echo home \$HOME; exec sleep 60\"' } }"
		done
	} | on_push
	tiny homes:1 'Env=["PATH=/bin"]' "FILES={\"etc/passwd\": \"short:x:5:5::$short:/bin/sh\\nlong:x:6:6::$long:/bin/sh\\n\"}"
	cell_run
	exits 0
	[ "$(log_of short)" = "home $short" ]
	[ "$(log_of long)" = "home /" ]
}

@test "a place with '..' is made nowhere: it fails its job, and a home is / then" {
	{
		job a 'echo never' 'container: { image: "box:1", volumes: ["/none/../../../made"] }'
		job b 'echo never' 'services: { db: { image: "box:1", options: --tmpfs /none/../made } }'
		job c 'echo went on' 'needs: [a, b]' 'if: always()' \
			'services: { db: { image: "climbs:1", entrypoint: sh, command: "-c \"echo home $HOME; exec sleep 60\"" } }'
	} | on_push
	tiny climbs:1 'User="me"' 'Env=["PATH=/bin"]' 'FILES={"etc/passwd": "me:x:5:5::/none/../../../made:/bin/sh\n"}'
	cell_run
	exits 1
	says "volume '/none/../../../made': expected a path without '..'" "volume '/none/../made': expected" "c | went on"
	[ "$(log_of db)" = "home /" ]
}
