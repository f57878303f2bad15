"""The server's side of the day: it commands objects by their paths, and keeps what it is told."""

import json
import time

from machine import wait
from server import MACHINE_V4, Package

# systemd-nspawn puts the machine's own boot id over the kernel's: in a /proc of its own the agent would see the latter.
BOOT_ID = "[Service]\nProtectProc=default\nProtectKernelTunables=no\nProtectControlGroups=no\n"


def recover(bench):
    """Waits for what a failed check has left under way, and finds where the gateway is."""
    machine, manager = bench.machine, bench.manager
    requests = lambda: machine.run("systemctl", "list-units", "--plain", "--no-legend", "--state=active,activating", "omadm-exec@*")  # noqa: E731
    wait(lambda: not requests(), 200)
    addresses = machine.run("ip", "-4", "-o", "address", "show", "dev", "eth0").split()
    manager.address = next((held.split("/")[0] for held in addresses if held.startswith("192.0.2.")), MACHINE_V4)
    time.sleep(5)
    manager.forget()


class Manager:
    """Sessions, one after the other; the device may begin others in between."""

    def __init__(self, bench):
        self.server, self.packages, self.taken = bench.server, [], 0
        # Where the device is.
        self.address = MACHINE_V4

    def collect(self):
        while not self.server.told.empty():
            told = self.server.told.get()
            # What breaks off with the power is no error here.
            if "request" in told and (package := Package(told["request"])).authorised:
                self.packages.append(package)

    def answers(self):
        """The packages that answer command lists."""
        self.collect()
        return [package for package in self.packages if "initiation" not in package.kind]

    def talk(self, *lists, seconds=40, **notification):
        """Notifies, and has these command lists answered: the answers."""
        before = len(self.answers())
        self.server.order(session=lists)
        self.server.notify(to=self.address, **notification)
        wait(lambda: len(self.answers()) >= before + len(lists), seconds)
        return self.answers()[before : before + len(lists)]

    def statuses(self, *commands):
        return [status[0] for status in self.talk(commands)[0].json["Status"]]

    def get(self, uri):
        """What a node says: a leaf's text, what is below an interior node; a number is the status that there is no more."""
        (answer,) = self.talk([["GET", uri]])
        status = answer.json["Status"][0][0]
        if status != 200:
            return status
        kind, data = answer.parts["1"]
        if "json" not in kind:
            return data.decode()
        (whole,) = json.loads(data)["MOData"].values()
        return whole

    def write(self, uri, value):
        """The command that writes a leaf, or what is in a node."""
        at = f"/data/{time.monotonic_ns()}"
        self.server.order(document={"MOData": value} if isinstance(value, dict) else str(value), at=at)
        return ["HGET", f"https://dm.example{at}", uri]

    def alerts(self):
        """All that was told, in the order that it came."""
        self.collect()
        return [item for package in self.packages for item in package.json.get("Alert", {}).get("Items", [])]

    def alert(self, seconds=40):
        """The next alert: its type, the node, the number or text."""
        wait(lambda: len(self.alerts()) > self.taken, seconds)
        alert = self.alerts()[self.taken]
        self.taken += 1
        data = alert.get("Data")
        if isinstance(data, dict) and len(data) == 1:
            (data,) = data.values()
        return alert["AlertType"], alert["SourceURI"], data

    def forget(self):
        """What was told until now is no news for the next."""
        self.taken = len(self.alerts())

    def told_all(self):
        """Nothing was told besides."""
        left = self.alerts()[self.taken :]
        assert not left, left
