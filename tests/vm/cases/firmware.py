"""Firmware by RAUC, as dm-verity bundles, onto block devices; the machine really boots."""

import subprocess

from bench import Checks
from machine import wait
from managed import managed, well
from slots import RELEASE, bundle, installed

check = Checks()
FUMO, DETAIL = "urn:oma:mo:oma-fumo:1.0/system", "urn:oma:mo:oma-dm-devdetail:1.0/1"
DOWNLOAD, UPDATE = (f"org.openmobilealliance.dm.firmwareupdate.{what}" for what in ("download", "update"))


def options(folder):
    """A disk for each slot."""
    (folder / "slot-a").write_bytes(RELEASE.format(version="1").encode())
    drives = []
    for name in ("slot-a", "slot-b"):
        subprocess.run(["truncate", "--size=1M", folder / name], check=True)
        drives += ["-drive", f"file={folder / name},format=raw,if=virtio"]
    return drives


def download(bench, version):
    write = bench.manager.write(f"{FUMO}/Download/PkgURL", f"https://dm.example/{version}.raucb")
    assert bench.manager.statuses(write, ["EXEC", f"{FUMO}/Download"]) == [200, 202]


def booted(bench):
    """The slot that the machine runs from. What RAUC says names the other one as well."""
    said = bench.machine.run("rauc", "status", both=True)
    return said.lower().partition("booted from: ")[2].partition(" ")[0] or said


@check
def two_slots(bench):
    """the gateway has a slot on each of two disks, and says what firmware it runs after its boot"""
    machine = bench.machine
    managed(bench)
    installed(bench)
    machine.run("sh", "-euc", "ln -s /dev/vdb /var/lib/slots/a; ln -s /dev/vdc /var/lib/slots/b; systemctl --no-block reboot")
    machine.reboots()
    assert booted(bench) == "rootfs.0"
    assert bench.manager.get(f"{DETAIL}/FwV") == "1"


@check
def verity(bench):
    """the power fails in the middle of a download, and again in that of the installation: the new system boots, told once"""
    machine, manager = bench.machine, bench.manager
    bundle(bench, "2", kind="verity")
    download(bench, "2")
    part = "/var/lib/omadm-fumo/package.part"
    wait(lambda: int(machine.run("stat", "--format=%s", part, check=False) or 0) > 100_000)
    machine.cut()
    machine.boot()
    assert manager.alert(120) == (DOWNLOAD, f"{FUMO}/", 200)
    machine.write("/var/lib/slow", "")
    machine.run("sync")
    assert manager.statuses(["EXEC", f"{FUMO}/Update"]) == [202]
    wait(lambda: machine.run("ls", "/run/installing", check=False), 60)
    # The bundle is mounted by way of a loop device and dm-verity.
    assert "verity" in (name := machine.run("cat", "/sys/block/dm-0/dm/name", check=False, both=True)), name
    machine.cut()
    machine.boot()
    # It installs, and boots into the other slot.
    machine.reboots(180)
    assert manager.alert(120) == (UPDATE, f"{FUMO}/", 200)
    assert manager.get(f"{DETAIL}/FwV") == "2"
    assert booted(bench) == "rootfs.1"
    assert machine.run("sh", "-c", "ls /var/lib/omadm-fumo | grep package || true") == ""


@check
def flipped(bench):
    """a bundle with a bit flipped behind its signature is told as damaged when it is installed; nothing else changes"""
    machine, manager = bench.machine, bench.manager
    bundle(bench, "4", kind="verity")
    path = bench.folder / "bundle-4.raucb"
    content = bytearray(path.read_bytes())
    # In the noise of the image, which can't be compressed.
    content[150_000] ^= 1
    path.write_bytes(content)
    download(bench, "4")
    kind, node, code = manager.alert(120)
    if (kind, code) == (DOWNLOAD, 200):
        assert manager.statuses(["EXEC", f"{FUMO}/Update"]) == [202]
        kind, node, code = manager.alert(120)
    assert node == f"{FUMO}/" and code >= 400, (kind, code)
    assert manager.get(f"{DETAIL}/FwV") == "2"
    well(bench)


@check
def not_well(bench):
    """a new system that is not well is left again by itself, and that is told from the one before"""
    machine, manager = bench.machine, bench.manager
    bundle(bench, "3", kind="verity")
    download(bench, "3")
    assert manager.alert(120) == (DOWNLOAD, f"{FUMO}/", 200)
    assert manager.statuses(["EXEC", f"{FUMO}/Update"]) == [202]
    machine.reboots(180)
    # It may be on its way back already.
    machine.reset(180)
    machine.is_up()
    assert manager.alert(120) == (UPDATE, f"{FUMO}/", 410)
    assert (manager.get(f"{DETAIL}/FwV"), manager.get(f"{FUMO}/State")) == ("2", "80")
    well(bench)
