"""The units of the privileged helper: what their directives hold, and what becomes of an EXEC whose helper is ended."""

import json
import subprocess

from bench import HELPER, PROBE, SERVICE
from checks.privilege import request
from checks.register import check
from machine import wait


def units(bench):
    """The units of requests that are being served."""
    listed = bench.machine.run("systemctl", "list-units", "--plain", "--no-legend", "omadm-exec@*")
    return [line.split()[0] for line in listed.splitlines()]


def idle(bench):
    wait(lambda: not units(bench))


def ask(bench, *words):
    """Connects as the agent may: what is said of it."""
    become = ["setpriv", "--reuid=omadm", "--clear-groups"]
    return bench.machine.run(*become, "/usr/local/bin/ask", *words, check=False).strip()


def is_well(bench):
    """A request is served, and the socket has stayed."""
    level = {"op": "get", "node": "Level", "source": 0}
    wait(lambda: '"code":200' in ask(bench, json.dumps(request(level))), 30)
    assert bench.machine.show(HELPER, "ActiveState") == "active"


def begin_slow(bench, count):
    """Has the server execute what takes some seconds; it has begun for the `count`th time."""
    bench.idle()
    bench.server.order(session=[[["EXEC", f"{PROBE}/1/Slow"]]])
    bench.server.notify()
    bench.server.package()
    begun = lambda: bench.machine.run("cat", "/tmp/probe.slow", check=False).count("begun")  # noqa: E731
    wait(lambda: begun() == count)


def well_after(bench):
    """The agent goes on: a session executes what the helper does."""
    bench.idle()
    _, three = bench.server.session([["EXEC", f"{PROBE}/1/Root"]])
    assert three.json["Status"][0][0] == 200, three.json
    bench.idle()


@check
def quick(bench):
    """three thousand quick connections do not close the helper's socket"""
    idle(bench)
    assert ask(bench, "--quick", "3000") == "3000"
    is_well(bench)
    assert bench.machine.show(HELPER, "Result") == "success"


@check
def seventeenth(bench):
    """the seventeenth connection at one time is closed, and a later one is served"""
    idle(bench)
    assert ask(bench, "--held", "16") == "0"
    idle(bench)
    assert ask(bench, "--held", "17") == "1"
    is_well(bench)


@check
def directives(bench):
    """a request has its limits, and is stopped soon with all that it has begun, though that ignores TERM"""
    machine = bench.machine
    idle(bench)
    stubborn = json.dumps(request({"op": "exec", "node": "Stubborn", "miid": "1"}))
    asked = subprocess.Popen(
        machine.entered("setpriv", "--reuid=omadm", "--clear-groups", "/usr/local/bin/ask", stubborn),
        stdout=subprocess.DEVNULL,
    )
    wait(lambda: machine.run("cat", "/tmp/probe.stubborn", check=False).endswith("\n"))
    (unit,) = units(bench)
    shown = {
        "RuntimeMaxUSec": "1h", "TimeoutStopUSec": "3s", "LogLevelMax": "5", "SyslogLevel": "5", "Slice": "omadm.slice",
        "TasksMax": "256", "CollectMode": "inactive-or-failed", "LimitCORE": "0",
    }  # fmt: skip
    assert {name: machine.show(unit, name) for name in shown} == shown
    assert machine.show(unit, "MemoryMax") != "infinity"
    assert machine.show("omadm.slice", "TasksMax") == "512" and machine.show("omadm.slice", "MemoryMax") != "infinity"
    assert [machine.show(HELPER, name) for name in ("MaxConnections", "TriggerLimitIntervalUSec")] == ["16", "0"]
    group = machine.show(unit, "ControlGroup")
    processes = machine.run("cat", f"/sys/fs/cgroup{group}/cgroup.procs").split()
    assert len(processes) >= 3, "the helper, its program, and a child in a session of its own"
    # It would be 90 s by default.
    machine.run("timeout", "30", "systemctl", "stop", unit)
    assert not [process for process in processes if machine.run("ls", "-d", f"/proc/{process}", check=False)]
    assert not machine.run("ls", "-d", f"/sys/fs/cgroup{group}", check=False)
    asked.wait(20)
    is_well(bench)


@check
def killed(bench):
    """a helper that is killed in the middle of an EXEC is a failure that the server hears of, and the agent goes on"""
    machine = bench.machine
    before = bench.pid()
    machine.run("rm", "-f", "/tmp/probe.slow")
    begin_slow(bench, 1)
    (unit,) = units(bench)
    machine.run("systemctl", "kill", "--signal=KILL", unit)
    three = bench.server.package()
    assert three.json["Status"][0][0] == 500, three.json
    assert machine.run("cat", "/tmp/probe.slow") == "begun\n", "its program is ended with it"
    well_after(bench)
    assert bench.pid() == before


@check
def reloaded(bench):
    """an EXEC goes on while the agent is reloaded, and its server gets its result"""
    begin_slow(bench, 2)
    bench.machine.run("systemctl", "reload", SERVICE)
    three = bench.server.package()
    assert three.json["Status"][0][0] == 1504, three.json
    assert bench.machine.run("cat", "/tmp/probe.slow") == "begun\nbegun\nended\n"
    well_after(bench)
