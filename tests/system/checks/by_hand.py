"""What the operator does by hand."""

import json

from bench import ACCOUNTS, PROBE
from checks.register import check
from server import SECRET


@check
def writing(bench):
    """the operator sets and executes what root alone may through the helper; a member of omadm-admin has it checked"""
    machine = bench.machine
    machine.run("useradd", "--system", "--groups", "omadm-admin", "oper")
    oper = ["setpriv", "--reuid=oper", "--regid=oper", "--init-groups", "omadmctl"]
    level = lambda: machine.run("omadmctl", "get", f"{PROBE}/1/Level").strip()  # noqa: E731
    before = level()
    machine.run(*oper, "set", "--dry-run", f"{PROBE}/1/Level", "41")
    said = machine.run(*oper, "set", "--dry-run", f"{PROBE}/1/Level", "fast", check=False, both=True)
    assert "Level" in said, said
    assert "only root" in machine.run(*oper, "set", f"{PROBE}/1/Level", "41", check=False, both=True)
    assert level() == before
    machine.run("omadmctl", "set", f"{PROBE}/1/Level", "41")
    assert level() == "41", level()
    machine.run("omadmctl", "set", f"{PROBE}/1/Level", before)
    assert "may be executed" in machine.run(*oper, "exec", "--dry-run", f"{PROBE}/1/Root")
    assert "only root" in machine.run(*oper, "exec", f"{PROBE}/1/Root", check=False, both=True)
    said = machine.run("omadmctl", "exec", "--wait", f"{PROBE}/1/Root", check=False, both=True)
    assert f"{PROBE}/1/Root: " in said and ": 5" not in said, said
    tree = machine.run(*oper, "tree", f"{PROBE}/1/")
    assert "Level = " in tree, tree
    machine.run("userdel", "oper")


@check
def unit(bench):
    """a unit holds a session with the server in its name, and fails where that does; its timer can be enabled"""
    machine, server = bench.machine, bench.server
    # To systemd, a hyphen can be a slash.
    bench.account("acme-prod")
    bench.reload()
    for name in ("acme", "acme-prod"):
        server.forget()
        machine.run("systemctl", "start", f"omadm-session@{name}.service")
        assert server.package().path.startswith(f"/{name}?")
    machine.run("rm", f"{ACCOUNTS}/acme-prod.toml")
    bench.reload()
    machine.run("systemctl", "start", "omadm-session@nobody.service", check=False)
    assert machine.show("omadm-session@nobody.service", "Result") == "exit-code"
    machine.run("systemctl", "enable", "--now", "omadm-session@acme.timer")
    assert machine.show("omadm-session@acme.timer", "ActiveState") == "active"
    machine.run("systemctl", "disable", "--now", "omadm-session@acme.timer")
    machine.run("systemctl", "reset-failed", "omadm-session@nobody.service")
    stages = " ".join(machine.run("omadmctl", "account", "test", "acme", check=False).split())
    assert "TLS" in stages and "valid until" in stages and "HTTP" in stages, stages


@check
def report(bench):
    """the support bundle is root's alone, has status, tree, journal and configuration, and none of the secrets"""
    machine = bench.machine
    machine.write("/etc/omadm/report.d/50-own", "#!/bin/sh\necho from the owner\n", "0755")
    assert "use sudo" in machine.run("setpriv", "--reuid=nobody", "--clear-groups", "omadmctl", "report", check=False, both=True)
    path = json.loads(machine.run("omadmctl", "--json", "report"))["path"]
    assert machine.run("stat", "-c", "%a %U", path).split() == ["600", "root"]
    names = machine.run("tar", "-tzf", path)
    for name in ("status.json", "tree.json", "journal.txt", "files/etc/omadm/accounts.d/acme.toml", "drop-in/50-own.txt"):
        assert name in names, names
    inside = machine.run("tar", "-xzOf", path)
    assert "from the owner" in inside and '"version":1' in inside
    password = machine.run("cat", "/etc/omadm/accounts.d/dm.password").strip()
    for secret in (SECRET.decode(), password):
        assert secret not in inside, secret
    machine.run("rm", "-r", path.rsplit("/", 1)[0], "/etc/omadm/report.d")
