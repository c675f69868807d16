#!/bin/bash
# deploy.sh ENVIRONMENT: check the environment's configuration and write the manifest of what would be released.
#
# The manifest lists every source file with its SHA-256, so that a host can check what it was given. It goes to
# deploy-manifest-ENVIRONMENT.txt in $DEPLOY_OUT (default: the current directory) and to standard output.
set -euo pipefail
export LC_ALL=C

top=$(cd "$(dirname "$0")/.." && pwd)

fail() {
	echo "deploy: $1" >&2
	exit "${2:-1}"
}

environments() {
	local file
	for file in "$top"/deploy/*.ini; do
		basename "$file" .ini
	done
}

# setting KEY: its value in the environment's configuration; every key must be there once.
setting() {
	local values
	values=$(sed -n "s/^$1[[:space:]]*=[[:space:]]*//p" "$config")
	[ -n "$values" ] || fail "deploy/$environment.ini has no '$1'"
	[ "$(wc -l <<<"$values")" -eq 1 ] || fail "deploy/$environment.ini has more than one '$1'"
	echo "$values"
}

[ $# -eq 1 ] || fail "usage: deploy.sh ENVIRONMENT" 2
environment=$1
[[ $environment =~ ^[a-z]+$ && -f $top/deploy/$environment.ini ]] ||
	fail "unknown environment '$environment'; there are: $(environments | paste -sd ' ')" 2
config=$top/deploy/$environment.ini

url=$(setting url)
replicas=$(setting replicas)
data=$(setting data)
[[ $url == https://* ]] || fail "deploy/$environment.ini: '$url' is not https"
[[ $replicas =~ ^[1-9][0-9]*$ ]] || fail "deploy/$environment.ini: '$replicas' is no number of replicas"
[ "$data" != production ] || [ "$environment" = production ] ||
	fail "deploy/$environment.ini: production data stay in production"
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$top/src/abi/__init__.py")
[ -n "$version" ] || fail "src/abi/__init__.py has no __version__"

manifest=${DEPLOY_OUT:-.}/deploy-manifest-$environment.txt
{
	echo "# abi $version for $environment: $replicas x $url, $data data"
	cd "$top"
	find pyproject.toml setup.py setup.cfg src "deploy/$environment.ini" -type f \
		! -name '*.pyc' ! -path '*.egg-info/*' -print0 | sort -z | xargs -0 sha256sum
} >"$manifest.part"
mv "$manifest.part" "$manifest"
cat "$manifest"
echo "deploy: $(grep -vc '^#' "$manifest") files, manifest $(sha256sum <"$manifest" | cut -c1-16)"
