"""What a program can take of the machine."""

from bench import Checks
from machine import wait
from managed import managed, well
from qemu import HERE

check = Checks()
GREEDY, ENDED = "urn:x-omadm:mo:greedy:1.0/1", "urn:x-omadm:at:exec:1.0:OperationComplete"


def ends(bench, name, seconds=60):
    """Has a program run: what its server is told of its end, an alert's number where it takes long."""
    (status,) = bench.manager.statuses(["EXEC", f"{GREEDY}/{name}"])
    if status != 202:
        return status
    kind, node, told = bench.manager.alert(seconds)
    assert (kind, node) == (ENDED, f"{GREEDY}/{name}"), (kind, node, told)
    return told


def slice_has(bench, name):
    return int(bench.machine.run("cat", f"/sys/fs/cgroup/omadm.slice/{name}"))


def kernel(bench):
    return bench.machine.run("journalctl", "--dmesg", "--output=cat", "--no-pager")


@check
def set_up(bench):
    """the package installs, and its programs are in a slice with limits of its own"""
    machine = bench.machine
    machine.write("/etc/omadm/mo.d/greedy/greedy.toml", (HERE / "object/greedy.toml").read_text())
    machine.write("/usr/local/lib/greedy", (HERE / "object/greedy").read_text(), "0755")
    managed(bench)
    assert ends(bench, "Modest") == 200
    total = int(machine.run("awk", "/^MemTotal/ { print $2 * 1024 }", "/proc/meminfo"))
    assert abs(slice_has(bench, "memory.max") - total / 2) < total / 50
    assert slice_has(bench, "pids.max") == 512


@check
def memory(bench):
    """a program that takes all the memory is killed by the kernel, and its server is told that it failed"""
    before = bench.pid()
    assert ends(bench, "Memory") == 500
    assert "Memory cgroup out of memory" in kernel(bench)
    assert bench.pid() == before
    well(bench)


@check
def memory_of_user(bench):
    """so is one that runs as the agent's user"""
    before = bench.pid()
    assert ends(bench, "MemoryOfUser") == 500
    assert bench.pid() == before
    well(bench)


@check
def memory_of_source(bench):
    """a program that says a value is killed as well, not the agent that runs it; the leaf has no value"""
    before, kills = bench.pid(), kernel(bench).count("Memory cgroup out of memory")
    assert bench.manager.get(f"{GREEDY}/MemoryOfSource") == 500
    assert kernel(bench).count("Memory cgroup out of memory") == kills + 1
    assert bench.pid() == before
    well(bench)


@check
def forks(bench):
    """a fork bomb gets no further than its unit, and nothing of it is left"""
    machine, manager = bench.machine, bench.manager
    assert manager.statuses(["EXEC", f"{GREEDY}/Forks"]) == [202]
    # Meanwhile the agent answers, and others run.
    assert manager.get(f"{GREEDY}/Level") == "3"
    assert slice_has(bench, "pids.current") <= 300
    assert manager.alert(120) == (ENDED, f"{GREEDY}/Forks", 500)
    well(bench)
    assert not machine.run("pgrep", "greedy", check=False)


@check
def prints(bench):
    """a program that prints a gigabyte fills neither the journal nor the disk, and the agent goes on"""
    machine = bench.machine
    free = lambda: int(machine.run("df", "--output=avail", "--block-size=M", "/").split()[-1].rstrip("M"))  # noqa: E731
    before = free()
    assert ends(bench, "Prints", 100) in (200, 500)
    assert before - free() < 100, (before, free())
    assert bench.manager.get(f"{GREEDY}/PrintsOfSource") == 500
    well(bench)


@check
def processor(bench):
    """a program that keeps the processor busy for ever is ended at its time limit; the agent answers meanwhile"""
    machine = bench.machine
    assert bench.manager.statuses(["EXEC", f"{GREEDY}/Busy"]) == [202]
    assert bench.manager.get(f"{GREEDY}/Level") == "3"
    assert bench.manager.alert(30) == (ENDED, f"{GREEDY}/Busy", 500)
    well(bench)
    assert not machine.run("pgrep", "greedy", check=False)


@check
def lasts(bench):
    """beyond all limits of mappings, systemd ends a request, and its server is told"""
    machine = bench.machine
    machine.write("/etc/systemd/system/omadm-exec@.service.d/short.conf", "[Service]\nRuntimeMaxSec=15s\n")
    machine.run("systemctl", "daemon-reload")
    assert ends(bench, "Lasts") == 500
    machine.run("rm", "-r", "/etc/systemd/system/omadm-exec@.service.d")
    machine.run("systemctl", "daemon-reload")
    wait(lambda: not machine.run("pgrep", "greedy", check=False))
    well(bench)
