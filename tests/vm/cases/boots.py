"""How the machine goes down and comes up again: in good order, by a panic, made anew, without a clock."""

import time

from bench import Checks
from machine import wait
from managed import managed, well

check = Checks()
SYSTEM, LAWMO = "urn:x-omadm:mo:system:1.0/1", "urn:oma:mo:oma-lawmo:1.0/1"
ENDED, RESET = "urn:x-omadm:at:exec:1.0:OperationComplete", "urn:oma:at:lawmo:1.0:OperationComplete"
# What the integrator of the gateway has for it: all is removed that its owner has made, but for what it is told to keep.
FACTORY_RESET = """#!/bin/sh
[ -z "$OMADM_RESUMED" ] || exit 0
rm -r /etc/owner
printf '%s\\n' "$@" >/var/lib/kept
systemctl reboot
sleep 600
"""


def ends(bench):
    """How the last boots ended, the latest first."""
    boots = bench.manager.get(f"{SYSTEM}/Boots")
    return [boots[number]["End"] for number in sorted(boots, key=int)]


@check
def set_up(bench):
    """the package installs; there is no boot before this one"""
    managed(bench)
    assert ends(bench) == ["running"]


@check
def reboot(bench):
    """a reboot that the server commands is told as done after the boot"""
    machine, manager = bench.machine, bench.manager
    before = manager.get(f"{SYSTEM}/BootId")
    assert manager.statuses(["EXEC", f"{SYSTEM}/Operations/Reboot"]) == [202]
    machine.reboots()
    assert manager.alert(60) == (ENDED, f"{SYSTEM}/Operations/Reboot", 200)
    assert manager.get(f"{SYSTEM}/BootId") != before
    assert ends(bench) == ["running", "reboot"]


@check
def panic(bench):
    """a panic of the kernel is a boot that was cut; the agent is up again, and its store is whole"""
    machine = bench.machine
    machine.run("sh", "-c", "(sleep 2; echo c >/proc/sysrq-trigger) &")
    machine.reboots()
    # The registers and calls that follow it are long.
    assert "sysrq triggered crash" in machine.console(10_000), machine.console()
    assert ends(bench) == ["running", "cut", "reboot"]
    well(bench)


@check
def factory_reset(bench):
    """a factory reset reboots; its alert comes after it, from a device that knows its server, and nothing of the owner's"""
    machine, manager = bench.machine, bench.manager
    machine.write("/etc/owner/secret", "his")
    machine.write("/etc/omadm/lawmo.d/factory-reset", FACTORY_RESET, "0755")
    wait(lambda: manager.get(f"{LAWMO}/State") == "30")
    node = f"{LAWMO}/Operations/FactoryReset"
    assert manager.statuses(["EXEC", node]) == [202]
    machine.reboots()
    assert manager.alert(60) == (RESET, node, 1200)
    assert not machine.run("ls", "/etc/owner", check=False)
    assert {"/etc/omadm", "/var/lib/omadm"} <= set(machine.run("cat", "/var/lib/kept").split())
    assert ends(bench)[1] == "reboot"
    well(bench)


@check
def without_clock(bench):
    """without a clock of its own it takes none for right: what is scheduled waits until somebody sets it"""
    machine = bench.machine
    bench.account("timely", "first-contact = false", "first-contact = true")
    machine.run("rm", "/etc/omadm/accounts.d/timely.toml")
    machine.run("sync")
    machine.cut()
    bench.server.forget()
    machine.boot("-rtc", "base=1970-01-01T00:00:00")
    assert int(machine.run("date", "+%s")) < time.time() - 86400
    bench.account("timely", "first-contact = false", "first-contact = true")
    said = lambda text: [line for line in bench.journal() if text in line["MESSAGE"]]  # noqa: E731
    wait(lambda: said("a time already known: taken as not set"))
    time.sleep(20)
    bench.manager.collect()
    assert not bench.begun("timely")
    # What a server asks for by a notification does not wait.
    assert bench.manager.get(f"{SYSTEM}/HostName") == "gateway"
    machine.run("date", "--set", f"@{int(time.time())}")
    wait(lambda: bench.begun("timely"), 30)
    machine.run("rm", "/etc/omadm/accounts.d/timely.toml")
    well(bench)
