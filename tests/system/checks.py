"""The checks of tests/system, in the order they run."""

import hashlib
import itertools
import json
import re
import subprocess
import sys

import notification
from bench import BROKEN, DEB, DROPPED, HELPER, SERVICE, SESSION_ENDED, SET_ASIDE, SETTINGS, SOCKET
from machine import HERE, wait
from server import MACHINE_V6, SECRET

DEVINFO = "urn:oma:mo:oma-dm-devinfo:1.2"
PROBE = "urn:x-omadm:mo:system-test:1.0"
# What may be left after a purge: accounts and management objects of the operator; the probe of this test; backups that
# the shadow tools make; the service manager's and the package manager's own notes.
LEFT = (
    r"/etc/omadm(/(accounts|mo)\.d(/.*)?)?$|/usr/local/(lib/probe|bin/ask)$|/etc/probe\.conf$"
    r"|/etc/\.?(passwd|group|g?shadow)\b|/var/(log|lib/(dpkg|systemd))/"
    r"|/(etc|var/lib)/NetworkManager(/.*)?$|/var/lib/ModemManager(/.*)?$"
)
ALL = []


def check(function):
    ALL.append(function)
    return function


@check
def installs(bench):
    """the package installs, its units are enabled and active"""
    machine = bench.machine
    machine.run("dpkg", "--install", DEB)
    for unit in (SERVICE, SOCKET, HELPER):
        state = [machine.show(unit, name) for name in ("UnitFileState", "ActiveState", "Result")]
        assert state == ["enabled", "active", "success"], f"{unit}: {state}"


@check
def folders(bench):
    """users, groups and folders are there, with the right owners and modes"""
    machine = bench.machine
    for group in ("omadm", "omadm-admin", "omadm-app"):
        machine.run("getent", "group", group)
    stat = machine.run(
        "stat", "--format=%n %U:%G %a",
        "/etc/omadm/accounts.d", "/etc/omadm/mo.d", "/etc/omadm/omadmd.d", "/run/omadm", "/run/omadm/exec.sock",
        "/run/omadm-exec", "/var/lib/omadm",
    )  # fmt: skip
    assert stat.splitlines() == [
        "/etc/omadm/accounts.d root:omadm 750",
        "/etc/omadm/mo.d root:root 755",
        "/etc/omadm/omadmd.d root:root 755",
        "/run/omadm root:root 755",
        "/run/omadm/exec.sock omadm:omadm 600",
        "/run/omadm-exec root:omadm 750",
        "/var/lib/omadm omadm:omadm 700",
    ], stat


