"""From 0.1.0 to the package that is tested, back, and to a purge."""

from bench import HELPER, PROBE, SERVICE, SESSION_ENDED, SET_ASIDE, SETTINGS, SOCKET, Checks
from machine import HERE, wait
from packages import AT, OF_OLD, OLD, stored

ALL = check = Checks()
UNITS = (SERVICE, SOCKET, HELPER)
NEWER, OLDER = f"{AT}/newer.deb", f"{AT}/older.deb"
EDITED = "[session]\nretries = 3\n"
POLICY = "/usr/sbin/policy-rc.d"
# Two records of the fixture are ones that no agent makes, and the object of its EXEC is not here.
ODD = (
    "the record of an interrupted change is damaged",
    "brought: the account that a bootstrap brought can't be used",
    "urn:oma:mo:x:1.0/7/Run: not executed",
)
# Whatever the agent, its helper and root's programs keep.
STATE = ("omadm", "omadm-exec", "omadm-fumo", "omadm-scomo", "omadm-wan")


def install(bench, package):
    return bench.machine.run("dpkg", "--install", "--force-confdef", package, both=True)


def version(bench):
    return bench.machine.run("dpkg-query", "--showformat=${Version}", "--show", "omadm-agent")


def states(bench):
    return [[bench.machine.show(unit, name) for name in ("UnitFileState", "ActiveState")] for unit in UNITS]


@check
def policy(bench):
    """where policy-rc.d says no, as in the making of an image, nothing is started"""
    machine = bench.machine
    machine.write(POLICY, "#!/bin/sh\nexit 101\n", "0755")
    install(bench, OLDER)
    assert states(bench) == [["enabled", "inactive"]] * 3, states(bench)
    machine.run("systemctl", "start", SERVICE)
    before = bench.pid()
    install(bench, OLDER)
    assert bench.pid() == before, "it was restarted"
    machine.run("rm", POLICY)


@check
def full(bench):
    """from 0.1.0 with edited settings and a full store: the id of the device, and the alert that waits, are there"""
    machine, server = bench.machine, bench.server
    machine.run("systemctl", "stop", SERVICE, SOCKET)
    machine.write("/etc/probe.conf", "level=1\n", "0600")
    machine.write(SETTINGS, EDITED)
    bench.probed()
    stored(machine, "store-0.1.0")
    assert version(bench) == OLD
    install(bench, NEWER)
    assert version(bench) != OLD
    # A notification was on its way, too.
    one = server.package()
    assert one.headers["omadm-devid"] == "IMEI:490154203237518", one.headers
    assert "urn:oma:at:x:1.0" in str(one.json), one.json
    bench.idle()
    assert machine.run("cat", SETTINGS) == EDITED
    assert not machine.run("cat", f"{SETTINGS}.dpkg-dist").startswith(OF_OLD)
    assert not bench.journal(MESSAGE_ID=SET_ASIDE)


@check
def known(bench):
    """a server changes something, and EXECs take long from now on"""
    machine, server = bench.machine, bench.server
    server.forget()
    # Long enough for an upgrade to be in the middle of it.
    machine.write("/usr/local/lib/probe", (HERE / "object/probe").read_text().replace("sleep 3", "sleep 12"), "0755")
    bench.reload()
    server.order(document={"MOData": {"Level": 5}}, at="/five")
    one, three = server.session([["HGET", "https://dm.example/five", f"{PROBE}/1/"]])
    assert three.json["Status"][0][0] == 200, three.json
    bench.device = one.headers["omadm-devid"]
    bench.idle()


