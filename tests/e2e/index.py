"""index.py FOLDER ADDRESS LOG: FOLDER/index over HTTP and TLS at ADDRESS; LOG gets a line for each request."""

import functools
import http.server
import ssl
import sys
import threading

folder, address, log = sys.argv[1:]


class Handler(http.server.SimpleHTTPRequestHandler):
    def end_headers(self):
        # a wheel is never changed: without this pip would not keep it
        wheel = self.path.endswith(".whl")
        self.send_header("Cache-Control", "max-age=86400" if wheel else "no-store")
        super().end_headers()

    def log_message(self, *words):
        kind = "TLS" if isinstance(self.connection, ssl.SSLSocket) else "HTTP"
        with open(log, "a") as out:
            out.write(f"{kind} {self.command} {self.path} {self.headers.get('Host')}\n")


def serve(port, context):
    handler = functools.partial(Handler, directory=f"{folder}/index")
    server = http.server.ThreadingHTTPServer((address, port), handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever).start()


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{folder}/server.crt", f"{folder}/server.key")
serve(80, None)
serve(443, context)
open(log, "w").close()