@check
def process(bench):
    """the agent is user omadm, without capabilities, under seccomp, with a watchdog"""
    machine, pid = bench.machine, bench.pid()
    status = dict(re.findall(r"^(\w+):\s+(.*)$", machine.run("cat", f"/proc/{pid}/status"), re.M))
    assert status["Uid"].split()[0] == machine.run("id", "--user", "omadm").strip()
    assert {status[name] for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    # What the start wrote to the store is written.
    wait(lambda: len(machine.run("ls", f"/proc/{pid}/task").split()) <= 2)
    assert machine.show(SERVICE, "WatchdogUSec") == "3min"


@check
def budgets(bench):
    """its programs and their libraries beyond libc take 5 MiB at most, and its sandbox's exposure is at most 1.0"""
    machine = bench.machine
    loaded = re.findall(r"=> (/\S+)", machine.run("ldd", "/usr/bin/omadmd"))
    beyond = [path for path in loaded if not re.search(r"/(libc|libm)\.so", path)]
    files = machine.run("find", "/usr/bin/omadmd", *beyond, "-follow", "-type", "f", "-printf", "%s %p\n")
    programs = {path: int(size) for size, path in (line.split() for line in files.splitlines())}
    assert sum(programs.values()) <= 5 << 20, programs
    machine.run("systemd-analyze", "security", "--no-pager", "--threshold=10", SERVICE)
    assert not machine.run("systemd-analyze", "verify", "--man=no", SERVICE, SOCKET, HELPER)


@check
def ready(bench):
    """it is ready without an account, on systemd's socket, and its files are sound"""
    machine = bench.machine
    assert re.match(r"0 accounts, \d+ management objects", machine.show(SERVICE, "StatusText"))
    sockets = machine.run("ss", "--udp", "--listening", "--numeric", "--no-header", "sport = :2948").splitlines()
    assert len(sockets) == 1, f"not one socket: {sockets}"
    machine.run("omadmd", "--check")


@check
def operator_tool(bench):
    """omadmctl prints the shipped descriptions, and explains the keys of mappings"""
    machine = bench.machine
    shown = machine.run("omadmctl", "ddf", "show", "/usr/share/omadm/mo/dmacc/dmacc.ddf.xml")
    assert re.search(r"^.*ServerID +chr +Get", shown, re.M), shown
    made = machine.run("omadmctl", "mo", "ddf", "/usr/share/omadm/mo/devinfo")
    assert "<NodeName>DevID</NodeName>" in made, made
    explained = machine.run("omadmctl", "explain", "otherwise")
    assert explained.startswith("otherwise in a source"), explained


@check
def new_account(bench):
    """an account and a management object take effect by themselves"""
    machine = bench.machine
    before = machine.show(SERVICE, "StatusText")
    machine.write("/etc/omadm/accounts.d/ca.pem", (bench.folder / "ca.pem").read_text(), "0644")
    machine.write("/etc/omadm/accounts.d/dm.secret", SECRET.decode() + "\n", "0640", "root:omadm")
    machine.write("/etc/omadm/accounts.d/dm.password", "pass word\n", "0640", "root:omadm")
    machine.write("/etc/omadm/mo.d/probe/probe.toml", (HERE / "object/probe.toml").read_text())
    machine.write("/usr/local/lib/probe", (HERE / "object/probe").read_text(), "0755")
    bench.account("acme")
    machine.run("omadmd", "--check")
    objects = int(re.search(r"(\d+) management", before)[1]) + 1
    wait(lambda: machine.show(SERVICE, "StatusText").startswith(f"1 account, {objects} management objects"))


@check
def session(bench):
    """a notification starts a session over TLS that reads this machine"""
    machine, server = bench.machine, bench.server
    one, three = server.session(
        [["GET", f"{DEVINFO}/1/SwV"], ["GET", f"{DEVINFO}/1/"], ["GET", f"{PROBE}/1/Interfaces"], ["NONSENSE"]],
        req_mos=True, preferred=[3, 0],
    )  # fmt: skip
    bench.device = one.headers["omadm-devid"]
    assert re.match(r"(UUID|IMEI):\S+$", bench.device), bench.device
    assert one.kind == "application/vnd.oma.dm.initiation+json", one.kind
    assert DEVINFO in {mo["MOID"] for mo in one.json["MOS"]}, one.json
    assert one.path.startswith("/acme?id="), one.path
    assert [status[0] for status in three.json["Status"]] == [200, 200, 200, 501], three.json
    version = re.search(r'^VERSION_ID="?([^"\n]+)', machine.run("cat", "/etc/os-release"), re.M)[1]
    assert three.parts["1"] == ("text/plain", version.encode()), three.parts
    kind, data = three.parts["2"]
    assert kind == "application/dmmo+json", kind
    assert json.loads(data)["MOData"]["DevInfo"]["DevID"] == bench.device, data
    assert three.parts["3"] == ("text/plain", b"eth0"), three.parts


@check
def connection(bench):
    """one TLS connection carries the whole session"""
    packages = bench.server.session([["GET", f"{DEVINFO}/1/Man"]], [["GET", f"{DEVINFO}/1/Mod"]])
    assert len({tuple(package.connection) for package in packages}) == 1
    assert {package.tls for package in packages} <= {"TLSv1.2", "TLSv1.3"}


@check
def fields(bench):
    """the journal has the session with its fields, and explains it"""
    ended = bench.ended(2)[-1]
    assert ended["OMADM_SERVER_ID"] == "acme" and ended["SYSLOG_IDENTIFIER"] == "omadmd", ended
    begun = bench.journal(OMADM_SESSION_ID=ended["OMADM_SESSION_ID"])
    assert any("begins" in line["MESSAGE"] for line in begun), begun
    for name, secret in (("secret", SECRET.decode()), ("password", "pass word")):
        assert not any(secret in str(line) for line in bench.journal()), f"the {name} is in the journal"
    explained = bench.machine.run("journalctl", "--catalog", "--no-pager", f"MESSAGE_ID={SESSION_ENDED}")
    assert "Subject: A management session ended well" in explained, explained


@check
def script(bench):
    """EXEC runs a program as the user of its mapping, in a unit and with a journal of its own"""
    machine = bench.machine
    _, three = bench.server.session([["EXEC", f"{PROBE}/1/Probe"], ["EXEC", f"{PROBE}/1/Root"]])
    assert [status[0] for status in three.json["Status"]] == [200, 200], three.json
    assert machine.run("stat", "--format=%U", "/tmp/probe.omadm", "/tmp/probe.root").split() == ["omadm", "root"]
    unit = machine.run("cat", "/tmp/probe.root")
    assert re.search(r"/omadm\.slice/.*omadm-exec@.*\.service$", unit.strip()), unit
    # journald looks up whose line it is, and may be behind.
    said = lambda: machine.run("journalctl", "--output=cat", "--unit=omadm-exec@*")  # noqa: E731
    wait(lambda: all(f"probe: said by {user}" in said() for user in ("omadm", "root")))
    failed = machine.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "omadm-exec@*")
    assert not failed.strip(), failed


