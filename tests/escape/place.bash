# place.bash: where an attack script stands, which stepcell it attacks, and where its files go.
# shellcheck shell=bash disable=SC2034 # what is set here is for those who source this
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
STEPCELL=${STEPCELL:-$top/build/release/stepcell}
USER_ID=64123 # nobody's
# How much slower than a machine this one is: for bounds that keep a row from hanging, and for how often is often.
slow=${STEPCELL_SLOW:-1}

# within SECONDS COMMAND...: true as soon as COMMAND is, false when so many seconds of a machine are over.
within() {
	for _ in $(seq $((10 * $1 * slow))); do
		"${@:2}" && return
		sleep 0.1
	done
	return 1
}

tmp=$(mktemp -d /tmp/stepcell-escape.XXXXXX) || exit 1
chmod 755 "$tmp"

# shellcheck source=tests/escape/say.bash
. "$here/say.bash"
