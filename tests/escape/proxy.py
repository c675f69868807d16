"""proxy.py: the two ends of the attacks on the proxy.

serve DIR: what there is to be reached, in a network namespace of the test's own: a server at every
address, which writes down where it was reached and what it heard, and a name server that answers
differently every other time. The others run in a cell and print what became of it.
"""
import os
import select
import socket
import ssl
import sys
import threading

PORT = 8080
PUBLIC = "192.0.3.7"  # no special-purpose address; nothing but this namespace has it here
SERVED = b"served-by-canary"


def log(path, line):
    with open(path, "a") as f:
        f.write(line + "\n")


def serve_one(conn, dir):
    conn.settimeout(5)
    try:
        heard = conn.recv(65536)
    except OSError:
        heard = b""
    log(dir + "/reached", "%s %r" % (conn.getsockname()[0].replace("::ffff:", ""), heard))
    if b"/redirect" in heard:
        reply = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254:8080/\r\nContent-Length: 0\r\n\r\n"
    else:
        reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(SERVED), SERVED)
    try:
        conn.sendall(reply)
    except OSError:
        pass
    conn.close()


def name_of(query):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("latin-1"))
        at += query[at] + 1
    return ".".join(labels), at + 1


def answer(query, asked, dir):
    name, end = name_of(query)
    kind = query[end : end + 2]
    log(dir + "/asked", name)
    count, body = 0, b""
    if name == "rebind.example.com" and kind == b"\0\1":
        asked[0] += 1
        address = PUBLIC if asked[0] % 2 else "127.0.0.1"
        count, body = 1, b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(address)
    code = 0x8180 if name == "rebind.example.com" else 0x8183
    return query[:2] + code.to_bytes(2, "big") + b"\0\1" + count.to_bytes(2, "big") + b"\0\0\0\0" + query[12 : end + 4] + body


def serve(dir):
    tcp = socket.create_server(("", PORT), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
    dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dns.bind(("127.0.0.1", 53))
    asked = [0]
    for name in ("reached", "asked", "ready"):
        open(dir + "/" + name, "w").close()
    while True:
        for s in select.select([tcp, dns], [], [])[0]:
            if s is tcp:
                threading.Thread(target=serve_one, args=(tcp.accept()[0], dir), daemon=True).start()
            else:
                query, client = dns.recvfrom(512)
                dns.sendto(answer(query, asked, dir), client)


# ---- in a cell ----


def dial():
    return socket.create_connection(("127.0.0.1", 3128), 30)


def say(head, then=b""):
    """What the proxy answers to a head, and what comes behind `then`."""
    with dial() as s:
        s.sendall(head)
        heard = b""
        try:
            while piece := s.recv(65536):
                heard += piece
                if then and heard.startswith(b"HTTP/1.1 200 Connection"):
                    s.sendall(then)
                    then = b""
        except OSError:
            pass
        return heard


REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def both_ways(target):
    """A tunnel and a plain request to HOST:PORT."""
    to = target.encode()
    return [
        say(b"CONNECT " + to + b" HTTP/1.1\r\n\r\n", REQUEST),
        say(b"GET http://" + to + b"/ HTTP/1.1\r\nHost: " + to + b"\r\n\r\n"),
    ]


def verdict(heard):
    served = [h for h in heard if SERVED in h]
    print("open: it was served" if served else "held: %d answers, none from there" % len(heard))


def hosts(*targets):
    verdict([h for t in targets for h in both_ways(t)])


def redirect():
    first = say(b"GET http://public.example.com:8080/redirect HTTP/1.1\r\n\r\n")
    if b"302 Found" not in first:
        return print("cannot: there was no redirection: %r" % first[:80])
    where = first.split(b"Location: http://")[1].split(b"/")[0].decode()
    hosts(where)


def heads(*raw):
    """Whole heads, written with escapes."""
    verdict([say(h.encode().decode("unicode_escape").encode("latin-1")) for h in raw])


def tls(name):
    """A TLS client in a tunnel to public.example.com that asks for `name`."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(into, out, server_hostname=name)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    verdict([say(b"CONNECT public.example.com:8080 HTTP/1.1\r\n\r\n", out.read())])


def direct(*targets):
    """Without any proxy: what there would be to reach."""
    heard = []
    for t in targets:
        host, port = t.rsplit(":", 1)
        try:
            with socket.create_connection((host, int(port)), 5) as s:
                s.sendall(REQUEST)
                heard.append(s.recv(65536))
        except OSError:
            pass
    verdict(heard)


def lookup(name):
    try:
        socket.getaddrinfo(name, 443)
    except OSError:
        pass
    print("open: it was asked for")


def flood():
    """Clients that say nothing; one that speaks is served all the same, in the end."""
    idle = [dial() for _ in range(300)]
    heard = both_ways("%s:%d" % (PUBLIC, PORT)) if len(idle) < 128 else []
    for s in idle:
        s.close()
    heard += both_ways("%s:%d" % (PUBLIC, PORT))
    print("held: it goes on" if SERVED in b"".join(heard) else "open: nobody is served any more")


if __name__ == "__main__":
    os.environ.pop("http_proxy", None)
    globals()[sys.argv[1]](*sys.argv[2:])
