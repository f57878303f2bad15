"""What the checks share: the machine with the agent on it, and the DM server."""

import contextlib
import json
import traceback

from machine import HERE, wait
from server import ACCOUNT, SECRET

DEB = "/root/agent.deb"
SETTINGS, ACCOUNTS = "/etc/omadm/omadmd.toml", "/etc/omadm/accounts.d"
SERVICE, SOCKET, HELPER = "omadmd.service", "omadmd.socket", "omadm-exec.socket"
DEVINFO = "urn:oma:mo:oma-dm-devinfo:1.2"
PROBE = "urn:x-omadm:mo:system-test:1.0"
SESSION_ENDED, DROPPED, BROKEN, SET_ASIDE = (
    f"6f1d5c0b8f0f4a7f9d4b1a3c2e5d7f{last}" for last in (10, 12, 13, 14)
)


class Checks(list):
    """The checks of one machine's life. As a decorator it takes one more, of which the docstring's first line is printed."""

    def __call__(self, check):
        self.append(check)
        return check


def through(checks, bench):
    """Goes through the checks, one line each: how many of them passed, and failed."""
    passed = failed = 0
    for check in checks:
        what = check.__doc__.splitlines()[0]
        try:
            check(bench)
            passed += 1
            print(f"ok    {what}", flush=True)
        except Exception as error:
            failed += 1
            where = traceback.extract_tb(error.__traceback__)[-1]
            said = " ".join(str(error).split()) or type(error).__name__
            print(f"FAIL  {what}: {said} ({where.name}, line {where.lineno}: {where.line})", flush=True)
            with contextlib.suppress(Exception):
                bench.recover()
    return passed, failed


class Bench:
    """What the checks share."""

    def __init__(self, machine, server, folder):
        self.machine, self.server, self.folder = machine, server, folder
        self.machine.write("/etc/hosts", "127.0.0.1 localhost\n192.0.2.1 dm.example\n")
        self.files = self.listing()
        self.replay = self.device = None
        # What the checks after a failed one need, so that they fail for reasons of their own.
        self.recover = lambda: None

    def beside_accounts(self):
        """Writes what accounts name: the authority, the password, the secret of notifications."""
        for name, text, mode, owner in (
            ("ca.pem", (self.folder / "ca.pem").read_text(), "0644", "root:root"),
            ("dm.password", "pass word\n", "0640", "root:omadm"),
            ("dm.secret", SECRET.decode() + "\n", "0640", "root:omadm"),
        ):
            self.machine.write(f"{ACCOUNTS}/{name}", text, mode, owner)

    def account(self, server, *changed):
        """Writes an account, with one text changed to another."""
        text = ACCOUNT.format(server=server)
        text = text.replace(*changed) if changed else text
        self.machine.write(f"{ACCOUNTS}/{server}.toml", text, "0640", "root:omadm")

    def probed(self):
        """Writes the account acme, what it needs, and an integrator's object."""
        machine = self.machine
        self.beside_accounts()
        machine.write("/etc/omadm/mo.d/probe/probe.toml", (HERE / "object/probe.toml").read_text())
        machine.write("/usr/local/lib/probe", (HERE / "object/probe").read_text(), "0755")
        self.account("acme")

    def reload(self, fails=False):
        """Reloads, which is over when the agent has done so; or fails, as a file is broken."""
        read = lambda: [line for line in self.journal() if "configuration read again" in line["MESSAGE"]]  # noqa: E731
        before = len(read())
        said = self.machine.run("systemctl", "reload", SERVICE, check=not fails, both=True)
        assert bool(said.strip()) == fails, said
        wait(lambda: len(read()) > before)
        # It says that it has before it tells systemd so.
        wait(lambda: self.machine.show(SERVICE, "ActiveState") == "active")

    def journal(self, **fields):
        """The service's own lines with these fields."""
        self.machine.run("journalctl", "--sync")
        matches = [f"{name}={value}" for name, value in fields.items()]
        lines = self.machine.run("journalctl", "--output=json", f"_SYSTEMD_UNIT={SERVICE}", *matches, check=False)
        return [json.loads(line) for line in lines.splitlines()]

    def begun(self, server):
        return [line for line in self.journal(OMADM_SERVER_ID=server) if " begins" in line["MESSAGE"]]

    def ended(self, count, server="acme"):
        """Waits until so many sessions ended well."""
        found = lambda: self.journal(OMADM_SERVER_ID=server, MESSAGE_ID=SESSION_ENDED)  # noqa: E731
        return wait(lambda: len(found()) >= count and found())

    def idle(self):
        """Waits until no session is running."""
        wait(lambda: "0 sessions running" in self.machine.show(SERVICE, "StatusText"))

    def pid(self):
        return self.machine.show(SERVICE, "MainPID")

    def listing(self):
        found = self.machine.run("find", "/etc", "/usr", "/var/lib", "/var/log", "/run/omadm", "/run/omadm-exec", "-xdev", check=False)
        return set(found.splitlines())
