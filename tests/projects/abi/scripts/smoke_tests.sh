#!/bin/bash
# smoke_tests.sh URL: is the environment at URL well?
#
# The URL must be that of an environment in deploy/. The program's own check runs always; the address is asked
# only where there is a network, and the last line says whether it was.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)

fail() {
	echo "smoke tests: $1" >&2
	exit "${2:-1}"
}

[ $# -eq 1 ] || fail "usage: smoke_tests.sh URL" 2
url=${1%/}
[[ $url =~ ^https://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$ ]] ||
	fail "'$1' is not the https address of a host" 2

config=$(grep -lxF -- "url = $url" "$top"/deploy/*.ini) || fail "no environment in deploy/ has the address '$url'" 2
environment=$(basename "$config" .ini)
echo "smoke tests: $url is $environment"

PYTHONPATH=$top/src "${PYTHON:-python3}" -m abi self-check

if ! tail -n +3 /proc/self/net/dev | cut -d: -f1 | grep -qvw lo; then
	echo "smoke tests: passed offline: there is no network here, so $url itself was not asked"
	exit 0
fi
command -v curl >/dev/null || fail "curl is missing: $url cannot be asked"
curl --fail --silent --show-error --max-time 20 --output /dev/null "$url/" || fail "$url does not answer"
echo "smoke tests: passed, $url answers"
