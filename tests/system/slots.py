"""Two slots for firmware, a boot loader that counts, and bundles for RAUC."""

import subprocess

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
# Holds an installation up, once, as long as there is something to be held up for: that it was is on the disk before.
BEFORE = "#!/bin/sh\n[ -e /var/lib/slow ] || exit 0\nrm /var/lib/slow\nsync /var/lib\ntouch /run/installing\nexec sleep 60\n"
RELEASE = 'ID=acme\nVERSION_ID="12"\nIMAGE_VERSION={version}\nEND\n'


def keys(bench):
    """The gateway's own key, and somebody else's."""
    for name in ("own", "other"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "2", "-subj", f"/CN={name}",
             "-keyout", f"{name}.key", "-out", f"{name}.pem"], check=True, capture_output=True, cwd=bench.folder,
        )  # fmt: skip


def installed(bench):
    """The machine is one with two slots, A is what it has begun with, and well is a system whose link is there, which a
    version 3 never has. What the slots are made of is the caller's."""
    machine = bench.machine
    keys(bench)
    machine.write("/etc/rauc/system.conf", SYSTEM)
    machine.write("/etc/rauc/keyring.pem", (bench.folder / "own.pem").read_text())
    machine.write("/usr/local/lib/loader", LOADER, "0755")
    machine.write("/usr/local/lib/before", BEFORE, "0755")
    machine.write("/etc/systemd/system/boot-slot.service", BOOT)
    machine.write("/etc/systemd/system/rauc.service.d/slot.conf", RAUC)
    machine.write("/etc/omadm/fumo.curl", 'cacert = "/etc/omadm/accounts.d/ca.pem"\n')
    machine.write("/etc/omadm/fumo.conf", "well_within=10\n")
    well = "ip route get 192.0.2.1 >/dev/null && ! grep -q '^IMAGE_VERSION=3' /etc/os-release"
    machine.write("/etc/omadm/health.d/link", f"#!/bin/sh\n{well}\n", "0755")
    machine.run("sh", "-ec", "mkdir -p /var/lib/slots; cd /var/lib/slots; echo A >primary; echo good >state.A; echo good >state.B")
    machine.run("systemctl", "enable", "boot-slot")


def bundle(bench, version, key="own", kind="plain"):
    """A bundle with an image of this version, as big as a download must be to be cut off in."""
    made = bench.folder / f"bundle-{version}"
    made.mkdir()
    noise = subprocess.run(["openssl", "rand", str(300_000)], check=True, capture_output=True).stdout
    (made / "root.img").write_bytes(RELEASE.format(version=version).encode() + noise)
    (made / "manifest.raucm").write_text(
        f"[update]\ncompatible=acme-g200\nversion={version}\n[bundle]\nformat={kind}\n[image.rootfs]\nfilename=root.img\n"
    )
    subprocess.run(
        ["rauc", "--cert", f"{key}.pem", "--key", f"{key}.key", "--keyring", f"{key}.pem", "bundle", made, f"{made}.raucb"],
        check=True, capture_output=True, cwd=bench.folder,
    )  # fmt: skip
    bench.server.order(file=f"{made}.raucb", at=f"/{version}.raucb", rate=60_000)
