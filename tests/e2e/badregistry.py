#!/usr/bin/env python3
"""A registry that misbehaves: badregistry.py PORTS-FILE LOG CERT KEY.

The name of a repository says how, up to its first hyphen: HOST/short is an image whose layer is cut off.
HOST is at 127.0.0.1, at a second port of it with TLS; at 127.0.0.2 is somebody else, who must never be shown a login. Each request is a line of LOG:
WHO METHOD PATH AUTHORIZATION RANGE.
"""
import base64
import gzip
import hashlib
import http.server
import io
import json
import os
import ssl
import sys
import tarfile
import threading
import time

port_file, log_file, certificate, key = sys.argv[1:]
BASIC = 'Basic ' + base64.b64encode(b'ann:secret').decode()
OCI = 'application/vnd.oci.image.'
INDEX, MANIFEST = OCI + 'index.v1+json', OCI + 'manifest.v1+json'
COUNTS, LOCK = {}, threading.Lock()


def sha(data):
    return 'sha256:' + hashlib.sha256(data).hexdigest()


def describe(kind, data, **more):
    return {'mediaType': kind, 'digest': sha(data), 'size': len(data), **more}


def make_layer():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w', format=tarfile.PAX_FORMAT) as tar:
        for name, data in (('motto', b'hello'), ('filler', os.urandom(1 << 20) * 3)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


MACHINE = {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(os.uname().machine, os.uname().machine)
LAYER = make_layer()
CONFIG = json.dumps({'architecture': MACHINE, 'os': 'linux',
                     'rootfs': {'type': 'layers', 'diff_ids': [sha(LAYER)]}}).encode()
GOOD = {'schemaVersion': 2, 'mediaType': MANIFEST,
        'config': describe(OCI + 'config.v1+json', CONFIG),
        'layers': [describe(OCI + 'layer.v1.tar', LAYER)]}


def with_layer(**change):
    return {**GOOD, 'layers': [{**GOOD['layers'][0], **change}]}


def nest(depth):
    """An index in an index ... and what they all are, by digest."""
    known, kind, data = {}, MANIFEST, json.dumps(GOOD).encode()
    known[sha(data)] = (kind, data)
    for _ in range(depth):
        entry = describe(kind, data, platform={'os': 'linux', 'architecture': MACHINE})
        kind, data = INDEX, json.dumps({'schemaVersion': 2, 'mediaType': INDEX, 'manifests': [entry]}).encode()
        known[sha(data)] = (kind, data)
    return kind, data, known


# What a repository's tag means where it is not GOOD.
MANIFESTS = {
    'both': {**GOOD, 'manifests': [describe(MANIFEST, b'{}')]},
    'traversal': with_layer(digest='sha256:../../x'),
    'upper': with_layer(digest='sha256:' + 'A' * 64),
    'md5': with_layer(digest='md5:' + 'a' * 32),
    'negative': with_layer(size=-1),
    'fraction': with_layer(size=1.5),
    'huge': with_layer(size=1 << 50),
    'overflow': {**GOOD, 'layers': [{**GOOD['layers'][0], 'size': (1 << 63) - 1}] * 3},
    'bigconfig': {**GOOD, 'config': {**GOOD['config'], 'size': 5 << 20}},
    'foreign': with_layer(urls=['http://127.0.0.2:1/layer']),
    'chart': {**GOOD, 'config': {**GOOD['config'], 'mediaType': 'application/vnd.cncf.helm.config.v1+json'}},
    'padded': {**GOOD, 'annotations': {'x': 'y' * (5 << 20)}},
}
NESTED = {name: nest(depth) for name, depth in (('nested', 2), ('deep', 6))}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def note(self):
        who = ('registry', 'elsewhere', 'secure')[servers.index(self.server)]
        with LOCK, open(log_file, 'a') as out:
            shown = self.headers.get('Authorization', '-').replace(' ', '_')
            out.write(f"{who} {self.command} {self.path} {shown} {self.headers.get('Range', '-')}\n")

    def count(self):
        """How often this was asked before."""
        with LOCK:
            COUNTS[self.path] = COUNTS.get(self.path, 0) + 1
            return COUNTS[self.path] - 1

    # ---- saying ----

    def head(self, status, length=None, **fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace('_', '-'), value)
        if length is None:
            self.send_header('Transfer-Encoding', 'chunked')
        else:
            self.send_header('Content-Length', str(length))
        self.end_headers()

    def say(self, status, data=b'', **fields):
        self.head(status, len(data), **fields)
        self.wfile.write(data)

    def chunk(self, data):
        self.wfile.write(b'%x\r\n%s\r\n' % (len(data), data))

    def endless(self, status, **fields):
        self.head(status, None, **fields)
        try:
            for _ in range(100000):
                self.chunk(b'x' * 65536)
        except OSError:
            self.close_connection = True

    def cut(self, data, length=None, **fields):
        """Half of it, and a broken connection."""
        self.head(200, len(data) if length is None else length, **fields)
        self.wfile.write(data[:len(data) // 2])
        self.wfile.flush()
        self.close_connection = True

    def redirect(self, where, status=307):
        self.say(status, b'', Location=where)

    # ---- what is asked ----

    def do_GET(self):
        self.note()
        if self.server.server_address[0] != '127.0.0.1':
            return self.elsewhere()
        parts = self.path.split('?')[0].split('/')
        if parts[1:2] == ['token']:
            return self.token(parts[2])
        name, kind, what = parts[2].split('-')[0], parts[3], parts[4]
        guard = getattr(self, 'guard_' + name, None)
        if guard and guard():
            return None
        special = getattr(self, f'{kind}_{name}', None)
        if special:
            return special(what)
        return self.manifest(name, what) if kind == 'manifests' else self.blob(what)

    def do_POST(self):
        self.note()
        self.say(404)

    def manifest(self, name, what):
        kind, data = MANIFEST, json.dumps(MANIFESTS.get(name, GOOD)).encode()
        if name in NESTED:
            kind, data, known = NESTED[name]
            kind, data = known.get(what, (kind, data))
        self.say(200, data, Content_Type=kind, Docker_Content_Digest=sha(data))

    def blob(self, what):
        for data in (LAYER, CONFIG):
            if sha(data) == what:
                return self.say(200, data, Content_Type='application/octet-stream')
        return self.say(404)

    def elsewhere(self):
        if self.path.startswith('/token'):
            return self.say(200, b'{"token": "from-elsewhere"}', Content_Type='application/json')
        if self.path == '/guarded':
            return self.challenge(f'Basic realm="x", Bearer realm="http://127.0.0.1:{ports[0]}/token/good"')
        if self.path.startswith('/v2/nothing/'):
            return self.say(404)
        return self.blob(self.path.rsplit('/', 1)[1])

    def other(self):
        return '127.0.0.2:%d' % ports[1]

    # ---- documents that are wrong ----

    def good(self):
        return json.dumps(GOOD).encode()

    def manifests_html(self, _):
        self.say(200, self.good(), Content_Type='text/html')

    def manifests_untyped(self, _):
        self.say(200, self.good())

    def manifests_clash(self, _):
        self.say(200, self.good(), Content_Type=INDEX)

    def manifests_parameters(self, _):
        self.say(200, self.good(), Content_Type=MANIFEST + '; charset=utf-8')

    def manifests_other(self, _):
        self.say(200, self.good() + b' ', Content_Type=MANIFEST)

    def manifests_lie(self, _):
        self.say(200, self.good(), Content_Type=MANIFEST, Docker_Content_Digest='sha256:' + '0' * 64)

    def manifests_path(self, _):
        self.say(200, self.good(), Content_Type=MANIFEST, Docker_Content_Digest='sha256:../../x')

    def manifests_endless(self, _):
        self.endless(200, Content_Type=MANIFEST)

    def manifests_complaint(self, _):
        self.endless(404, Content_Type='application/json')

    def manifests_fields(self, _):
        self.send_response(200)
        self.flush_headers()
        try:
            for i in range(100000):
                self.wfile.write(b'X-%d: %s\r\n' % (i, b'y' * 1000))
        except OSError:
            self.close_connection = True

    def manifests_garbage(self, _):
        self.wfile.write(b'\0\1\2 who are you\n' * 100)
        self.close_connection = True

    def manifests_noise(self, _):
        self.say(200, b'{"schemaVersion": 2, "layers": [' * 1000, Content_Type=MANIFEST)

    def manifests_zipped(self, _):
        self.say(200, gzip.compress(self.good()), Content_Type=MANIFEST, Content_Encoding='gzip')

    def manifests_escape(self, _):
        self.say(403, json.dumps({'errors': [{'message': '\x1b]0;owned\x07 no'}]}).encode())

    # ---- blobs that are wrong ----

    def damaged(self, what, answer):
        return answer(LAYER) if what == sha(LAYER) else self.blob(what)

    def blobs_short(self, what):
        self.damaged(what, self.cut)

    def blobs_less(self, what):
        self.damaged(what, lambda data: self.say(200, data[:-1]))

    def blobs_stop(self, what):
        def answer(data):
            self.head(200)
            self.chunk(data[:1000])
            self.chunk(b'')
        self.damaged(what, answer)

    def blobs_more(self, what):
        def answer(data):
            self.head(200)
            try:
                self.chunk(data)
                self.chunk(data)
                self.chunk(b'')
            except OSError:
                self.close_connection = True
        self.damaged(what, answer)

    def blobs_flood(self, what):
        self.damaged(what, lambda data: self.endless(200))

    def blobs_wrong(self, what):
        self.damaged(what, lambda data: self.say(200, data[:-1] + b'!'))

    def blobs_gone(self, what):
        self.damaged(what, lambda data: self.say(404))

    def resume(self, what, answer):
        """Cut off once, then `answer` to the request for the rest."""
        if what != sha(LAYER):
            return self.blob(what)
        return self.cut(LAYER) if self.count() == 0 else answer(LAYER, len(LAYER) // 2)

    def part(self, data, start, text):
        self.say(206, data[start:], Content_Range=text)

    def blobs_resumed(self, what):
        def answer(data, half):
            start = int(self.headers['Range'][6:-1])
            self.part(data, start, f'bytes {start}-{len(data) - 1}/{len(data)}')
        self.resume(what, answer)

    def blobs_ranged(self, what):
        start = int(self.headers.get('Range', 'bytes=0-')[6:-1])
        self.damaged(what, lambda data: self.part(data, start, f'bytes {start}-{len(data) - 1}/{len(data)}')
                     if start else self.say(200, data))

    def blobs_slow(self, what):
        """Half of it, then nothing for a while; the rest to whoever asks for that."""
        if self.headers.get('Range') or what != sha(LAYER):
            return self.blobs_ranged(what)
        self.head(200, len(LAYER))
        self.wfile.write(LAYER[:len(LAYER) // 2])
        self.wfile.flush()
        time.sleep(120)
        self.close_connection = True
        return None

    def blobs_ignored(self, what):
        self.resume(what, lambda data, half: self.say(200, data))

    def blobs_shifted(self, what):
        self.resume(what, lambda data, half: self.part(data, 5, f'bytes 5-{len(data) - 1}/{len(data)}'))

    def blobs_rangeless(self, what):
        self.resume(what, lambda data, half: self.say(206, data[half:]))

    def blobs_unasked(self, what):
        self.damaged(what, lambda data: self.part(data, 0, f'bytes 0-{len(data) - 1}/{len(data)}'))

    def blobs_beyond(self, what):
        self.resume(what, lambda data, half: self.say(416) if self.headers.get('Range') else self.say(200, data))

    # ---- redirects ----

    def blobs_redirect(self, what):
        self.redirect(f'http://{self.other()}/blobs/{what}')

    blobs_guarded = blobs_redirect

    def manifests_moved(self, what):
        self.redirect(f'/v2/good/manifests/{what}', 301)

    def manifests_circle(self, _):
        self.redirect(self.path)

    def manifests_nowhere(self, _):
        self.say(307)

    def manifests_file(self, _):
        self.redirect('file:///etc/passwd')

    def manifests_ftp(self, _):
        self.redirect(f'ftp://{self.other()}/x')

    def manifests_user(self, _):
        self.redirect(f'http://ann:secret@{self.other()}/x')

    def manifests_plain(self, _):
        self.redirect('http://registry.example.com/x')

    def manifests_downgrade(self, what):
        self.redirect(f'http://127.0.0.1:{ports[0]}/v2/good/manifests/{what}')

    def blobs_downgrade(self, what):
        self.redirect(f'http://127.0.0.1:{ports[0]}/v2/good/blobs/{what}')

    def manifests_metadata(self, _):
        self.redirect('http://169.254.169.254/latest/meta-data/')

    def manifests_smuggle(self, _):
        self.redirect(f'http://{self.other()}/x\x7f')

    # ---- logins ----

    def challenge(self, text):
        self.say(401, b'{}', WWW_Authenticate=text)
        return True

    def bearer(self, realm):
        if self.headers.get('Authorization', '').startswith('Bearer '):
            return False
        return self.challenge(f'Bearer realm="{realm}",service="tests",scope="repository:all:push,delete"')

    def guard_guarded(self):
        return self.headers.get('Authorization') != BASIC and self.challenge('Basic realm="x"')

    def guard_never(self):
        return self.challenge('Basic realm="x"')

    def guard_realm(self):
        return self.bearer(f'http://{self.other()}/token')

    def guard_realmfile(self):
        return self.bearer('file:///etc/passwd')

    def guard_realmplain(self):
        return self.bearer('http://auth.example.com/token')

    def guard_realmdown(self):
        return self.bearer(f'http://127.0.0.1:{ports[0]}/token/good')

    def guard_away(self):
        """Nobody is to be shown anything for somebody else's 401."""
        if '/away/' not in self.path:
            return False
        self.redirect(f'http://{self.other()}/guarded')
        return True

    def guard_tokenbusy(self):
        return self.bearer(f'http://127.0.0.1:{ports[0]}/token/busy')

    def guard_realmuser(self):
        return self.bearer(f'http://ann:secret@{self.other()}/token')

    def guard_own(self):
        return self.bearer(f'http://127.0.0.1:{ports[0]}/token/good')

    def guard_tokenless(self):
        return self.bearer(f'http://127.0.0.1:{ports[0]}/token/none')

    def guard_tokenbreak(self):
        return self.bearer(f'http://127.0.0.1:{ports[0]}/token/break')

    def guard_tokenflood(self):
        return self.bearer(f'http://127.0.0.1:{ports[0]}/token/flood')

    def guard_tokenaway(self):
        return self.bearer(f'http://127.0.0.1:{ports[0]}/token/away')

    def guard_mute(self):
        self.say(401)
        return True

    def guard_riddle(self):
        return self.challenge('Negotiate abcd==, Bearer realm="unfinished')

    def token(self, kind):
        if kind == 'none':
            return self.say(200, b'{"expires_in": 1e300}')
        if kind == 'break':
            return self.say(200, json.dumps({'token': 'x\r\nX-Evil: yes'}).encode())
        if kind == 'busy' and self.busy(503):
            return None
        if kind == 'flood':
            return self.endless(200)
        if kind == 'away':
            return self.redirect(f'http://{self.other()}/token')
        return self.say(200, b'{"access_token": "from-the-registry"}')

    # ---- patience ----

    def busy(self, status, **fields):
        if self.count():
            return False
        self.say(status, b'', **fields)
        return True

    def guard_busy(self):
        return '/manifests/' in self.path and self.busy(429, Retry_After='1')

    def guard_busydate(self):
        when = time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime(time.time() + 2))
        return '/manifests/' in self.path and self.busy(503, Retry_After=when)

    def guard_later(self):
        self.say(429, b'', Retry_After='86400')
        return True

    def guard_broken(self):
        self.say(500, json.dumps({'errors': [{'code': 'UNKNOWN', 'message': 'disk on fire'}]}).encode())
        return True

    def guard_flaky(self):
        return self.busy(502)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


servers = [Server((host, 0), Handler) for host in ('127.0.0.1', '127.0.0.2', '127.0.0.1')]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
# in the thread of its own that each connection gets: one that fails here must not stop the others
servers[2].socket = context.wrap_socket(servers[2].socket, server_side=True, do_handshake_on_connect=False)
ports = [server.server_address[1] for server in servers]
with open(port_file + '.new', 'w') as f:
    f.write(' '.join(map(str, ports)) + '\n')
os.rename(port_file + '.new', port_file)
for server in servers[1:]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
servers[0].serve_forever()