def goes_to(bench, package):
    """Goes to this package in the middle of an EXEC, which ends once; what the operator and servers did stays."""
    machine, server = bench.machine, bench.server
    machine.run("rm", "--force", "/tmp/probe.slow")
    before, opened = bench.pid(), machine.show(SOCKET, "ActiveEnterTimestampMonotonic")
    server.order(session=[[["EXEC", f"{PROBE}/1/Slow"]]])
    server.notify()
    server.package()
    wait(lambda: machine.run("cat", "/tmp/probe.slow", check=False))
    install(bench, package)
    assert bench.pid() not in ("0", before)
    assert machine.show(SOCKET, "ActiveEnterTimestampMonotonic") == opened
    assert machine.run("cat", SETTINGS) == EDITED
    told = lambda: [line["MESSAGE"] for line in bench.journal(_PID=bench.pid()) if "/Slow" in line["MESSAGE"]]  # noqa: E731
    wait(lambda: any("ended with code 4" in message for message in told()), 40)
    assert machine.run("cat", "/tmp/probe.slow") == "begun\nended\n", "it was not executed once, to its end"
    bench.idle()
    wait(lambda: bench.journal(MESSAGE_ID=SESSION_ENDED, _PID=bench.pid()))
    bench.idle()
    server.forget()
    one, three = server.session([["GET", f"{PROBE}/1/Level"]])
    assert one.headers["omadm-devid"] == bench.device
    assert three.parts["1"][1] == b"5", three.parts
    errors = [line["MESSAGE"] for line in bench.journal(PRIORITY="3")]
    assert not [message for message in errors if not message.startswith(ODD)], errors


@check
def downgrades(bench):
    """the way back in the middle of an EXEC: the socket stays open, edited settings and all that the agent knows stay"""
    goes_to(bench, OLDER)


@check
def upgrades(bench):
    """so does an upgrade"""
    goes_to(bench, NEWER)


@check
def sets_aside(bench):
    """the way back over a layout of the store: it is set aside, the journal says so, and the agent begins as from the factory"""
    machine = bench.machine
    machine.run("systemctl", "stop", SERVICE)
    stored(machine, "store-newer")
    install(bench, OLDER)
    said = [line["MESSAGE"] for line in bench.journal(MESSAGE_ID=SET_ASIDE)]
    assert len(said) == 1 and "newer" in said[0] and "store.redb.bad-1" in said[0] and "factory" in said[0], said
    machine.run("test", "-f", "/var/lib/omadm/store.redb.bad-1")
    bench.server.forget()
    one, *_ = bench.server.session()
    assert one.headers["omadm-devid"] != bench.device
    bench.device = one.headers["omadm-devid"]
    assert machine.run("cat", SETTINGS) == EDITED


@check
def needrestart(bench):
    """needrestart never restarts an EXEC, nor what an EXEC runs in"""
    script = "our %nrconf; do $ARGV[0]; print grep { $ARGV[1] =~ $_ } keys %{$nrconf{override_rc}}"
    asked = ["/etc/needrestart/conf.d/omadm-agent.conf", "omadm-exec@3-1234-990.service"]
    assert bench.machine.run("perl", "-e", script, *asked)


@check
def removed_and_back(bench):
    """removed, it keeps settings and what it knows; installed again, it goes on as the same device"""
    machine = bench.machine
    for name in STATE:
        machine.write(f"/var/lib/{name}/kept", "")
    machine.run("dpkg", "--remove", "omadm-agent")
    assert machine.run("cat", SETTINGS) == EDITED
    machine.run("ls", *(f"/var/lib/{name}/kept" for name in STATE))
    install(bench, NEWER)
    one, *_ = bench.server.session()
    assert one.headers["omadm-devid"] == bench.device


@check
def purges(bench):
    """purged, it forgets what servers changed and what updates and trials left, and keeps what the operator wrote but its settings"""
    machine = bench.machine
    machine.run("dpkg", "--purge", "omadm-agent")
    left = machine.run("sh", "-c", f"ls -d /var/lib/omadm* /run/omadm* {SETTINGS}", check=False)
    assert not left, left
    machine.run("test", "-f", "/etc/omadm/accounts.d/acme.toml")
    assert not machine.run("systemctl", "list-unit-files", "--no-legend", "omadm*", check=False).strip()
