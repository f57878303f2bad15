"""A DM server outside the machine: Python's own TLS and HTTP, nothing of the agent.

Takes orders as JSON lines on stdin, and tells what happens as JSON lines on stdout:

    {"session": [[["GET", "uri"]]]}      the command lists of the next session; then, and without orders: END
    {"send": "hex", "to": "192.0.2.2"}   a datagram to UDP port 2948; with "times", so often
    {"document": {…}, "at": "/path"}     what HGET finds there, a text as it is; elsewhere, nothing
    {"file": "/there", "at": "/path"}    what is fetched from there, in parts if that is asked for; "rate" in bytes a second
    {"password": "text"}                 the password from now on
    {"certificate": "/path.pem"}         the certificate from now on, of the same key
    {"answer": [500, "text/html", "…"]}  what each package is answered with from now on; null: as by a DM server
    {"once": [503, "text/plain", "…"]}   what the next package is answered with
    {"port": 444, "says": "text"}        another port, on which whoever connects is told this, and nothing more
    {"answering": false}                 packages are not answered from now on, before it is true again
    {"wants": "/ca.pem"}                 clients must have a certificate of this authority from now on; null: none
    {"request": {…}}                     (told) a package arrived
    {"fetched": "/path", "from": 0, …}   (told) a file is fetched, from this byte on; "if" is the If-Range
"""

import base64
import http.server
import json
import queue
import re
import socket
import ssl
import sys
import threading
import time
import zlib
from pathlib import Path

sessions = queue.SimpleQueue()
documents, files, once = {}, {}, []
telling, answering = threading.Lock(), threading.Event()
answering.set()


def tell(**what):
    with telling:
        print(json.dumps(what), flush=True)


class Connection(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    packages = iter(())

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        authorised = self.headers.get("Authorization") == f"Basic {CREDENTIALS}"
        tell(
            request={
                "connection": self.client_address,
                "tls": self.connection.version(),
                "authorised": authorised,
                "path": self.path,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "body": base64.b64encode(body).decode(),
            }
        )
        answering.wait()
        if odd := once.pop() if once else ANSWER:
            status, kind, text = odd
            return self.answer(status, text.encode(), {"Content-Type": kind})
        if not authorised:
            return self.answer(401, headers={"WWW-Authenticate": 'Basic realm="dm"'})
        if "initiation+json" in self.headers.get("Content-Type", ""):
            self.packages = iter([] if sessions.empty() else sessions.get())
        commands = next(self.packages, [["END"]])
        self.answer(
            200, json.dumps({"CMD": commands}).encode(), {"Content-Type": "application/vnd.oma.dm.request+json"}
        )

    def do_GET(self):
        if self.path in files:
            return self.file(**files[self.path])
        if self.path not in documents:
            return self.answer(404)
        if isinstance(found := documents[self.path], str):
            return self.answer(200, found.encode(), {"Content-Type": "text/plain"})
        self.answer(200, json.dumps(found).encode(), {"Content-Type": "application/dmmo+json"})

    def file(self, file, rate):
        whole, tag = Path(file).read_bytes(), f'"{zlib.crc32(Path(file).read_bytes()):x}"'
        asked = re.match(r"bytes=(\d+)-$", self.headers.get("Range", ""))
        first = int(asked[1]) if asked and self.headers.get("If-Range", tag) == tag else 0
        tell(fetched=self.path, **{"from": first, "if": self.headers.get("If-Range")})
        self.send_response(206 if first else 200)
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(whole) - first))
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(whole) - 1}/{len(whole)}")
        self.end_headers()
        step = rate // 10 if rate else len(whole)
        for at in range(first, len(whole), step):
            self.wfile.write(whole[at : at + step])
            time.sleep(0.1 if rate else 0)

    def answer(self, status, body=b"", headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True

    def get_request(self):
        connection, address = super().get_request()
        # The handshake happens at the first read, in the connection's own thread.
        return TLS.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request, address):
        tell(error=repr(sys.exc_info()[1]))


def send(datagram, address, times):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        for _ in range(times):
            sender.sendto(datagram, (address, 2948))


def credentials(password):
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def tls(certificate, authority=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if authority:
        context.load_verify_locations(authority)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def say(port, text):
    kept = []
    with socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) as listening:
        while True:
            kept.append(listening.accept()[0])
            kept[-1].sendall(text.encode())


certificate, key, user, password = sys.argv[1:]
CREDENTIALS, TLS, ANSWER = credentials(password), tls(certificate), None
server = Server(("::", 443), Connection)
threading.Thread(target=server.serve_forever, daemon=True).start()
tell(listening=True)
for line in sys.stdin:
    order = json.loads(line)
    if "session" in order:
        sessions.put(order["session"])
    if "document" in order:
        documents[order["at"]] = order["document"]
    if "file" in order:
        files[order["at"]] = {"file": order["file"], "rate": order.get("rate")}
    if "send" in order:
        send(bytes.fromhex(order["send"]), order["to"], order.get("times", 1))
    if "password" in order:
        CREDENTIALS = credentials(order["password"])
    if "certificate" in order:
        TLS = tls(order["certificate"])
    if "answering" in order:
        (answering.set if order["answering"] else answering.clear)()
    if "wants" in order:
        TLS = tls(certificate, order["wants"])
    if "port" in order:
        threading.Thread(target=say, args=(order["port"], order["says"]), daemon=True).start()
    if "answer" in order:
        ANSWER = order["answer"]
    if "once" in order:
        once.append(order["once"])
