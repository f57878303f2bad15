"""The DM server's side of a check: its certificate, its account on the machine, what it sends and gets."""

import base64
import email.parser
import itertools
import json
import queue
import subprocess
import sys
import threading

import machine
import notification
from machine import HERE

MACHINE_V4, MACHINE_V6 = "192.0.2.2", "2001:db8::2"
SECRET = b"a secret that both sides know"
ACCOUNT = """
server-id = "{server}"
name = "{server}"
server-uri = "https://dm.example/{server}?id=[DevID]"
tls = {{ ca-file = "ca.pem" }}
auth = {{ basic = {{ user = "gateway", password-file = "dm.password" }} }}
notification = {{ secret-file = "dm.secret" }}
permissions = ["*"]
schedule = {{ at-boot = false, first-contact = false }}
"""


def certificates(folder):
    """A CA and a certificate for dm.example, made by openssl."""
    subprocess.run(
        ["bash", "-euc", """
        cd "$1"
        openssl req -x509 -newkey rsa:2048 -noenc -days 2 -subj "/CN=A CA" -keyout ca.key -out ca.pem \
          -addext basicConstraints=critical,CA:true
        openssl req -x509 -newkey rsa:2048 -noenc -days 2 -subj "/CN=dm" -keyout dm.key -out dm.pem -CA ca.pem \
          -CAkey ca.key -addext subjectAltName=DNS:dm.example -addext basicConstraints=critical,CA:false \
          -addext extendedKeyUsage=serverAuth
        """, "certificates", folder],
        check=True, capture_output=True,
    )  # fmt: skip


def bad_certificates(folder):
    """What goes wrong with certificates: one of dm.example that is over, and a CA that is not the server's."""
    subprocess.run(
        ["bash", "-euc", """
        cd "$1"
        openssl req -x509 -newkey rsa:2048 -noenc -days 2 -subj "/CN=Another CA" -keyout other.key -out other.pem \
          -addext basicConstraints=critical,CA:true
        printf '%s\n' '[ca]' default_ca=here '[here]' database=index new_certs_dir=. rand_serial=yes default_md=sha256 \
          policy=any x509_extensions=server '[any]' commonName=supplied '[server]' subjectAltName=DNS:dm.example \
          basicConstraints=critical,CA:false extendedKeyUsage=serverAuth >ca.conf
        : >index
        openssl req -new -key dm.key -subj "/CN=dm" -out expired.csr
        openssl ca -batch -notext -config ca.conf -cert ca.pem -keyfile ca.key -in expired.csr -out expired.pem \
          -startdate 20260101000000Z -enddate 20260201000000Z
        """, "bad-certificates", folder],
        check=True, capture_output=True,
    )  # fmt: skip


class Package:
    """A package that reached the server."""

    def __init__(self, told):
        self.connection, self.tls, self.path = told["connection"], told["tls"], told["path"]
        self.headers, self.authorised = told["headers"], told["authorised"]
        self.kind = self.headers.get("content-type", "")
        body = base64.b64decode(told["body"])
        self.parts = {}
        if self.kind.startswith("multipart/form-data"):
            message = email.parser.BytesParser().parsebytes(
                f"Content-Type: {self.kind}\r\nMIME-Version: 1.0\r\n\r\n".encode() + body
            )
            first, *rest = message.get_payload()
            self.kind, body = first.get_content_type(), first.get_payload(decode=True)
            for part in rest:
                name = part.get_param("name", header="content-disposition")
                self.parts[name] = (part.get_content_type(), part.get_payload(decode=True))
        self.json = json.loads(body) if body else None


class Server:
    """The DM server, at the world's end of the cable."""

    def __init__(self, network, folder):
        self.told, self.fetched = queue.SimpleQueue(), []
        self.numbers = itertools.count(1)
        self.folder = folder
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", network.world, sys.executable, HERE / "dmserver.py",
             f"{folder}/dm.pem", f"{folder}/dm.key", "gateway", "pass word"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert json.loads(self.process.stdout.readline()) == {"listening": True}
        threading.Thread(target=self.listen, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def listen(self):
        for line in self.process.stdout:
            told = json.loads(line)
            if "fetched" in told:
                self.fetched.append(told)
            else:
                self.told.put(told)

    def order(self, **what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def accept(self, password):
        """From now on, this is the password."""
        self.order(password=password)

    def certificate(self, name):
        """From now on, this is the certificate: a file of the folder."""
        self.order(certificate=f"{self.folder}/{name}.pem")

    def answers(self, status=None, kind="text/plain", body=""):
        """From now on, each package is answered with this; without a status, as by a DM server."""
        self.order(answer=status and [status, kind, body])

    def notify(self, server="acme", number=None, secret=SECRET, to=MACHINE_V4, **options):
        """Sends a notification; its bytes, to be sent again."""
        number = next(self.numbers) if number is None else number
        datagram = notification.push(notification.package(server, number, secret, **options))
        self.send(datagram, to)
        return datagram

    def send(self, datagram, to=MACHINE_V4):
        self.order(send=datagram.hex(), to=to)

    def package(self, seconds=20):
        """The next package that the agent sends, with its credentials."""
        while True:
            try:
                told = self.told.get(timeout=seconds * machine.PATIENCE)
            except queue.Empty:
                raise AssertionError(f"the agent sent nothing for {seconds} s") from None
            assert "request" in told, f"the server met {told}"
            package = Package(told["request"])
            if package.authorised:
                return package

    def session(self, *commands, **notification):
        """Notifies, answers each package with the next of these command lists and then END; what the agent sent."""
        self.order(session=commands)
        self.notify(**notification)
        return [self.package() for _ in [None, *commands]]

    def forget(self):
        """Passes over what has arrived."""
        while not self.told.empty():
            self.told.get()

    def quiet(self):
        """Nothing more has arrived."""
        return self.told.empty()