@check
def outlives(bench):
    """an EXEC goes on while the agent is killed, and the next one tells its result, once"""
    machine, server = bench.machine, bench.server
    server.order(session=[[["EXEC", f"{PROBE}/1/Slow"]]])
    server.notify()
    server.package()
    wait(lambda: machine.run("cat", "/tmp/probe.slow", check=False))
    machine.run("systemctl", "kill", "--signal=KILL", SERVICE)
    told = lambda: [line["MESSAGE"] for line in bench.journal() if "/Slow" in line["MESSAGE"]]  # noqa: E731
    wait(lambda: any("ended with code 4" in message for message in told()), 40)
    assert any("went on without the agent" in message for message in told()), told()
    assert machine.run("cat", "/tmp/probe.slow") == "begun\nended\n", "it was not executed once, to its end"
    # The session that was broken off is held again, and the alert of the end is told.
    bench.idle()
    wait(lambda: bench.journal(MESSAGE_ID=SESSION_ENDED, _PID=bench.pid()))
    bench.idle()
    server.forget()


@check
def helper_writes(bench):
    """what is privileged is written, and taken back where a later value fails, as root"""
    machine, server = bench.machine, bench.server
    machine.write("/etc/probe.conf", "# mine\nlevel=1\nsecret=x\n", "0600")
    values = {"/right": {"Level": 5}, "/wrong": {"Level": 500}, "/half": {"Level": 7, "Stuck": "slow"}}
    for path, data in values.items():
        server.order(document={"MOData": data}, at=path)
    write = [["HGET", f"https://dm.example{path}", f"{PROBE}/1/"] for path in values]
    _, three = server.session([*write, ["GET", f"{PROBE}/1/Level"]])
    right, wrong, half, read = [status[0] for status in three.json["Status"]]
    assert (right, half, read) == (200, 500, 200) and wrong >= 400, three.json
    assert machine.run("cat", "/etc/probe.conf") == "# mine\nlevel=5\nsecret=x\n"
    assert machine.run("stat", "--format=%U %a", "/etc/probe.conf").strip() == "root 600"
    assert three.parts["4"][1] == b"5", three.parts
    # Nothing of what was there before is kept once the change is final: only marks that it was are.
    wait(lambda: not machine.run("find", "/var/lib/omadm-exec", "-type", "f", "!", "-name", "*.over-*", "!", "-name", "*.lock").strip())


