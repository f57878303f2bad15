"""Who asks the agent for what, by either bus."""

from bench import DEB, DEVINFO, SERVICE
from buses.register import check
from checks.bus import become, policy
from machine import HERE, wait

BUS = "dbus.service"
AWAY, BACK = "can't be called", "can be called again"
WEATHER = "urn:x-omadm:mo:weather:1.0/1"
# Of omadmctl: what root alone may, what operators may, and what applications may as well.
ROOTS = {
    "set": ("set", f"{WEATHER}/Place", "the roof"),
    "exec": ("exec", f"{WEATHER}/Measure"),
}
OPERATORS = {
    "status": ("status",),
    "get": ("get", f"{DEVINFO}//DevID"),
    "tree": ("tree", f"{WEATHER}/"),
    "set, tried": ("set", "--dry-run", f"{WEATHER}/Place", "the roof"),
    "exec, tried": ("exec", "--dry-run", f"{WEATHER}/Measure"),
    "account list": ("account", "list"),
    "account test": ("account", "test", "acme"),
    "session list": ("session", "list"),
    "session start": ("session", "start", "acme"),
    "reload": ("reload",),
    "alert list": ("alert", "list"),
    "alert drop": ("alert", "drop", "acme"),
}
APPLICATIONS = {"alert raise": ("alert", "raise", "com.acme.door")}
ALL_OF_THEM = {**ROOTS, **OPERATORS, **APPLICATIONS}


def take_bus(bench, disable, enable, name):
    """Has this machine go on with another bus."""
    machine = bench.machine
    machine.run("systemctl", "stop", "dbus.socket", BUS)
    machine.run("systemctl", disable, "--quiet", "dbus-broker")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "dbus.socket", BUS)
    assert enable in machine.show(BUS, "ExecStart"), name


def told(bench, what):
    return sum(what in line["MESSAGE"] for line in bench.journal(_PID=bench.pid()))


def is_back(bench, times):
    wait(lambda: told(bench, BACK) == times)
    assert told(bench, AWAY) == times


@check
def broker(bench):
    """on dbus-broker the agent can be called"""
    take_bus(bench, "enable", "dbus-broker-launch", "dbus-broker")
    bench.machine.run("dpkg", "--install", DEB)
    bench.beside_accounts()
    bench.machine.write("/etc/omadm/mo.d/weather/weather.toml", (HERE / "day/weather.toml").read_text())
    bench.machine.write("/usr/local/lib/weather", (HERE / "day/weather").read_text(), "0755")
    bench.account("acme")
    bench.machine.run("omadmctl", "reload")


def people(bench):
    """omadmctl answers root and operators, takes alerts of applications, and says who may to anybody else"""
    machine = bench.machine
    for user, group in (("oper", "omadm-admin"), ("app", "omadm-app")):
        machine.run("useradd", "--system", "--groups", group, user)
    all_, roots = set(ALL_OF_THEM), set(ROOTS)
    for user, may in (("root", all_), ("oper", all_ - roots), ("app", set(APPLICATIONS)), ("nobody", set())):
        for what, command in ALL_OF_THEM.items():
            script = ("sh", "-c", 'omadmctl "$@" 2>&1; echo "$?"', "sh", *command)
            *said, status = machine.run(*become(user), *script).splitlines()
            assert status == ("0" if what in may else "1"), f"{user} asks for {what}: {status}: {said}"
            if what not in may:
                who = "only root" if user == "oper" else "omadm-admin"
                assert who in " ".join(said), f"{user} asks for {what}: {said}"
            bench.idle()
    for user in ("oper", "app"):
        machine.run("userdel", user)


def signals(bench):
    """how sessions go is told to root and to operators, and to nobody else who listens"""
    machine = bench.machine
    rule = "type='signal',sender='org.omadm.Agent1',path='/org/omadm/Agent1'"
    users = {"root": None, "oper": "omadm-admin", "app": "omadm-app", "nobody": None}
    for user, group in users.items():
        if group:
            machine.run("useradd", "--system", "--groups", group, user)
        heard = f"/tmp/heard-by-{user}"
        machine.run("sh", "-c", f'"$@" >{heard} 2>&1 &', "sh", *become(user), "timeout", "10", "dbus-monitor", "--system", rule)
    # Whoever listens hears that it has a name on the bus.
    wait(lambda: all("NameAcquired" in machine.run("cat", f"/tmp/heard-by-{user}") for user in users))
    machine.run("sleep", "1")
    machine.run("omadmctl", "session", "start", "acme")
    ended = lambda user: "member=SessionEnded" in machine.run("cat", f"/tmp/heard-by-{user}")  # noqa: E731
    wait(lambda: ended("root") and ended("oper"))
    machine.run("sleep", "1")
    assert not ended("app") and not ended("nobody"), [user for user in users if ended(user)]
    machine.run("pkill", "dbus-monitor")
    for user, group in users.items():
        if group:
            machine.run("userdel", user)


def level(bench):
    """systemctl service-log-level has the agent say more, until it is restarted"""
    machine, level = bench.machine, ("systemctl", "service-log-level", SERVICE)
    # A container has no serial number of a board.
    why = lambda: told(bench, "a source has no value")  # noqa: E731
    machine.run("omadmctl", "get", f"{DEVINFO}//")
    said = machine.run(*level).strip()
    assert said == "info", said
    assert not why(), [line["MESSAGE"] for line in bench.journal(_PID=bench.pid())]
    machine.run(*level, "debug")
    machine.run("omadmctl", "get", f"{DEVINFO}//")
    wait(why)
    machine.run("systemctl", "restart", SERVICE)
    assert machine.run(*level).strip() == "info"


def restarted(bench):
    """a bus that is restarted is taken up again, and the journal says so once"""
    bench.machine.run("systemctl", "restart", SERVICE)
    for times in (1, 2):
        bench.machine.run("systemctl", "restart", BUS)
        is_back(bench, times)
        assert "completed" in bench.machine.run("omadmctl", "session", "start", "acme")


@check
def daemon(bench):
    """dbus-daemon in the place of dbus-broker is taken up by the running agent"""
    bench.machine.run("systemctl", "restart", SERVICE)
    take_bus(bench, "disable", "dbus-daemon", "dbus-daemon")
    is_back(bench, 1)
    assert "completed" in bench.machine.run("omadmctl", "session", "start", "acme")


CHECKS = [policy, people, signals, level, restarted]
check[1:1] = CHECKS
check.extend(CHECKS)
