"""Firmware by RAUC: two slots, a boot loader that counts, and a power supply that fails."""

import subprocess

from bench import SERVICE
from gateway.register import check
from machine import wait

FUMO = "urn:oma:mo:oma-fumo:1.0/system"
DOWNLOAD, UPDATE = (f"org.openmobilealliance.dm.firmwareupdate.{what}" for what in ("download", "update"))
SYSTEM = """[system]
compatible=acme-g200
bootloader=custom
statusfile=/var/lib/slots/status
mountprefix=/run/rauc
[handlers]
bootloader-custom-backend=/usr/local/lib/loader
pre-install=/usr/local/lib/before
[keyring]
path=/etc/rauc/keyring.pem
[slot.rootfs.0]
device=/var/lib/slots/a
type=raw
bootname=A
[slot.rootfs.1]
device=/var/lib/slots/b
type=raw
bootname=B
"""
# A slot that RAUC has made primary is begun once; if nobody has marked it as good by then, the other one is.
LOADER = """#!/bin/sh
cd /var/lib/slots || exit 1
case $1 in
get-primary) cat primary ;;
set-primary) echo "$2" >primary; echo new >"state.$2" ;;
get-state) case $(cat "state.$2") in bad) echo bad ;; *) echo good ;; esac ;;
set-state) echo "$3" >"state.$2" ;;
begin)
    slot=$(cat primary)
    case $(cat "state.$slot") in
    good) ;;
    new) echo tried >"state.$slot" ;;
    *) case $slot in A) slot=B ;; *) slot=A ;; esac; echo "$slot" >primary ;;
    esac
    echo "$slot" >/run/slot
    sed '/^END$/q' "$(echo "$slot" | tr AB ab)" >/run/os-release
    mount --bind /run/os-release /usr/lib/os-release ;;
esac
"""
BOOT = """[Unit]
DefaultDependencies=no
After=local-fs.target
Before=sysinit.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/lib/loader begin
[Install]
WantedBy=sysinit.target
"""
# The kernel's command line would say which slot it is.
RAUC = """[Unit]
After=boot-slot.service
[Service]
ExecStart=
ExecStart=/bin/sh -c 'exec /usr/bin/rauc --override-boot-slot="$(cat /run/slot)" service'
"""
# Holds an installation up, once, as long as there is something to be held up for.
BEFORE = "#!/bin/sh\n[ -e /var/lib/slow ] || exit 0\nrm /var/lib/slow\ntouch /run/installing\nexec sleep 60\n"
RELEASE = 'ID=acme\nVERSION_ID="12"\nIMAGE_VERSION={version}\nEND\n'


def bundle(bench, version, key="own"):
    """A bundle with an image of this version, as big as a download must be to be cut off in."""
    made = bench.folder / f"bundle-{version}"
    made.mkdir()
    noise = subprocess.run(["openssl", "rand", str(300_000)], check=True, capture_output=True).stdout
    (made / "root.img").write_bytes(RELEASE.format(version=version).encode() + noise)
    (made / "manifest.raucm").write_text(
        f"[update]\ncompatible=acme-g200\nversion={version}\n[bundle]\nformat=plain\n[image.rootfs]\nfilename=root.img\n"
    )
    subprocess.run(
        ["rauc", "--cert", f"{key}.pem", "--key", f"{key}.key", "--keyring", f"{key}.pem", "bundle", made, f"{made}.raucb"],
        check=True, capture_output=True, cwd=bench.folder,
    )  # fmt: skip
    bench.server.order(file=f"{made}.raucb", at=f"/{version}.raucb", rate=60_000)


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
    for name in ("own", "other"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "2", "-subj", f"/CN={name}",
             "-keyout", f"{name}.key", "-out", f"{name}.pem"], check=True, capture_output=True, cwd=bench.folder,
        )  # fmt: skip
    machine.write("/etc/rauc/system.conf", SYSTEM)
    machine.write("/etc/rauc/keyring.pem", (bench.folder / "own.pem").read_text())
    machine.write("/usr/local/lib/loader", LOADER, "0755")
    machine.write("/usr/local/lib/before", BEFORE, "0755")
    machine.write("/etc/systemd/system/boot-slot.service", BOOT)
    machine.write("/etc/systemd/system/rauc.service.d/slot.conf", RAUC)
    machine.write("/etc/omadm/fumo.curl", 'cacert = "/etc/omadm/accounts.d/ca.pem"\n')
    machine.write("/etc/omadm/fumo.conf", "well_within=10\n")
    # Well is a system whose link is there, and a version 3 never is.
    machine.write("/etc/omadm/health.d/link", "#!/bin/sh\nip route get 192.0.2.1 >/dev/null && ! grep -q '^IMAGE_VERSION=3' /etc/os-release\n", "0755")
    machine.write("/var/lib/slots/a", RELEASE.format(version="1"))
    machine.run("sh", "-ec", "cd /var/lib/slots; truncate -s 1M b; echo A >primary; echo good >state.A; echo good >state.B")
    # Loop devices are not made by themselves: there is no udev.
    machine.write("/etc/tmpfiles.d/loop.conf", "c /dev/loop-control 0600 root root - 10:237\n" + "".join(f"b /dev/loop{n} 0600 root root - 7:{n}\n" for n in range(32)))
    machine.run("systemctl", "enable", "boot-slot")
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