@check
def helper_refuses(bench):
    """the helper does no more for a taken-over agent than the mappings say, and nothing for others"""
    machine = bench.machine
    machine.write("/usr/local/bin/ask", (HERE / "object/ask").read_text(), "0755")
    # The mapping, and no DDF.
    parts = [(HERE / "object/probe.toml").read_bytes(), b""]
    digest = hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).hexdigest()

    count = itertools.count()

    def ask(op, user="omadm", **changed):
        request = {"v": 1, "id": f"t-{next(count)}", "server": "x", "folder": "probe", "sha256": digest, "ops": [op]}
        become = ["setpriv", f"--reuid={user}", "--clear-groups"]
        said = machine.run(*become, "/usr/local/bin/ask", json.dumps(request | changed), check=False)
        return json.loads(said).get("code") if said.startswith("{") else said.strip()

    level = lambda value: {"op": "set", "node": "Level", "value": value}  # noqa: E731
    assert ask(level(6)) == 200
    assert ask(level(500)) == 406
    assert ask(level("6; reboot")) == 406
    assert ask({"op": "set", "node": "Stuck", "value": "x"}) == 403
    assert ask({"op": "set", "node": "Shadow", "value": "x"}) == 404
    assert ask(level(6), sha256="00") == 409
    assert ask(level(6), folder="../../../var/lib/omadm") == 404
    assert ask(level(6), v=2) == 400
    assert "denied" in ask(level(6), user="nobody").lower()
    # What root has left to others by mistake is root's no more.
    for path in ("/etc/omadm/mo.d/probe/probe.toml", "/etc/omadm/mo.d/probe", "/etc/omadm/mo.d"):
        machine.run("chmod", "g+w", path)
        assert ask(level(4)) == 403, path
        machine.run("chmod", "g-w", path)
    machine.run("chown", "omadm", "/usr/local/lib/probe")
    assert ask({"op": "exec", "node": "Probe"}) == 403
    machine.run("chown", "root", "/usr/local/lib/probe")
    # Many at once, of which none says anything: the socket stays, and takes the next one when they are through.
    machine.run("setpriv", "--reuid=omadm", "--clear-groups", "/usr/local/bin/ask", "--silent", "40")
    wait(lambda: ask(level(3)) == 200, 30)
    assert machine.show(HELPER, "ActiveState") == "active"
    assert machine.run("cat", "/etc/probe.conf") == "# mine\nlevel=3\nsecret=x\n"


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
        "log": ("org.freedesktop.DBus.Properties", "GetAll", "s", name),
        "configuration": (name, "RequestConfiguration", "ss", "urn:nothing", "User"),
        "alert": (name, "RaiseAlert", "ssssss", "no type", "", "", "", "", ""),
        "push": (f"{name}.Push", "Register", "ss", "nobody-s-server", "1"),
    }
    theirs = {"configuration", "alert", "push"}
    for user, may in (("root", set(calls)), ("oper", set(calls)), ("app", theirs), ("nobody", set())):
        for what, call in calls.items():
            said = machine.run("setpriv", f"--reuid={user}", "--init-groups", f"--regid={user}" if user != "nobody"
                else "--regid=nogroup", "busctl", "call", name, path, *call, check=False, both=True)  # fmt: skip
            denied = "Access denied" in said or "AccessDenied" in said
            assert denied != (what in may), f"{user} asks for {what}: {said}"
    level = ("systemctl", "service-log-level", SERVICE)
    assert machine.run(*level).strip() == "info"
    machine.run(*level, "debug")
    assert machine.run(*level).strip() == "debug"
    machine.run(*level, "info")
    for user in ("oper", "app"):
        machine.run("userdel", user)


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


@check
def second_account(bench):
    """a broken account stays as it was, and the journal says why; others are taken"""
    bench.account("acme", "name =", "nmae =")
    bench.account("beta")
    wait(lambda: bench.machine.show(SERVICE, "StatusText").startswith("2 accounts"))
    said = bench.journal(MESSAGE_ID=BROKEN)
    assert any("acme.toml:3" in line["MESSAGE"] and "nmae" in line["MESSAGE"] for line in said), said
    one, *_ = bench.server.session()
    assert one.path.startswith("/acme"), one.path
    bench.account("acme")


@check
def reloads(bench):
    """a reload takes omadmd.toml, or says what is wrong with it and goes on"""
    machine, server = bench.machine, bench.server
    shipped = machine.run("cat", SETTINGS)
    machine.write(SETTINGS, "[notification]\naccept-bare = true\n")
    bench.reload()
    server.send(notification.package("beta", 50_000, SECRET))
    server.package()
    machine.write(SETTINGS, "[notification]\naccept-bare = yes\n")
    bench.reload(fails=True)
    assert any("omadmd.toml:2" in line["MESSAGE"] for line in bench.journal(MESSAGE_ID=BROKEN))
    server.send(notification.package("beta", 50_001, SECRET))
    server.package()
    machine.write(SETTINGS, shipped)
    bench.reload()
    bench.idle()


