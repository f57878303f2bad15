"""From the first rpm to its erasure."""

import re

from bench import HELPER, SERVICE, SETTINGS, SOCKET, Checks
from packages import AT, OF_OLD

ALL = check = Checks()
UNITS = (SERVICE, SOCKET, HELPER)
NEWER, OLDER = f"{AT}/newer.rpm", f"{AT}/older.rpm"
EDITED = "[session]\nretries = 3\n"
# What may be left: what the operator wrote, and what a session did; rpm's own notes, the system's; folders that an rpm
# distribution has, and this Debian has not.
LEFT = (
    r"/etc/omadm(/(accounts|mo)\.d(/.*)?|/omadmd\.toml\.rpm(save|new))?$|/usr/local/lib/probe$|/var/lib/(omadm|omadm-exec|rpm)(/.*)?$"
    r"|/etc/\.?(passwd|group|g?shadow)\b|/etc/systemd/system/[a-z-]+\.wants$|/var/(log|lib/systemd)/"
    r"|/usr/share/(fish(/vendor_completions\.d)?|zsh/site-functions|licenses|man/man\d)$|/etc/needrestart(/conf\.d)?$"
)


def states(bench):
    return [[bench.machine.show(unit, name) for name in ("UnitFileState", "ActiveState")] for unit in UNITS]


@check
def installs(bench):
    """the rpm installs: enabled by the distribution's preset, not started, users and folders there"""
    machine = bench.machine
    machine.run("rpm", "--install", "--nodeps", OLDER)
    assert states(bench) == [["enabled", "inactive"]] * 3, states(bench)
    stat = machine.run("stat", "--format=%n %U:%G %a", "/etc/omadm/accounts.d", "/run/omadm-exec", "/usr/bin/omadmctl")
    assert stat.splitlines() == [
        "/etc/omadm/accounts.d root:omadm 750", "/run/omadm-exec root:omadm 750", "/usr/bin/omadmctl root:root 777"
    ], stat  # fmt: skip
    assert not machine.run("rpm", "--verify", "--nodeps", "omadm-agent")
    assert machine.run("cat", SETTINGS).startswith(OF_OLD)


@check
def starts(bench):
    """once started it is managed"""
    machine = bench.machine
    machine.run("systemctl", "start", SERVICE)
    assert states(bench) == [["enabled", "active"]] * 3, states(bench)
    bench.probed()
    bench.reload()
    one, *_ = bench.server.session()
    bench.device = one.headers["omadm-devid"]


def goes_to(bench, package):
    """An upgrade, or a downgrade: the agent is another process, the socket the same, what is edited as it was."""
    machine = bench.machine
    before, opened = bench.pid(), machine.show(SOCKET, "ActiveEnterTimestampMonotonic")
    said = machine.run("rpm", "--upgrade", "--oldpackage", "--nodeps", package, both=True)
    # The package's own settings are beside the edited ones; a scriptlet that fails would be told of too. Debian's rpm says
    # that it is Debian's.
    told = [line for line in said.splitlines() if not line.startswith("rpm: ")]
    assert set(told) <= {f"warning: {SETTINGS} created as {SETTINGS}.rpmnew"}, said
    assert bench.pid() not in ("0", before)
    assert machine.show(SOCKET, "ActiveEnterTimestampMonotonic") == opened
    assert machine.run("cat", SETTINGS) == EDITED
    assert states(bench) == [["enabled", "active"]] * 3, states(bench)
    one, *_ = bench.server.session()
    assert one.headers["omadm-devid"] == bench.device


@check
def upgrades(bench):
    """an upgrade keeps the socket open, the edited settings, and what the agent knows"""
    bench.machine.write(SETTINGS, EDITED)
    goes_to(bench, NEWER)
    assert not bench.machine.run("cat", f"{SETTINGS}.rpmnew").startswith(OF_OLD)


@check
def downgrades(bench):
    """so does the way back"""
    goes_to(bench, OLDER)


@check
def disabled_stays(bench):
    """what the operator has disabled and stopped stays so through an upgrade"""
    machine = bench.machine
    machine.run("systemctl", "disable", "--quiet", "--now", SERVICE, both=True)
    machine.run("rpm", "--upgrade", "--nodeps", NEWER)
    assert machine.show(SERVICE, "UnitFileState") == "disabled"
    assert machine.show(SERVICE, "ActiveState") == "inactive"
    machine.run("systemctl", "enable", "--quiet", "--now", SERVICE, both=True)


@check
def erases(bench):
    """erased, it leaves the user, what the operator wrote, and what servers changed"""
    machine = bench.machine
    machine.run("rpm", "--erase", "omadm-agent")
    assert not machine.run("ss", "--udp", "--listening", "--numeric", "--no-header", "sport = :2948")
    units = machine.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "omadm*")
    assert not units.strip(), units
    left = {path for path in bench.listing() - bench.files if not re.match(LEFT, path)}
    assert not left, sorted(left)
    assert machine.run("cat", f"{SETTINGS}.rpmsave") == EDITED
    machine.run("test", "-f", "/etc/omadm/accounts.d/acme.toml")
    machine.run("getent", "passwd", "omadm")
