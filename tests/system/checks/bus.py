"""D-Bus: the machine's services, and the agent's own."""

import re

from bench import PROBE, SERVICE
from checks.register import check


def become(user):
    """What begins a command as this user, with all of its groups."""
    group = "nogroup" if user == "nobody" else user
    return ("setpriv", f"--reuid={user}", f"--regid={group}", "--init-groups")


@check
def services(bench):
    """D-Bus services are started and read from inside the sandbox, and refuse what only root may unless it is privileged"""
    machine, server = bench.machine, bench.server
    server.order(document={"MOData": {"LogLevel": "debug"}}, at="/level")
    write = ["HGET", "https://dm.example/level", f"{PROBE}/1/"]
    server.order(document={"MOData": {"RootLogLevel": "notice"}}, at="/root")
    as_root = ["HGET", "https://dm.example/root", f"{PROBE}/1/"]
    _, three = server.session([["GET", f"{PROBE}/1/Distribution"], ["GET", f"{PROBE}/1/LogLevel"], write, as_root])
    assert [status[0] for status in three.json["Status"]] == [200, 200, 500, 200], three.json
    assert "notice" in machine.run("busctl", "get-property", "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "LogLevel")
    machine.run("systemctl", "log-level", "info")
    pretty = re.search(r'^PRETTY_NAME="?([^"\n]+)', machine.run("cat", "/etc/os-release"), re.M)[1]
    assert (three.parts["1"][1], three.parts["2"][1]) == (pretty.encode(), b"info"), three.parts
    assert any("LogLevel: not permitted" in line["MESSAGE"] for line in bench.journal()), bench.journal()


@check
def properties(bench):
    """a property of systemd's is set and read back, and set back where a later value fails"""
    machine, server = bench.machine, bench.server
    manager = ["org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"]
    level = lambda: machine.run("busctl", "get-property", *manager, "LogLevel").strip()  # noqa: E731
    root = "[Service]\nUser=root\nGroup=root\nPrivateUsers=no\n"
    machine.write("/etc/systemd/system/omadmd.service.d/root.conf", root)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", SERVICE)
    before = level()
    for path, values in (("/one", {"LogLevel": "notice"}), ("/both", {"LogLevel": "err", "Stuck": "slow"})):
        server.order(document={"MOData": values}, at=path)
    write = [["HGET", f"https://dm.example{path}", f"{PROBE}/1/"] for path in ("/one", "/both")]
    _, three = server.session([*write, ["GET", f"{PROBE}/1/LogLevel"]])
    assert [status[0] for status in three.json["Status"]] == [200, 500, 200], three.json
    assert (three.parts["3"][1], level()) == (b"notice", 's "notice"'), (three.parts, level())
    bench.idle()
    machine.run("busctl", "set-property", *manager, "LogLevel", *before.replace('"', "").split())
    machine.run("rm", "-r", "/etc/systemd/system/omadmd.service.d")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", SERVICE)


@check
def policy(bench):
    """by D-Bus, operators may ask for everything, applications for what is theirs, and nobody else for anything"""
    machine = bench.machine
    name, path = "org.omadm.Agent1", "/org/omadm/Agent1"
    for user, group in (("oper", "omadm-admin"), ("app", "omadm-app")):
        machine.run("useradd", "--system", "--groups", group, user)
    calls = {
        "status": (name, "Status"),
        "session": (name, "StartSession", "s", "nobody-s-server"),
        "test": (name, "TestAccount", "s", "nobody-s-server"),
        "tree": (name, "Tree", "s", "urn:nothing//"),
        # Who is not root may have it checked, as the agent says, not the bus.
        "set": (name, "Set", "ssb", "urn:nothing//Leaf", "x", "true"),
        "exec": (name, "Exec", "sb", "urn:nothing//Leaf", "true"),
        "log": ("org.freedesktop.DBus.Properties", "GetAll", "s", name),
        "configuration": (name, "RequestConfiguration", "ss", "urn:nothing", "User"),
        "alert": (name, "RaiseAlert", "ssssss", "no type", "", "", "", "", ""),
        "push": (f"{name}.Push", "Register", "ss", "nobody-s-server", "1"),
    }
    theirs = {"configuration", "alert", "push"}
    for user, may in (("root", set(calls)), ("oper", set(calls)), ("app", theirs), ("nobody", set())):
        for what, call in calls.items():
            said = machine.run(*become(user), "busctl", "call", name, path, *call, check=False, both=True)
            denied = "Access denied" in said or "AccessDenied" in said
            assert denied != (what in may), f"{user} asks for {what}: {said}"
    level = ("systemctl", "service-log-level", SERVICE)
    assert machine.run(*level).strip() == "info"
    machine.run(*level, "debug")
    assert machine.run(*level).strip() == "debug"
    machine.run(*level, "info")
    for user in ("oper", "app"):
        machine.run("userdel", user)
