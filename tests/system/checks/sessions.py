"""Accounts, objects, and sessions with the server."""

import json
import re

from bench import DEVINFO, PROBE, SERVICE, SESSION_ENDED
from checks.register import check
from machine import wait
from server import SECRET


@check
def new_account(bench):
    """an account and a management object take effect by themselves"""
    machine = bench.machine
    before = machine.show(SERVICE, "StatusText")
    bench.probed()
    machine.run("omadmd", "--check")
    objects = int(re.search(r"(\d+) management", before)[1]) + 1
    wait(lambda: machine.show(SERVICE, "StatusText").startswith(f"1 account, {objects} management objects"))


@check
def session(bench):
    """a notification starts a session over TLS that reads this machine"""
    machine, server = bench.machine, bench.server
    one, three = server.session(
        [["GET", f"{DEVINFO}/1/SwV"], ["GET", f"{DEVINFO}/1/"], ["GET", f"{PROBE}/1/Interfaces"], ["NONSENSE"]],
        req_mos=True, preferred=[3, 0],
    )  # fmt: skip
    bench.device = one.headers["omadm-devid"]
    assert re.match(r"(UUID|IMEI):\S+$", bench.device), bench.device
    assert one.kind == "application/vnd.oma.dm.initiation+json", one.kind
    assert DEVINFO in {mo["MOID"] for mo in one.json["MOS"]}, one.json
    assert one.path.startswith("/acme?id="), one.path
    assert [status[0] for status in three.json["Status"]] == [200, 200, 200, 501], three.json
    version = re.search(r'^VERSION_ID="?([^"\n]+)', machine.run("cat", "/etc/os-release"), re.M)[1]
    assert three.parts["1"] == ("text/plain", version.encode()), three.parts
    kind, data = three.parts["2"]
    assert kind == "application/dmmo+json", kind
    assert json.loads(data)["MOData"]["DevInfo"]["DevID"] == bench.device, data
    assert three.parts["3"] == ("text/plain", b"eth0"), three.parts


@check
def connection(bench):
    """one TLS connection carries the whole session"""
    packages = bench.server.session([["GET", f"{DEVINFO}/1/Man"]], [["GET", f"{DEVINFO}/1/Mod"]])
    assert len({tuple(package.connection) for package in packages}) == 1
    assert {package.tls for package in packages} <= {"TLSv1.2", "TLSv1.3"}


@check
def fields(bench):
    """the journal has the session with its fields, and explains it"""
    ended = bench.ended(2)[-1]
    assert ended["OMADM_SERVER_ID"] == "acme" and ended["SYSLOG_IDENTIFIER"] == "omadmd", ended
    begun = bench.journal(OMADM_SESSION_ID=ended["OMADM_SESSION_ID"])
    assert any("begins" in line["MESSAGE"] for line in begun), begun
    for name, secret in (("secret", SECRET.decode()), ("password", "pass word")):
        assert not any(secret in str(line) for line in bench.journal()), f"the {name} is in the journal"
    explained = bench.machine.run("journalctl", "--catalog", "--no-pager", f"MESSAGE_ID={SESSION_ENDED}")
    assert "Subject: A management session ended well" in explained, explained


@check
def script(bench):
    """EXEC runs a program as the user of its mapping, in a unit and with a journal of its own"""
    machine = bench.machine
    _, three = bench.server.session([["EXEC", f"{PROBE}/1/Probe"], ["EXEC", f"{PROBE}/1/Root"]])
    assert [status[0] for status in three.json["Status"]] == [200, 200], three.json
    assert machine.run("stat", "--format=%U", "/tmp/probe.omadm", "/tmp/probe.root").split() == ["omadm", "root"]
    unit = machine.run("cat", "/tmp/probe.root")
    assert re.search(r"/omadm\.slice/.*omadm-exec@.*\.service$", unit.strip()), unit
    # journald looks up whose line it is, and may be behind.
    said = lambda: machine.run("journalctl", "--output=cat", "--identifier=omadm-exec")  # noqa: E731
    wait(lambda: all(f"probe: said by {user}" in said() for user in ("omadm", "root")))
    failed = machine.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "omadm-exec@*")
    assert not failed.strip(), failed


@check
def outlives(bench):
    """an EXEC goes on while the agent is killed, and the next one tells its result, once"""
    machine, server = bench.machine, bench.server
    server.order(session=[[["EXEC", f"{PROBE}/1/Slow"]]])
    server.notify()
    server.package()
    wait(lambda: machine.run("cat", "/tmp/probe.slow", check=False))
    machine.run("systemctl", "kill", "--signal=KILL", SERVICE)
    told = lambda: [line["MESSAGE"] for line in bench.journal() if "/Slow" in line["MESSAGE"]]  # noqa: E731
    wait(lambda: any("ended with code 4" in message for message in told()), 40)
    assert any("went on without the agent" in message for message in told()), told()
    assert machine.run("cat", "/tmp/probe.slow") == "begun\nended\n", "it was not executed once, to its end"
    # The session that was broken off is held again, and the alert of the end is told.
    bench.idle()
    wait(lambda: bench.journal(MESSAGE_ID=SESSION_ENDED, _PID=bench.pid()))
    bench.idle()
    server.forget()
