"""What is connected to the gateway."""

import subprocess

from gateway.register import check
from machine import ip, wait

DEVICES = "urn:x-omadm:mo:lan-devices:1.0/1"


@check
def device_appears(bench):
    """a camera takes a lease of the gateway's dnsmasq, is told of, and shown by its name"""
    machine, manager = bench.machine, bench.manager
    room = f"{machine.name}-lan"
    ip("netns", "add", room)
    try:
        ip("-n", room, "link", "add", "camera0", "type", "veth", "peer", "name", "lan0", "netns", machine.network.machine)
        ip("-n", room, "link", "set", "camera0", "up")
        machine.run("nmcli", "connection", "add", "type", "ethernet", "ifname", "lan0", "con-name", "lan",
            "ipv4.method", "manual", "ipv4.addresses", "198.51.100.1/24", "ipv6.method", "disabled")  # fmt: skip
        machine.run("nmcli", "device", "set", "lan0", "managed", "yes")
        machine.run("nmcli", "connection", "up", "lan")
        machine.run("mkdir", "-p", "/var/lib/misc")
        machine.run("systemd-run", "--unit=lan-dhcp", "dnsmasq", "--keep-in-foreground", "--port=0", "--interface=lan0",
            "--dhcp-range=198.51.100.50,198.51.100.60,2h", "--dhcp-leasefile=/var/lib/misc/dnsmasq.leases")  # fmt: skip
        # What is there at the first look is no news.
        assert manager.get(f"{DEVICES}/Count") == "0"
        script = bench.folder / "lease"
        script.write_text('#!/bin/sh\n[ "$1" != bound ] || ip address add "$ip/24" dev "$interface"\n')
        script.chmod(0o755)
        subprocess.run(
            ["ip", "netns", "exec", room, "busybox", "udhcpc", "-i", "camera0", "-n", "-q", "-x", "hostname:camera", "-s", script],
            check=True, capture_output=True,
        )  # fmt: skip
        kind, node, _ = manager.alert(100)
        assert kind == "urn:x-omadm:at:lan-devices:1.0:Come", kind
        _, mac, address, *_ = machine.run("cat", "/var/lib/misc/dnsmasq.leases").split()
        machine.run("ping", "-c", "1", address)
        shown = manager.get(node)
        expected = {"MAC": mac, "IPv4": address, "HostName": "camera", "Interface": "lan0", "Reachable": True}
        assert {key: shown.get(key) for key in expected} == expected, shown
    finally:
        ip("netns", "delete", room, check=False)
    wait(lambda: "lan0" not in machine.run("ls", "/sys/class/net"))
    machine.run("systemctl", "stop", "lan-dhcp")
    machine.run("nmcli", "connection", "delete", "lan")
