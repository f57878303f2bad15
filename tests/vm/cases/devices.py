"""Devices that are built in, and such as come and go: USB, disks, network cards, a watchdog, a sensor."""

import subprocess

from bench import Checks
from machine import wait
from managed import managed, well

check = Checks()
DEVICES, SYSTEM, LINKS = "urn:x-omadm:mo:lan-devices:1.0/1", "urn:x-omadm:mo:system:1.0/1", "urn:x-omadm:mo:links:1.0/1"
COME, GONE = (f"urn:x-omadm:at:lan-devices:1.0:Usb{what}" for what in ("Come", "Gone"))


def options(folder):
    """A watchdog, an NVMe disk with its sensor, an SD card, and a USB host for what is plugged in."""
    drives = []
    for name, size in (("nvme", "64M"), ("card", "32M"), ("stick", "16M"), ("disk", "48M")):
        subprocess.run(["truncate", f"--size={size}", folder / name], check=True)
        drives += ["-blockdev", f"driver=file,filename={folder / name},node-name={name}"]
    return [
        *drives,
        "-device", "i6300esb", "-action", "watchdog=reset",
        "-device", "nvme,drive=nvme,serial=N1",
        "-device", "sdhci-pci", "-device", "sd-card,drive=card",
        "-device", "qemu-xhci,id=usb",
    ]  # fmt: skip


@check
def built_in(bench):
    """disks, with an NVMe disk's sensor, and the watchdog are what the kernel says of them"""
    machine = bench.machine
    managed(bench)
    system = bench.manager.get(f"{SYSTEM}/")
    disks = {name: (disk.get("Model"), disk["Size"]) for name, disk in system["Disks"].items()}
    assert disks["vda"] == (None, 3 << 30), disks
    assert disks["nvme0n1"] == ("QEMU NVMe Ctrl", 64 << 20), disks
    assert disks["mmcblk0"] == ("QEMU!", 32 << 20), disks
    (sensor,) = (sensor for sensor in system["Sensors"].values() if "Celsius" in sensor)
    celsius = int(machine.run("sh", "-c", "cat /sys/class/nvme/nvme0/hwmon*/temp1_input"))
    assert (sensor["Name"], sensor["Celsius"]) == ("Composite", celsius / 1000), sensor
    assert sensor["Temperatures"]["1"] == {"Label": "Composite", "Celsius": celsius / 1000}, sensor
    (dog,) = system["Watchdogs"].values()
    assert dog == {"Name": "i6300ESB timer", "Active": False, "Timeout": 30, "Reset": False}, dog
    assert set(system["Storage"]) == {"%2F"}, system["Storage"]


@check
def usb(bench):
    """a USB device that is plugged in is told of at once, shown, and told of when it is pulled out"""
    machine, manager = bench.machine, bench.manager
    # What is there at the first look is no news.
    hubs = set(manager.get(f"{DEVICES}/Usb"))
    machine.monitor("device_add", driver="usb-storage", id="stick", bus="usb.0", drive="stick", serial="0123")
    kind, node, _ = manager.alert(10)
    assert kind == COME and node.rsplit("/", 1)[-1] not in hubs, (kind, node)
    shown = manager.get(node)
    expected = {"Vendor": "46f4", "Product": "0001", "Maker": "QEMU", "Name": "QEMU USB HARDDRIVE", "Serial": "0123"}
    assert {key: shown.get(key) for key in expected} == expected, shown
    stick = manager.get(f"{SYSTEM}/Disks/sda")
    assert (stick["Model"], stick["Size"]) == ("QEMU HARDDISK", 16 << 20), stick
    machine.monitor("device_del", id="stick")
    # Of one device, servers hear once a minute.
    assert manager.alert(90)[:2] == (GONE, node)
    assert manager.get(f"{SYSTEM}/Disks/sda") == 404


@check
def serial(bench):
    """a USB serial port is there by the kernel's name"""
    machine, manager = bench.machine, bench.manager
    machine.monitor("chardev-add", id="serial", backend={"type": "null", "data": {}})
    machine.monitor("device_add", driver="usb-serial", id="serial", bus="usb.0", chardev="serial", **{"always-plugged": True})
    kind, node, _ = manager.alert(10)
    assert kind == COME, kind
    wait(lambda: manager.get(f"{DEVICES}/Serial/ttyUSB0/Driver") == "ftdi_sio")
    machine.monitor("device_del", id="serial")
    assert manager.alert(90)[:2] == (GONE, node)
    assert manager.get(f"{DEVICES}/Serial/ttyUSB0") == 404


@check
def disk(bench):
    """a disk that is plugged in and mounted is among the storage, without it being asked for"""
    machine, manager = bench.machine, bench.manager
    machine.monitor("device_add", driver="virtio-blk-pci", id="more", drive="disk", serial="more")
    wait(lambda: manager.get(f"{SYSTEM}/Disks/vdb") != 404)
    machine.run("mke2fs", "-q", "/dev/vdb")
    machine.run("mount", "-o", "ro", "/dev/vdb", "/mnt")
    # In the sandbox of the agent, too.
    wait(lambda: isinstance(manager.get(f"{SYSTEM}/Storage/%2Fmnt"), dict))
    shown = manager.get(f"{SYSTEM}/Storage/%2Fmnt")
    assert (shown["Type"], shown["ReadOnly"]) == ("ext2", True) and 40 << 20 < shown["Size"] < 48 << 20, shown
    machine.run("umount", "/mnt")
    machine.monitor("device_del", id="more")
    wait(lambda: manager.get(f"{SYSTEM}/Disks/vdb") == 404)
    assert manager.get(f"{SYSTEM}/Storage/%2Fmnt") == 404


@check
def card(bench):
    """a network card that is plugged in is a link; NetworkManager has it"""
    machine, manager = bench.machine, bench.manager
    machine.monitor("netdev_add", type="hubport", id="lan", hubid=1)
    machine.monitor("device_add", driver="virtio-net-pci", id="lan", netdev="lan", mac="52:54:00:00:00:03")
    wait(lambda: manager.get(f"{LINKS}/Links/eth1") != 404)
    wait(lambda: manager.get(f"{LINKS}/Links/eth1/Manager") == "NetworkManager")
    shown = manager.get(f"{LINKS}/Links/eth1")
    assert (shown["Type"], shown["MAC"], shown["MTU"]) == ("ethernet", "52:54:00:00:00:03", 1500), shown
    machine.monitor("device_del", id="lan")
    wait(lambda: manager.get(f"{LINKS}/Links/eth1") == 404)
    well(bench)


@check
def watchdog(bench):
    """a watchdog that nobody feeds resets the machine; it is up again, and says why"""
    machine, manager = bench.machine, bench.manager
    machine.run("sh", "-c", "echo 1 >/dev/watchdog")
    assert manager.get(f"{SYSTEM}/Watchdogs/0/Active") == "true"
    machine.reboots(180)
    dog = manager.get(f"{SYSTEM}/Watchdogs/0")
    assert (dog["Active"], dog["Reset"]) == (False, True), dog
    assert manager.get(f"{SYSTEM}/Boots/1/End") == "cut"
    well(bench)
