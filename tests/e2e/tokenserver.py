#!/usr/bin/env python3
"""A token server that docker-registry believes: tokenserver.py DIR PORT-FILE LOG.

DIR has key.pem and cert.pem. Who shows user `ann` with `secret`, or the refresh token `refresh-ann`,
may pull and push; who shows nothing may pull public/*. Each request is a line of LOG.
"""
import base64
import http.server
import json
import subprocess
import sys
import time
import urllib.parse

folder, port_file, log = sys.argv[1:]
BASIC = 'Basic ' + base64.b64encode(b'ann:secret').decode()


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()


def sign(data):
    done = subprocess.run(['openssl', 'dgst', '-sha256', '-sign', folder + '/key.pem'], input=data,
                          stdout=subprocess.PIPE, check=True)
    return done.stdout


def certificate():
    lines = open(folder + '/cert.pem').read().splitlines()
    return ''.join(line for line in lines if not line.startswith('-----'))


def token(user, service, scopes):
    access = []
    for scope in scopes:
        kind, name, actions = scope.split(':')
        wanted = actions.split(',')
        granted = wanted if user else ['pull'] if name.startswith('public/') else []
        access.append({'type': kind, 'name': name, 'actions': granted})
    now = int(time.time())
    head = {'typ': 'JWT', 'alg': 'RS256', 'x5c': [certificate()]}
    body = {'iss': 'tests', 'sub': user, 'aud': service, 'exp': now + 300, 'nbf': now - 10,
            'iat': now, 'jti': str(time.time_ns()), 'access': access}
    text = b64(json.dumps(head).encode()) + '.' + b64(json.dumps(body).encode())
    return text + '.' + b64(sign(text.encode()))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def say(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def answer(self, fields, key, user):
        with open(log, 'a') as out:
            out.write(f"{self.command} {self.path} {self.headers.get('Authorization', '-')}\n")
        if user is None:
            return self.say(401, {'details': 'no'})
        return self.say(200, {key: token(user, fields['service'][0], fields.get('scope', [])),
                              'expires_in': 300})

    def do_GET(self):
        shown = self.headers.get('Authorization')
        user = '' if shown is None else 'ann' if shown == BASIC else None
        self.answer(urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query), 'token', user)

    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length'])).decode()
        fields = urllib.parse.parse_qs(body)
        if fields['grant_type'][0] == 'password':
            user = 'ann' if fields['password'] == ['secret'] else None
        else:
            user = 'ann' if fields.get('refresh_token') == ['refresh-ann'] else None
        self.answer(fields, 'access_token', user)


server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
with open(port_file + '.new', 'w') as f:
    f.write(str(server.server_address[1]))
subprocess.run(['mv', port_file + '.new', port_file], check=True)
server.serve_forever()
