"""From the first settings to those that a DHCP server gives."""

import json
import subprocess
import time
from contextlib import contextmanager

from bench import DEB, SERVICE, Checks
from machine import tree, wait
from manager import BOOT_ID, Manager, recover
from trials import APPLY, ENDED, TRIAL, WAN, change, goes_to, held, kept

ALL = check = Checks()
PROFILE = "20-wan.network"
FILE = f"/etc/systemd/network/{PROFILE}"
# What the operator wrote: the address by which the gateway is reached at first, and one that no server's change is about.
SETTINGS = """[Match]
Name=eth0
[Network]
Address=192.0.2.2/24
Gateway=192.0.2.1
Address=2001:db8::2/64
"""
OURS, TRIED = f"/etc/systemd/network/0-omadm-wan-{PROFILE}", f"/run/systemd/network/0-omadm-trial-{PROFILE}"


def there(bench, *paths):
    """Those of the paths where something is."""
    return [path for path in paths if bench.machine.run("ls", path, check=False)]


def six(bench):
    return bench.machine.run("ip", "-6", "-o", "address", "show", "dev", "eth0", "scope", "global").split()[3:4]


def moves_to(bench, address, within=90, **settings):
    """Has the settings changed that lead to this address, and waits until the gateway has it: whether a trial is told of,
    which is once a minute, is another check's matter."""
    change(bench, Profile=PROFILE, IPv4={"Address": "", "Gateway": "", "DNS": ""} | settings, Within=within, Confirm="server")
    wait(lambda: held(bench) == [f"{address}/24"], 60)
    bench.manager.address = address
    wait(lambda: bench.manager.get(f"{WAN}/State") == "trial")


def ends(bench, seconds=60):
    """The code with which the trial ends."""
    while (alert := bench.manager.alert(seconds))[0] == TRIAL:
        pass
    assert alert[:2] == (ENDED, APPLY), alert
    return alert[2]


@check
def set_up(bench):
    """systemd-networkd carries the link, the package installs, and an account makes it a managed gateway"""
    machine = bench.machine
    machine.write("/etc/systemd/system/omadmd.service.d/boot.conf", BOOT_ID)
    machine.write(FILE, SETTINGS)
    machine.run("ip", "address", "flush", "dev", "eth0", "scope", "global")
    machine.run("systemctl", "enable", "--now", "systemd-networkd")
    wait(lambda: held(bench) == ["192.0.2.2/24"] and six(bench))
    machine.run("dpkg", "--install", DEB)
    bench.beside_accounts()
    bench.account("acme")
    wait(lambda: machine.show(SERVICE, "StatusText").startswith("1 account, "))
    bench.manager = Manager(bench)
    bench.recover = lambda: recover(bench)
    assert bench.manager.get(f"{WAN}/State") == "idle"


@check
def profiles(bench):
    """the profile is that of networkctl"""
    status = json.loads(bench.machine.run("networkctl", "--json=short", "status", "eth0"))
    shown = bench.manager.get(f"{WAN}/Profiles")
    assert list(shown) == [status["NetworkFile"].split("/")[-1]] == [PROFILE], shown
    of = shown[PROFILE]
    assert [of[name] for name in ("Name", "Type", "State", "Interface")] == ["20-wan", "ethernet", "activated", "eth0"], of
    assert of["IPv4"] == {"Method": "manual", "Address": "192.0.2.2/24", "Gateway": "192.0.2.1"}, of


@check
def refused(bench):
    """an APN is refused, and so is a profile that there is not; nothing is left of either"""
    for name, values, code in (("20-wan", {"APN": "internet"}, 1001), ("30-lan", {}, 1004)):
        change(bench, Profile=name, **values)
        assert bench.manager.alert() == (ENDED, APPLY, code)
    assert not there(bench, OURS, TRIED, f"{OURS}.new")


@check
def right_address(bench):
    """an address with which the server is reached is told of from there, and kept by that session"""
    goes_to(bench, PROFILE, "192.0.2.22", "session")
    assert there(bench, OURS, TRIED) == [TRIED]
    kept(bench, "192.0.2.22")
    assert there(bench, OURS) == [OURS]
    assert bench.machine.run("cat", FILE) == SETTINGS and six(bench) == ["2001:db8::2/64"]
    assert bench.manager.get(f"{WAN}/Profiles/{PROFILE}/IPv4/Address") == "192.0.2.22/24"


@check
def wrong_address(bench):
    """an address with which no server is reached is taken back when its time is over, and told then"""
    machine, manager = bench.machine, bench.manager
    settings = {"Method": "manual", "Address": "203.0.113.9/24", "Gateway": "203.0.113.1", "DNS": ""}
    change(bench, Profile="20-wan", IPv4=settings, Within=30)
    wait(lambda: held(bench) == ["203.0.113.9/24"])
    assert "omadm-wan-expire.timer" in machine.run("systemctl", "list-timers")
    # It is told of late, as the trial before was told less than a minute before, and lasts that much longer.
    wait(lambda: held(bench) == ["192.0.2.22/24"], 130)
    assert ends(bench, 150) == 1003
    assert not machine.run("ls", "/var/lib/omadm-wan") and there(bench, OURS, TRIED) == [OURS]
    assert "omadm-wan-expire.timer" not in machine.run("systemctl", "list-timers")


@check
def confirmed_address(bench):
    """where the server wants to say so itself, no session keeps an address, and its Confirm does"""
    moves_to(bench, "192.0.2.23", Method="manual", Address="192.0.2.23/24")
    time.sleep(12)
    assert bench.manager.get(f"{WAN}/State") == "trial"
    assert bench.manager.statuses(["EXEC", f"{WAN}/Operations/Confirm"]) == [200]
    assert ends(bench) == 200 and held(bench) == ["192.0.2.23/24"]


@check
def cut(bench):
    """when the power fails in a trial, the settings after it are those of before, and that is told"""
    machine, manager = bench.machine, bench.manager
    moves_to(bench, "192.0.2.24", 900, Method="manual", Address="192.0.2.24/24")
    machine.cut()
    machine.boot()
    wait(lambda: held(bench) == ["192.0.2.23/24"])
    manager.address = "192.0.2.23"
    assert ends(bench, 120) == 1003
    assert held(bench) == ["192.0.2.23/24"] and there(bench, OURS, TRIED) == [OURS]
    assert manager.get(f"{WAN}/State") == "idle"


@contextmanager
def dhcp(bench):
    """A DHCP server at the other end of the cable."""
    ask = ["--no-daemon", "--conf-file=/dev/null", "--port=0", "--interface=wan", "--leasefile-ro", "--pid-file=", "--user=root",
           "--dhcp-range=192.0.2.60,192.0.2.60,10m", "--dhcp-option=3,192.0.2.1"]  # fmt: skip
    world = ["ip", "netns", "exec", bench.machine.network.world, "chroot", tree(), "/usr/sbin/dnsmasq"]
    with subprocess.Popen([*world, *ask], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            yield
        finally:
            server.terminate()


@check
def automatic(bench):
    """where DHCP is to say the address, it does, and that is kept"""
    manager = bench.manager
    with dhcp(bench):
        moves_to(bench, "192.0.2.60", Method="auto")
        assert manager.statuses(["EXEC", f"{WAN}/Operations/Confirm"]) == [200]
        assert ends(bench) == 200 and held(bench) == ["192.0.2.60/24"]
        assert manager.get(f"{WAN}/Profiles/{PROFILE}/IPv4") == {"Method": "auto"}
        bench.machine.run("omadmd", "--check")