@check
def hostile(bench):
    """what is not authentic starts nothing, and is counted"""
    server = bench.server
    before = len(bench.begun("acme"))
    server.notify(secret=b"another secret")
    server.notify(secret=None)
    server.notify(sent=1_000_000_000)
    for rubbish in (b"", b"\x01\x06", bytes(1400), b"\x20\x80\x10\x04acme"):
        server.send(rubbish)
    # What arrives last is handled last: had one of the others been let in, its session would have begun.
    server.session(server="beta")
    assert len(bench.begun("acme")) == before
    assert server.quiet()


@check
def stops(bench):
    """it stops at once, cleanly, and says what it dropped"""
    pid = bench.pid()
    bench.machine.run("systemctl", "stop", SERVICE)
    state = [bench.machine.show(SERVICE, name) for name in ("ActiveState", "Result", "ExecMainStatus")]
    assert state == ["inactive", "success", "0"], state
    assert bench.machine.show(SOCKET, "ActiveState") == "active"
    said = [line["MESSAGE"] for line in bench.journal(MESSAGE_ID=DROPPED, _PID=pid)]
    dropped = sum(int(re.match(r"\d+", message)[0]) for message in said)
    assert dropped == 7, f"7 datagrams were dropped, and the journal says: {said}"


@check
def activates(bench):
    """a notification to the stopped agent starts it, and its session"""
    bench.server.order(session=[])
    bench.replay = bench.server.notify(number=40_000)
    one = bench.server.package()
    assert one.headers["omadm-devid"] == bench.device, "the device id is another one"
    bench.idle()


@check
def remembers(bench):
    """a notification sent again after a restart starts nothing"""
    bench.machine.run("systemctl", "restart", SERVICE)
    before = len(bench.begun("acme"))
    bench.server.send(bench.replay)
    bench.server.session(server="beta")
    assert len(bench.begun("acme")) == before


@check
def crashes(bench):
    """killed, it comes back by itself, and a notification sent meanwhile is not lost"""
    pid = bench.pid()
    bench.machine.run("systemctl", "kill", "--signal=KILL", SERVICE)
    wait(lambda: bench.machine.show(SERVICE, "SubState") == "auto-restart")
    bench.server.session()
    assert bench.pid() not in ("0", pid)
    assert bench.machine.show(SERVICE, "NRestarts") == "1"


@check
def damaged(bench):
    """a damaged store is read by a child in the sandbox; the agent is up at once, and knows what it knew"""
    machine, state = bench.machine, "/var/lib/omadm"
    machine.run("systemctl", "stop", SERVICE)
    # A page of the first copy, of which the second one has what was there.
    machine.run(
        "dd", "if=/dev/urandom", f"of={state}/store.redb", "bs=4096", "seek=2", "count=1", "conv=notrunc"
    )
    machine.run("systemctl", "start", SERVICE)
    assert machine.show(SERVICE, "ActiveState") == "active"
    assert machine.run("ls", state).count("store.redb.bad-") == 1
    lines = bench.journal(MESSAGE_ID=SET_ASIDE)
    assert len(lines) == 1 and "all that was in it was kept" in lines[0]["MESSAGE"], lines
    before = len(bench.begun("acme"))
    bench.server.send(bench.replay)
    bench.server.session(server="beta")
    assert len(bench.begun("acme")) == before, "it has forgotten a notification"
    machine.run("rm", f"{state}/store.redb.bad-1")


@check
def hangs(bench):
    """the watchdog restarts an agent that hangs, and no other"""
    machine = bench.machine
    machine.write("/etc/systemd/system/omadmd.service.d/fast.conf", "[Service]\nWatchdogSec=1s\nRestartSec=1s\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", SERVICE)
    pid = bench.pid()
    # Three limits long it answers, else the watchdog would have come.
    machine.run("sleep", "3")
    assert bench.pid() == pid, "the watchdog ended an agent that was well"
    machine.run("kill", "-STOP", pid)
    wait(lambda: bench.pid() not in ("0", pid) and machine.show(SERVICE, "ActiveState") == "active", 30)
    assert any("watchdog" in line["MESSAGE"].lower() for line in manager(machine)), "it was not the watchdog"
    machine.run("rm", "-r", "/etc/systemd/system/omadmd.service.d")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", SERVICE)


def manager(machine):
    """What systemd itself says of the service."""
    lines = machine.run("journalctl", "--output=json", f"UNIT={SERVICE}").splitlines()
    return [json.loads(line) for line in lines]


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
