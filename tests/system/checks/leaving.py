"""Upgrades, a broken start, removal."""

import re

from bench import BROKEN, DEB, SERVICE, SETTINGS, SOCKET
from checks.register import check

# What may be left after a purge: accounts and management objects of the operator; the probe of this test; backups that
# the shadow tools make; the service manager's and the package manager's own notes.
LEFT = (
    r"/etc/omadm(/(accounts|mo)\.d(/.*)?)?$|/usr/local/(lib/probe|bin/ask)$|/etc/probe\.conf$"
    r"|/etc/\.?(passwd|group|g?shadow)\b|/var/(log|lib/(dpkg|systemd))/"
    r"|/(etc|var/lib)/NetworkManager(/.*)?$|/var/lib/ModemManager(/.*)?$"
)


@check
def upgrades(bench):
    """an upgrade restarts the agent, keeps the socket open and the operator's configuration"""
    machine = bench.machine
    machine.write(SETTINGS, "[session]\nretries = 3\n")
    before, opened = bench.pid(), machine.show(SOCKET, "ActiveEnterTimestampMonotonic")
    machine.run("dpkg", "--install", "--force-confdef", DEB)
    assert bench.pid() not in ("0", before)
    assert machine.show(SOCKET, "ActiveEnterTimestampMonotonic") == opened
    assert machine.run("cat", SETTINGS) == "[session]\nretries = 3\n"
    one, *_ = bench.server.session()
    assert one.headers["omadm-devid"] == bench.device


@check
def broken_start(bench):
    """a broken omadmd.toml does not keep it from starting, nor from its work"""
    machine = bench.machine
    machine.write(SETTINGS, "[session]\nretries = many\n")
    machine.run("systemctl", "restart", SERVICE)
    bench.server.session()
    assert any("omadmd.toml:2" in line["MESSAGE"] for line in bench.journal(MESSAGE_ID=BROKEN))


@check
def removes(bench):
    """removed and purged, it leaves the user, the groups, and what the operator wrote"""
    machine = bench.machine
    machine.run("dpkg", "--remove", "omadm-agent")
    assert not machine.run("ss", "--udp", "--listening", "--numeric", "--no-header", "sport = :2948")
    machine.run("dpkg", "--purge", "omadm-agent")
    left = {path for path in bench.listing() - bench.files if not re.match(LEFT, path)}
    assert not left, sorted(left)
    machine.run("test", "-f", "/etc/omadm/accounts.d/acme.toml")
    machine.run("getent", "passwd", "omadm")
