"""The package is installed: files, users, units, budgets."""

import re

from bench import DEB, HELPER, SERVICE, SOCKET
from checks.register import check
from machine import wait


@check
def installs(bench):
    """the package installs, its units are enabled and active"""
    machine = bench.machine
    machine.run("dpkg", "--install", DEB)
    for unit in (SERVICE, SOCKET, HELPER):
        state = [machine.show(unit, name) for name in ("UnitFileState", "ActiveState", "Result")]
        assert state == ["enabled", "active", "success"], f"{unit}: {state}"


@check
def folders(bench):
    """users, groups and folders are there, with the right owners and modes"""
    machine = bench.machine
    for group in ("omadm", "omadm-admin", "omadm-app"):
        machine.run("getent", "group", group)
    stat = machine.run(
        "stat", "--format=%n %U:%G %a",
        "/etc/omadm/accounts.d", "/etc/omadm/mo.d", "/etc/omadm/omadmd.d", "/run/omadm", "/run/omadm/exec.sock",
        "/run/omadm-exec", "/var/lib/omadm",
    )  # fmt: skip
    assert stat.splitlines() == [
        "/etc/omadm/accounts.d root:omadm 750",
        "/etc/omadm/mo.d root:root 755",
        "/etc/omadm/omadmd.d root:root 755",
        "/run/omadm root:root 755",
        "/run/omadm/exec.sock omadm:omadm 600",
        "/run/omadm-exec root:omadm 750",
        "/var/lib/omadm omadm:omadm 700",
    ], stat


@check
def process(bench):
    """the agent is user omadm, without capabilities, under seccomp, with a watchdog"""
    machine, pid = bench.machine, bench.pid()
    status = dict(re.findall(r"^(\w+):\s+(.*)$", machine.run("cat", f"/proc/{pid}/status"), re.M))
    assert status["Uid"].split()[0] == machine.run("id", "--user", "omadm").strip()
    assert {status[name] for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    # What the start wrote to the store is written.
    wait(lambda: len(machine.run("ls", f"/proc/{pid}/task").split()) <= 2)
    assert machine.show(SERVICE, "WatchdogUSec") == "3min"


@check
def budgets(bench):
    """its programs and their libraries beyond libc take 5 MiB at most, all of it 5.5, and its sandbox's exposure is at most 1.0"""
    machine = bench.machine
    loaded = re.findall(r"=> (/\S+)", machine.run("ldd", "/usr/bin/omadmd"))
    beyond = [path for path in loaded if not re.search(r"/(libc|libm)\.so", path)]
    files = machine.run("find", "/usr/bin/omadmd", *beyond, "-follow", "-type", "f", "-printf", "%s %p\n")
    programs = {path: int(size) for size, path in (line.split() for line in files.splitlines())}
    assert sum(programs.values()) <= 5 << 20, programs
    # In KiB: pages, objects and their programs besides.
    assert int(machine.run("dpkg-query", "--showformat=${Installed-Size}", "--show", "omadm-agent")) <= 5632
    machine.run("systemd-analyze", "security", "--no-pager", "--threshold=10", SERVICE)
    shipped = machine.run("sh", "-c", "cd /usr/lib/systemd/system && ls -d omadm*").split()
    units = [name.replace("@.", "@acme-prod.") for name in shipped]
    assert len(units) > 6, units
    said = machine.run("systemd-analyze", "verify", "--man=no", *units, both=True)
    assert not said, said


@check
def ready(bench):
    """it is ready without an account, on systemd's socket, and its files are sound"""
    machine = bench.machine
    assert re.match(r"0 accounts, \d+ management objects", machine.show(SERVICE, "StatusText"))
    sockets = machine.run("ss", "--udp", "--listening", "--numeric", "--no-header", "sport = :2948").splitlines()
    assert len(sockets) == 1, f"not one socket: {sockets}"
    machine.run("omadmd", "--check")


@check
def operator_tool(bench):
    """omadmctl prints the shipped descriptions, and explains the keys of mappings"""
    machine = bench.machine
    shown = machine.run("omadmctl", "ddf", "show", "/usr/share/omadm/mo/dmacc/dmacc.ddf.xml")
    assert re.search(r"^.*ServerID +chr +Get", shown, re.M), shown
    made = machine.run("omadmctl", "mo", "ddf", "/usr/share/omadm/mo/devinfo")
    assert "<NodeName>DevID</NodeName>" in made, made
    explained = machine.run("omadmctl", "explain", "otherwise")
    assert explained.startswith("otherwise in a source"), explained
