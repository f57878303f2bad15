"""From an older package to the one that is tested, back, and to a purge."""

from bench import HELPER, PROBE, SERVICE, SESSION_ENDED, SETTINGS, SOCKET, Checks
from machine import HERE, wait
from packages import AT, OF_OLD

ALL = check = Checks()
UNITS = (SERVICE, SOCKET, HELPER)
NEWER, OLDER = f"{AT}/newer.deb", f"{AT}/older.deb"
EDITED = "[session]\nretries = 3\n"
POLICY = "/usr/sbin/policy-rc.d"


def install(bench, package):
    return bench.machine.run("dpkg", "--install", "--force-confdef", package, both=True)


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
def known(bench):
    """the agent gets a server, which changes something, and an operator, who edits its settings"""
    machine, server = bench.machine, bench.server
    machine.write("/etc/probe.conf", "level=1\n", "0600")
    bench.probed()
    # Long enough for an upgrade to be in the middle of it.
    machine.write("/usr/local/lib/probe", (HERE / "object/probe").read_text().replace("sleep 3", "sleep 12"), "0755")
    bench.reload()
    server.order(document={"MOData": {"Level": 5}}, at="/five")
    one, three = server.session([["HGET", "https://dm.example/five", f"{PROBE}/1/"]])
    assert three.json["Status"][0][0] == 200, three.json
    bench.device = one.headers["omadm-devid"]
    bench.idle()
    machine.write(SETTINGS, EDITED)
    bench.reload()


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
    assert not bench.journal(PRIORITY="3"), bench.journal(PRIORITY="3")


@check
def upgrades(bench):
    """an upgrade in the middle of an EXEC: the socket stays open, edited settings and all that the agent knows stay"""
    goes_to(bench, NEWER)
    assert not bench.machine.run("cat", f"{SETTINGS}.dpkg-dist").startswith(OF_OLD)


@check
def downgrades(bench):
    """so does the way back"""
    goes_to(bench, OLDER)


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
    machine.run("dpkg", "--remove", "omadm-agent")
    assert machine.run("cat", SETTINGS) == EDITED
    install(bench, NEWER)
    one, *_ = bench.server.session()
    assert one.headers["omadm-devid"] == bench.device


@check
def purges(bench):
    """purged, it forgets what servers changed, and keeps what the operator wrote but its settings"""
    machine = bench.machine
    machine.run("dpkg", "--purge", "omadm-agent")
    gone = machine.run("ls", "-d", "/var/lib/omadm", "/run/omadm", "/var/lib/omadm-exec", SETTINGS, check=False)
    assert not gone, gone
    machine.run("test", "-f", "/etc/omadm/accounts.d/acme.toml")
    assert not machine.run("systemctl", "list-unit-files", "--no-legend", "omadm*", check=False).strip()
