"""What carries sessions: addresses, modems, metered links."""

import subprocess
import sys

from bench import SERVICE, SETTINGS
from checks.register import check
from machine import HERE, wait
from server import MACHINE_V6


@check
def over_ipv6(bench):
    """a notification over IPv6 starts a session"""
    bench.server.session(to=MACHINE_V6)


@check
def credential(bench):
    """a password can be a systemd credential"""
    machine = bench.machine
    machine.write("/etc/secret", "pass word\n", "0600")
    machine.write("/etc/systemd/system/omadmd.service.d/t.conf", "[Service]\nLoadCredential=dm.password:/etc/secret\n")
    bench.account("acme", 'password-file = "dm.password"', 'password-file = "credential:dm.password"')
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", SERVICE)
    bench.server.session()
    bench.idle()
    machine.run("omadmd", "--check")
    bench.account("acme")
    machine.run("rm", "-r", "/etc/systemd/system/omadmd.service.d", "/etc/secret")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", SERVICE)


@check
def modem(bench):
    """whose SIM is in a modem is in addresses, and nobody has configured that"""
    machine, server = bench.machine, bench.server
    service, drop_in = "org.freedesktop.ModemManager1", "/etc/systemd/system/ModemManager.service.d"
    machine.write(
        f"{drop_in}/t.conf",
        "[Unit]\nConditionVirtualization=\nConditionCapability=\n[Service]\nExecStart=\n"
        "ExecStart=/usr/sbin/ModemManager --test-enable --test-no-udev --test-no-qrtr --test-no-suspend-resume\n",
    )
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "ModemManager")
    with subprocess.Popen(
        ["ip", "netns", "exec", machine.network.machine, sys.executable, HERE / "modem.py", "modem"],
        stdout=subprocess.PIPE,
    ) as simulated:
        try:
            simulated.stdout.readline()
            of_test = ("/org/freedesktop/ModemManager1", f"{service}.Test", "SetProfile", "ssas")
            machine.run("busctl", "call", service, *of_test, "t", "generic", "1", "abstract:modem")
            found = (service, "/org/freedesktop/ModemManager1/Modem/0")
            is_there = ("busctl", "get-property", *found, f"{service}.Modem", "State")
            wait(lambda: machine.run(*is_there, check=False).strip() == "i 3", 60)
            machine.run("busctl", "call", *found, f"{service}.Modem", "Enable", "b", "true")
            registration = (f"{service}.Modem.Modem3gpp", "RegistrationState")
            wait(lambda: machine.run("busctl", "get-property", *found, *registration).strip() == "u 1", 60)
            bench.account("acme", "?id=[DevID]", "?home=[MCC]-[MNC]&now=[CMCC]-[CMNC]")
            path = "/acme?home=001-01&now=001-01"
            wait(lambda: server.session()[0].path == path, 60, 1)
        finally:
            simulated.kill()
    bench.account("acme")
    bench.idle()
    machine.run("systemctl", "stop", "ModemManager")
    machine.run("rm", "-r", drop_in)
    machine.run("systemctl", "daemon-reload")


@check
def metered(bench):
    """a scheduled session waits while NetworkManager calls the link metered"""
    machine, server = bench.machine, bench.server
    shipped = machine.run("cat", SETTINGS)
    machine.write(SETTINGS, '[session]\nmetered = "no-schedule"\n')
    bench.reload()
    machine.run("systemctl", "start", "NetworkManager")
    machine.run("nmcli", "device", "set", "eth0", "managed", "yes")
    connection = ("nmcli", "connection")
    machine.run(
        *connection, "add", "type", "ethernet", "ifname", "eth0", "con-name", "wan",
        "ipv4.method", "manual", "ipv4.addresses", "192.0.2.2/24", "ipv4.gateway", "192.0.2.1",
        "ipv6.method", "manual", "ipv6.addresses", "2001:db8::2/64", "connection.metered", "yes",
    )  # fmt: skip
    machine.run(*connection, "up", "wan")
    waits = lambda: any("scheduled session waits" in line["MESSAGE"] for line in bench.journal(OMADM_SERVER_ID="timely"))  # noqa: E731
    bench.account("timely", "first-contact = false", "first-contact = true")
    wait(waits)
    server.forget()
    # What somebody asks for does not wait.
    server.session()
    machine.run(*connection, "modify", "wan", "connection.metered", "no")
    machine.run("nmcli", "device", "reapply", "eth0")
    assert server.package().path.startswith("/timely?"), "the first contact"
    bench.idle()
    machine.run("rm", "/etc/omadm/accounts.d/timely.toml")
    # Its addresses stay.
    machine.run("systemctl", "kill", "--signal=KILL", "NetworkManager")
    machine.run("systemctl", "stop", "NetworkManager")
    machine.write(SETTINGS, shipped)
    bench.reload()
    bench.idle()
