#!/bin/bash
# pull.sh TMP: image pull from docker-registry on loopback, against skopeo and umoci, paired, in one run.
set -eu
tmp=$1
for program in docker-registry skopeo umoci; do
	command -v "$program" >/dev/null || { echo "pull: $program is not installed"; exit 0; }
done
cd "$tmp"

# ---- an image of three layers, of what every machine with a compiler has ----

tar -C / -cf one.tar usr/include
(cd / && tar -cf "$tmp/two.tar" usr/lib/python3*)
tar -C / -cf three.tar usr/lib/gcc
umoci init --layout oci
umoci new --image oci:bench
for layer in one two three; do umoci raw add-layer --image oci:bench $layer.tar; done

cat >registry.yml <<END
version: 0.1
log: {level: info, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $tmp/registry}}
http: {addr: "127.0.0.1:0"}
END
docker-registry serve registry.yml >registry.log 2>&1 &
server=$!
trap 'kill $server' EXIT
for _ in $(seq 100); do
	grep -q 'listening on' registry.log && break
	sleep 0.1
done
at=$(sed -n 's/.*listening on \([0-9.:]*\).*/\1/p' registry.log | head -n 1)
skopeo --insecure-policy copy -q --dest-tls-verify=false oci:oci:bench "docker://$at/bench:1"

# ---- the same bytes to the same disk ----

# seconds COMMAND...: how long it takes, the page cache written back before.
seconds() {
	local start
	sync
	start=$EPOCHREALTIME
	"$@" >out 2>&1 || { cat out >&2; exit 1; }
	echo $((${EPOCHREALTIME/./} - ${start/./}))
}
copied() { skopeo --insecure-policy copy -q --src-tls-verify=false "docker://$at/bench:1" oci:copy:bench; }
unpacked() { umoci unpack --image copy:bench bundle; }
pulled() { STEPCELL_HOME=$tmp/home-pull "$STEPCELL" image pull "$at/bench:1"; }
# fetched: until the last layer is there, by what it says.
fetched() {
	STEPCELL_HOME=$tmp/home-fetch "$STEPCELL" image pull "$at/bench:1" 2>&1 >/dev/null | while read -r line; do
		case $line in "layer 3 of 3"*) echo "$EPOCHREALTIME" >when; break ;; esac
	done
}
since() { echo $(($(tr -d . <when) - ${1/./})); }

for _ in $(seq "${PULLS:-5}"); do
	rm -rf copy bundle home-pull home-fetch
	c=$(seconds copied)
	u=$(seconds unpacked)
	sync
	start=$EPOCHREALTIME
	fetched
	f=$(since "$start")
	p=$(seconds pulled)
	echo "$c $u $f $p"
done >pairs
du -sb oci/blobs | cut -f 1 >bytes
awk -v bytes="$(cat bytes)" '
function middle(list, n,   i, j, t) {
	for (i = 1; i <= n; i++)
		for (j = i + 1; j <= n; j++)
			if (list[j] < list[i]) { t = list[i]; list[i] = list[j]; list[j] = t }
	return list[int((n + 1) / 2)]
}
{
	copy[NR] = $1; both[NR] = $1 + $2; fetch[NR] = $3; pull[NR] = $4
	against_copy[NR] = $3 / $1; against_both[NR] = $4 / ($1 + $2)
}
END {
	printf "pull of %d MiB of gzip layers from docker-registry on loopback, the middle one of %d pairs\n", bytes / 1048576, NR
	printf "  layers fetched and verified  skopeo copy %.2f s; stepcell %.2f s; ratio %.2f\n",
		middle(copy, NR) / 1e6, middle(fetch, NR) / 1e6, middle(against_copy, NR)
	printf "  and unpacked                 skopeo copy, umoci unpack %.2f s; stepcell image pull %.2f s; ratio %.2f\n",
		middle(both, NR) / 1e6, middle(pull, NR) / 1e6, middle(against_both, NR)
}' pairs
