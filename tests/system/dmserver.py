"""A DM server outside the machine: Python's own TLS and HTTP, nothing of the agent.

Takes orders as JSON lines on stdin, and tells what happens as JSON lines on stdout:

    {"session": [[["GET", "uri"]]]}      the command lists of the next session; then, and without orders: END
    {"send": "hex", "to": "192.0.2.2"}   a datagram to UDP port 2948
    {"document": {…}, "at": "/path"}     what HGET finds there
    {"request": {…}}                     (told) a package arrived
"""

import base64
import http.server
import json
import queue
import socket
import ssl
import sys
import threading

sessions = queue.SimpleQueue()
documents = {}
telling = threading.Lock()


def tell(**what):
    with telling:
        print(json.dumps(what), flush=True)


class Connection(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    packages = ()

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
        if not authorised:
            return self.answer(401, headers={"WWW-Authenticate": 'Basic realm="dm"'})
        if "initiation+json" in self.headers.get("Content-Type", ""):
            self.packages = iter([] if sessions.empty() else sessions.get())
        commands = next(self.packages, [["END"]])
        self.answer(
            200, json.dumps({"CMD": commands}).encode(), {"Content-Type": "application/vnd.oma.dm.request+json"}
        )

    def do_GET(self):
        body = json.dumps(documents[self.path]).encode()
        self.answer(200, body, {"Content-Type": "application/dmmo+json"})

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


def send(datagram, address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.sendto(datagram, (address, 2948))


certificate, key, user, password = sys.argv[1:]
CREDENTIALS = base64.b64encode(f"{user}:{password}".encode()).decode()
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
TLS.load_cert_chain(certificate, key)
server = Server(("::", 443), Connection)
threading.Thread(target=server.serve_forever, daemon=True).start()
tell(listening=True)
for line in sys.stdin:
    order = json.loads(line)
    if "session" in order:
        sessions.put(order["session"])
    if "document" in order:
        documents[order["at"]] = order["document"]
    if "send" in order:
        send(bytes.fromhex(order["send"]), order["to"])
