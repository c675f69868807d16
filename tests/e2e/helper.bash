# Shared by the end-to-end tests: a state home and a checkout for each test, and short words for what
# they all do. A test runs against `--image host` unless it says otherwise: nothing to build.
# shellcheck disable=SC2154 # bats' run sets status, output and stderr

: "${STEPCELL:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build/release/stepcell}"
export STEPCELL

setup() {
	export STEPCELL_HOME=$BATS_TEST_TMPDIR/home
	project=$BATS_TEST_TMPDIR/project
	mkdir -p "$project/.github/workflows"
	unset STEPCELL_DATA XDG_CONFIG_HOME
	cd "$BATS_TEST_TMPDIR" || return 1
}

# build RECIPE-FILE [OPTION]...
build() { run --separate-stderr timeout 600 "$STEPCELL" image build "${@:2}" "$1" </dev/null; }
# inside IMAGE COMMAND...: in a cell of that root.
inside() { run --separate-stderr timeout 60 "$STEPCELL" exec --image "$1" --workdir / -- "${@:2}" </dev/null; }

# workflow <<END: the project's one workflow.
workflow() {
	cat >"$project/.github/workflows/ci.yml"
}

# on_push <<END: these jobs are the project's one workflow.
on_push() {
	{ printf 'on: push\njobs:\n'; cat; } | workflow
}

# job_of NAME [KEY: VALUE]... <<END: lines of a job of these steps, to put below `jobs:`.
job_of() {
	printf '  %s:\n    runs-on: ubuntu-latest\n' "$1"
	shift
	[ $# = 0 ] || printf '    %s\n' "${@//$'\n'/$'\n    '}"
	printf '    steps:\n'
	sed 's/^/      /'
}

# job NAME COMMAND [KEY: VALUE]...: a job of one step.
job() {
	printf -- '- run: |\n    %s\n' "${2//$'\n'/$'\n    '}" | job_of "$1" "${@:3}"
}

# steps [KEY: VALUE]... <<END: the workflow is one job of these steps.
steps() {
	job_of a "$@" | on_push
}

# cell_run [OPTION]...: run the project's workflow; $status, $output and $stderr are set.
cell_run() {
	run --separate-stderr timeout -k 5 60 "$STEPCELL" run -C "$project" --image host "$@" </dev/null
}

# all: what a person would see, from both streams.
all() { printf '%s\n%s\n' "$output" "$stderr"; }

# says TEXT...: each text occurs in what the last command printed.
says() {
	local text
	for text; do
		[[ "$(all)" == *"$text"* ]] && continue
		printf 'expected "%s", got exit %s and:\n%s\n' "$text" "$status" "$(all)"
		return 1
	done
}

# says_not TEXT...: none of them occurs.
says_not() {
	local text
	for text; do
		[[ "$(all)" != *"$text"* ]] && continue
		printf 'did not expect "%s" in:\n%s\n' "$text" "$(all)"
		return 1
	done
}

# exits CODE: the last command ended with it.
exits() {
	[ "$status" = "$1" ] && return
	printf 'expected exit %s, got %s and:\n%s\n' "$1" "$status" "$(all)"
	return 1
}

# cannot WHY: this machine cannot run the test; tests/tools/tally fails it under STEPCELL_MUST_RUN=1.
cannot() { skip "$1"; }

# within SECONDS COMMAND...: true as soon as COMMAND is, false when the time is over.
within() {
	local until=$((SECONDS + $1))
	shift
	while ! "$@"; do
		[ $SECONDS -lt $until ] || return 1
		sleep 0.1
	done
}

# alive MARK: some process has MARK (a word no other test uses) as its name (`exec -a MARK`).
alive() {
	local line
	for line in /proc/[0-9]*/cmdline; do
		[ "$({ tr '\0' '\n' <"$line" | head -n 1; } 2>/dev/null)" != "$1" ] || return 0
	done
	return 1
}
dead() { ! alive "$1"; }

# start OPTION...: cell_run in the background, its pid in $pid, what it says in run.out and run.err.
start() {
	# a shell starts background jobs with SIGINT ignored, which a run would inherit
	env --default-signal=INT,QUIT "$STEPCELL" run -C "$project" --image host "$@" \
		>run.out 2>run.err </dev/null 3>&- &
	pid=$!
}

# finish: wait for what start() began; $status, $output and $stderr are set.
finish() {
	status=0
	wait "$pid" || status=$?
	output=$(<run.out)
	stderr=$(<run.err)
}

# said TEXT: the run that start() began has printed it.
said() { grep -qF -- "$1" run.out run.err; }

# cgroups_of_run: the directories that the cells alive now are limited by.
cgroups_of_run() { cat "$STEPCELL_HOME"/cgroups/* 2>/dev/null | cut -d ' ' -f 2; }

# nothing_left MARK CGROUPS: no process, no mount, no cgroup.
nothing_left() {
	local dir
	within 5 dead "$1" || { echo "a process lives"; return 1; }
	! grep -F "$STEPCELL_HOME" /proc/self/mountinfo || { echo "a mount is left"; return 1; }
	for dir in $2; do
		[ ! -e "$dir" ] || { echo "$dir is left"; return 1; }
	done
}

# tree_hash DIR: names, kinds, modes, times and bytes of everything in it.
tree_hash() {
	(cd "$1" && { find . -printf '%p %y %m %T@ %l\n' | sort; find . -type f -print0 | sort -z | xargs -0 sha256sum; }) | sha256sum
}

# user_open: an ordinary user with a home that nobody else can read, and an installation there. As root
# the user is made for the test; otherwise it is the caller. user_close undoes it.
user_open() {
	local from
	from=$(cd "$(dirname "$STEPCELL")/../.." && pwd)
	user=$(id -un)
	user_home=$BATS_FILE_TMPDIR/user
	if [ "$(id -u)" = 0 ]; then
		user=cell$$
		user_home=/home/$user
		useradd -m -s /bin/bash "$user" || return 1
	fi
	mkdir -p "$user_home/opt/bin" "$user_home/opt/share/stepcell"
	cp "$STEPCELL" "$user_home/opt/bin/"
	cp -R "$from/policies" "$from/rootfs" "$user_home/opt/share/stepcell/"
	chmod 700 "$user_home"
	[ "$(id -u)" != 0 ] || chown -R "$user:" "$user_home"
	export user user_home
}

user_close() {
	[ "$(id -u)" = 0 ] || return 0
	[ -n "${user-}" ] || return 0
	ps -o pid= -u "$user" | xargs -r kill -KILL 2>/dev/null
	userdel -r "$user" 2>/dev/null
}

# as_user COMMAND...: in the user's home, with nothing of our environment.
as_user() {
	local become=()
	[ "$(id -u)" != 0 ] || become=(setpriv --reuid "$user" --regid "$user" --init-groups)
	"${become[@]}" env -i -C "$user_home" PATH="$user_home/opt/bin:$PATH" HOME="$user_home" \
		USER="$user" timeout "${USER_TIMEOUT:-60}" "$@" </dev/null
}
