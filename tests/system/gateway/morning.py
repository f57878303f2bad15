"""The gateway is set up, and says what it is."""

from bench import DEB, SERVICE
from gateway.register import check
from machine import wait
from manager import BOOT_ID, Manager, recover
from server import SECRET

# Objects that are there because what they are for is installed; lawmo comes when somebody says what a lock is.
SERVED = {
    "urn:oma:mo:oma-fumo:1.0", "urn:oma:mo:oma-scomo:1.0", "urn:oma:mo:oma-dm-devdetail:1.0",
    *(f"urn:x-omadm:mo:{name}:1.0" for name in
      ("capabilities", "cellular", "diagnostics", "lan-devices", "links", "services", "system", "wan")),
}  # fmt: skip


@check
def set_up(bench):
    """NetworkManager carries the link, the package installs, and an account makes it a managed gateway"""
    machine = bench.machine
    machine.write("/etc/systemd/system/omadmd.service.d/boot.conf", BOOT_ID)
    machine.run("systemctl", "enable", "--now", "NetworkManager")
    machine.run(
        "nmcli", "connection", "add", "type", "ethernet", "ifname", "eth0", "con-name", "uplink",
        "ipv4.method", "manual", "ipv4.addresses", "192.0.2.2/24", "ipv4.gateway", "192.0.2.1",
        "ipv6.method", "manual", "ipv6.addresses", "2001:db8::2/64",
    )  # fmt: skip
    machine.run("nmcli", "device", "set", "eth0", "managed", "yes")
    machine.run("nmcli", "connection", "up", "uplink")
    machine.run("dpkg", "--install", DEB)
    machine.write("/etc/omadm/accounts.d/ca.pem", (bench.folder / "ca.pem").read_text(), "0644")
    machine.write("/etc/omadm/accounts.d/dm.secret", SECRET.decode() + "\n", "0640", "root:omadm")
    machine.write("/etc/omadm/accounts.d/dm.password", "pass word\n", "0640", "root:omadm")
    bench.account("acme")
    wait(lambda: machine.show(SERVICE, "StatusText").startswith("1 account, "))
    bench.manager = Manager(bench)
    bench.recover = lambda: recover(bench)
    bench.manager.talk([["GET", "urn:oma:mo:oma-dm-devinfo:1.2/1/"]], req_mos=True)
    served = {mo["MOID"] for mo in bench.manager.packages[0].json["MOS"]}
    assert SERVED <= served, SERVED - served
    assert "urn:oma:mo:oma-lawmo:1.0" not in served


@check
def links(bench):
    """its links are what NetworkManager and the kernel say of them"""
    shown = bench.manager.get("urn:x-omadm:mo:links:1.0/1/Links/eth0")
    fields = "GENERAL.HWADDR,GENERAL.MTU,GENERAL.CONNECTION"
    values = bench.machine.run("nmcli", "--terse", "--escape", "no", "--get-values", fields, "device", "show", "eth0").split()
    assert [shown["MAC"].upper(), str(shown["MTU"]), shown["Profile"]] == values, (shown, values)
    assert shown["Type"] == "ethernet" and shown["Gateways"] == "192.0.2.1", shown
    assert {"192.0.2.2/24", "2001:db8::2/64"} <= set(shown["Addresses"].split()), shown


@check
def details(bench):
    """DevDetail and the system are this machine's, and what can be switched off is listed, or that there is nothing"""
    machine, manager = bench.machine, bench.manager
    detail = manager.get("urn:oma:mo:oma-dm-devdetail:1.0/1/")
    version = machine.run("sh", "-c", '. /etc/os-release; echo "$VERSION_ID"').strip()
    assert detail["SwV"] == version, detail
    system = manager.get("urn:x-omadm:mo:system:1.0/1/")
    assert system["Kernel"] == machine.run("uname", "-r").strip(), system
    assert system["BootId"] == machine.run("cat", "/proc/sys/kernel/random/boot_id").strip(), system
    assert set(system["Storage"]) == {"%2F"}, system["Storage"]
    capabilities = manager.get("urn:x-omadm:mo:capabilities:1.0/1/")
    listed = machine.run("/usr/lib/omadm/exec/capabilities").split("\n")[:-1]
    shown = capabilities if isinstance(capabilities, dict) else {}
    assert len(shown) == len(listed), (capabilities, listed)
    machine.run("omadmd", "--check")
