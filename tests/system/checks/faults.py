"""Strangers, restarts, kills, damage."""

import json
import re

from bench import DROPPED, SERVICE, SET_ASIDE, SOCKET
from checks.register import check
from machine import wait


@check
def hostile(bench):
    """what is not authentic starts nothing, and is counted"""
    server = bench.server
    before = len(bench.begun("acme"))
    server.notify(secret=b"another secret")
    server.notify(secret=None)
    server.notify(sent=1_000_000_000)
    for rubbish in (b"", b"\x01\x06", bytes(1400), b"\x20\x80\x10\x04acme"):
        server.send(rubbish)
    # What arrives last is handled last: had one of the others been let in, its session would have begun.
    server.session(server="beta")
    assert len(bench.begun("acme")) == before
    assert server.quiet()
    # A session that a stop breaks off is held again: it would be taken for one that the next check asks for.
    bench.idle()


@check
def stops(bench):
    """it stops at once, cleanly, and says what it dropped"""
    pid = bench.pid()
    bench.machine.run("systemctl", "stop", SERVICE)
    state = [bench.machine.show(SERVICE, name) for name in ("ActiveState", "Result", "ExecMainStatus")]
    assert state == ["inactive", "success", "0"], state
    assert bench.machine.show(SOCKET, "ActiveState") == "active"
    said = [line["MESSAGE"] for line in bench.journal(MESSAGE_ID=DROPPED, _PID=pid)]
    dropped = sum(int(re.match(r"\d+", message)[0]) for message in said)
    assert dropped == 7, f"7 datagrams were dropped, and the journal says: {said}"


@check
def activates(bench):
    """a notification to the stopped agent starts it, and its session"""
    bench.server.order(session=[])
    bench.replay = bench.server.notify(number=40_000)
    one = bench.server.package()
    assert one.headers["omadm-devid"] == bench.device, "the device id is another one"
    bench.idle()


@check
def remembers(bench):
    """a notification sent again after a restart starts nothing"""
    bench.machine.run("systemctl", "restart", SERVICE)
    before = len(bench.begun("acme"))
    bench.server.send(bench.replay)
    bench.server.session(server="beta")
    assert len(bench.begun("acme")) == before
    bench.idle()


@check
def crashes(bench):
    """killed, it comes back by itself, and a notification sent meanwhile is not lost"""
    pid = bench.pid()
    bench.machine.run("systemctl", "kill", "--signal=KILL", SERVICE)
    wait(lambda: bench.machine.show(SERVICE, "SubState") == "auto-restart")
    bench.server.session()
    assert bench.pid() not in ("0", pid)
    assert bench.machine.show(SERVICE, "NRestarts") == "1"
    bench.idle()


@check
def damaged(bench):
    """a damaged store is read by a child in the sandbox; the agent is up at once, and knows what it knew"""
    machine, state = bench.machine, "/var/lib/omadm"
    machine.run("systemctl", "stop", SERVICE)
    # A page of the first copy, of which the second one has what was there.
    machine.run(
        "dd", "if=/dev/urandom", f"of={state}/store.redb", "bs=4096", "seek=2", "count=1", "conv=notrunc"
    )
    machine.run("systemctl", "start", SERVICE)
    assert machine.show(SERVICE, "ActiveState") == "active"
    assert machine.run("ls", state).count("store.redb.bad-") == 1
    lines = bench.journal(MESSAGE_ID=SET_ASIDE)
    assert len(lines) == 1 and "all that was in it was kept" in lines[0]["MESSAGE"], lines
    before = len(bench.begun("acme"))
    bench.server.send(bench.replay)
    bench.server.session(server="beta")
    assert len(bench.begun("acme")) == before, "it has forgotten a notification"
    bench.idle()
    machine.run("rm", f"{state}/store.redb.bad-1")


@check
def hangs(bench):
    """the watchdog restarts an agent that hangs, and no other"""
    machine = bench.machine
    machine.write("/etc/systemd/system/omadmd.service.d/fast.conf", "[Service]\nWatchdogSec=1s\nRestartSec=1s\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", SERVICE)
    pid = bench.pid()
    # Three limits long it answers, else the watchdog would have come.
    machine.run("sleep", "3")
    assert bench.pid() == pid, "the watchdog ended an agent that was well"
    machine.run("kill", "-STOP", pid)
    wait(lambda: bench.pid() not in ("0", pid) and machine.show(SERVICE, "ActiveState") == "active", 30)
    assert any("watchdog" in line["MESSAGE"].lower() for line in manager(machine)), "it was not the watchdog"
    machine.run("rm", "-r", "/etc/systemd/system/omadmd.service.d")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", SERVICE)


def manager(machine):
    """What systemd itself says of the service."""
    lines = machine.run("journalctl", "--output=json", f"UNIT={SERVICE}").splitlines()
    return [json.loads(line) for line in lines]
