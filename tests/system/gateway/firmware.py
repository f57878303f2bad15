"""Firmware by RAUC: two slots, a boot loader that counts, and a power supply that fails."""

from bench import SERVICE
from gateway.register import check
from machine import wait
from slots import RELEASE, bundle, installed

FUMO = "urn:oma:mo:oma-fumo:1.0/system"
DOWNLOAD, UPDATE = (f"org.openmobilealliance.dm.firmwareupdate.{what}" for what in ("download", "update"))


def download(bench, version):
    manager = bench.manager
    write = manager.write(f"{FUMO}/Download/PkgURL", f"https://dm.example/{version}.raucb")
    assert manager.statuses(write, ["EXEC", f"{FUMO}/Download"]) == [200, 202]


def version(bench):
    """The version that runs, as its server reads it."""
    return bench.manager.get("urn:oma:mo:oma-dm-devdetail:1.0/1/FwV")


def comes_to(bench, state):
    wait(lambda: bench.manager.get(f"{FUMO}/State") == state, 30)


@check
def two_slots(bench):
    """the gateway has two slots, and says what firmware it runs after its boot"""
    machine = bench.machine
    installed(bench)
    machine.write("/var/lib/slots/a", RELEASE.format(version="1"))
    machine.run("truncate", "-s", "1M", "/var/lib/slots/b")
    # Loop devices are not made by themselves: there is no udev.
    machine.write("/etc/tmpfiles.d/loop.conf", "c /dev/loop-control 0600 root root - 10:237\n" + "".join(f"b /dev/loop{n} 0600 root root - 7:{n}\n" for n in range(32)))
    machine.run("systemctl", "reboot")
    machine.reboots()
    assert version(bench) == "1"
    assert "booted from: rootfs.0" in machine.run("rauc", "status").lower(), machine.run("rauc", "status")


@check
def wrong_signature(bench):
    """a bundle that somebody else has signed is told as that"""
    bundle(bench, "1.5", "other")
    download(bench, "1.5")
    assert bench.manager.alert() == (DOWNLOAD, f"{FUMO}/", 404)
    assert bench.manager.get(f"{FUMO}/State") == "20"


@check
def cut_download(bench):
    """the power fails in the middle of a download: it goes on where it was, and its end is told once"""
    machine, manager, server = bench.machine, bench.manager, bench.server
    bundle(bench, "2")
    download(bench, "2")
    part = "/var/lib/omadm-fumo/package.part"
    wait(lambda: int(machine.run("stat", "--format=%s", part, check=False) or 0) > 100_000)
    comes_to(bench, "30")
    machine.cut()
    machine.boot()
    assert manager.alert(60) == (DOWNLOAD, f"{FUMO}/", 200)
    shown = manager.get(f"{FUMO}/")
    assert (shown["State"], shown["PkgName"], shown["PkgVersion"]) == (50, "acme-g200", "2"), shown
    begun = [told for told in server.fetched if told["fetched"] == "/2.raucb"]
    assert len(begun) == 2 and begun[0]["from"] == 0 and begun[1]["from"] > 50_000, begun
    assert begun[1]["if"], "it asked for the rest of whatever there is now"
    assert version(bench) == "1"


@check
def cut_installation(bench):
    """the power fails in the middle of the installation: it begins anew; the new system is well, and told of once"""
    machine, manager = bench.machine, bench.manager
    machine.write("/var/lib/slow", "")
    assert manager.statuses(["EXEC", f"{FUMO}/Update"]) == [202]
    wait(lambda: machine.run("ls", "/run/installing", check=False))
    comes_to(bench, "60")
    machine.cut()
    machine.boot()
    # It installs, and reboots into the other slot.
    machine.reboots()
    assert manager.alert(60) == (UPDATE, f"{FUMO}/", 200)
    assert version(bench) == "2"
    shown = manager.get(f"{FUMO}/")
    assert (shown["State"], shown["Ext"]["Progress"]) == (100, 100), shown
    assert machine.run("cat", "/var/lib/slots/state.B") == "good\n"
    assert not machine.run("ls", "/var/lib/omadm-fumo").count("package")


@check
def not_well(bench):
    """a new system that is not well is left again by itself, and that is told from the one before"""
    machine, manager = bench.machine, bench.manager
    bundle(bench, "3")
    download(bench, "3")
    assert manager.alert(60) == (DOWNLOAD, f"{FUMO}/", 200)
    assert manager.statuses(["EXEC", f"{FUMO}/Update"]) == [202]
    machine.reboots()
    assert machine.run("grep", "IMAGE_VERSION", "/etc/os-release") == "IMAGE_VERSION=3\n"
    machine.reboots()
    assert manager.alert(60) == (UPDATE, f"{FUMO}/", 410)
    assert (version(bench), manager.get(f"{FUMO}/State")) == ("2", "80")
    assert machine.show(SERVICE, "NRestarts") == "0"
