"""The gateway reboots, is upgraded in the middle of something, and nothing was told twice."""

from bench import DEB, SERVICE
from gateway.register import check
from machine import wait

SYSTEM, DIAGNOSTICS = "urn:x-omadm:mo:system:1.0/1", "urn:x-omadm:mo:diagnostics:1.0/1"
ENDED = "urn:x-omadm:at:exec:1.0:OperationComplete"


@check
def reboot(bench):
    """a reboot that the server commands is told as done after the boot, and the boots before it as they ended"""
    machine, manager = bench.machine, bench.manager
    before = manager.get(f"{SYSTEM}/BootId")
    assert manager.statuses(["EXEC", f"{SYSTEM}/Operations/Reboot"]) == [202]
    machine.reboots()
    assert manager.alert(120) == (ENDED, f"{SYSTEM}/Operations/Reboot", 200)
    assert manager.get(f"{SYSTEM}/BootId") != before
    machine.cut()
    machine.boot()
    boots = manager.get(f"{SYSTEM}/Boots")
    assert [boots[number]["End"] for number in "012"] == ["running", "cut", "reboot"], boots


@check
def upgraded(bench):
    """an upgrade of the package in the middle of an EXEC leaves that running, and its end is told once"""
    machine, manager, ping = bench.machine, bench.manager, f"{DIAGNOSTICS}/IPPing"
    writes = [manager.write(f"{ping}/{name}", value) for name, value in (("Host", "192.0.2.1"), ("NumberOfRepetitions", 40))]
    assert manager.statuses(*writes, ["EXEC", f"{ping}/Operations/Start"]) == [200, 200, 202]
    running = lambda: machine.run("pgrep", "ping", check=False)  # noqa: E731
    wait(running)
    pids, agent = running(), bench.pid()
    machine.run("dpkg", "--install", DEB)
    assert bench.pid() not in ("0", agent) and running() == pids
    assert manager.alert(120) == (ENDED, f"{ping}/Operations/Start", 200)
    shown = manager.get(ping)
    assert (shown["DiagnosticsState"], shown["SuccessCount"]) == ("Complete", 40), shown


@check
def looked_up(bench):
    """what a name is looked up as is a row of a table, which root has written and nobody else can"""
    machine, manager, lookup = bench.machine, bench.manager, f"{DIAGNOSTICS}/NSLookup"
    started = manager.statuses(manager.write(f"{lookup}/HostName", "localhost"), ["EXEC", f"{lookup}/Operations/Start"])
    if started == [200, 202]:
        assert manager.alert(60) == (ENDED, f"{lookup}/Operations/Start", 200)
    else:
        assert started == [200, 200], started
    shown = manager.get(lookup)
    assert (shown["DiagnosticsState"], shown["ResultNumberOfEntries"]) == ("Complete", 1), shown
    row = shown["Result"]["1"]
    assert (row["Status"], row["HostNameReturned"]) == ("Success", "localhost"), row
    assert {"127.0.0.1", "::1"} & set(row["IPAddresses"].split(",")), row
    kept = machine.run("stat", "--format=%U %a", "/run/omadm/diagnostics", "/run/omadm/diagnostics/lookup.json")
    assert kept == "root 755\nroot 644\n", kept


@check
def told_once(bench):
    """of all that happened nothing was told twice, and no request of the helper is left"""
    machine = bench.machine
    bench.idle()
    bench.manager.told_all()
    units = machine.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "omadm-exec@*")
    assert not units.strip(), units
    assert machine.show(SERVICE, "NRestarts") == "0"
