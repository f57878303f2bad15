"""What happens on the day. Each event waits until what it brings is in the journal."""

import time

import clock
from bench import DEB, SERVICE, SETTINGS, SOCKET
from day.diary import Diary
from day.register import check
from machine import HERE, ip, wait
from server import MACHINE_V4, bad_certificates

WEATHER = "urn:x-omadm:mo:weather:1.0"
# Neighbours come and go as the kernel likes. One attempt more is enough to see what is said of it.
QUIET = '[session]\nretries = 1\n[exec]\nsync-limit = "1s"\n[objects]\ndisable = ["lan-devices", "diagnostics"]\n'
NEVER, AT_BOOT = "schedule = { at-boot = false, first-contact = false }", "schedule = { at-boot = true }"


def said(bench, what, times=1, seconds=40):
    """Waits until the journal has this so often since the last event began."""
    since = bench.diary.happened[-1][1]
    wait(lambda: sum(what in line["MESSAGE"] for line in bench.journal()[since:]) >= times, seconds)


def link(bench, state):
    ip("-n", bench.machine.network.machine, "link", "set", "eth0", state)


def session(bench, *commands):
    """A session that a notification asks for, to its end."""
    bench.server.forget()
    bench.server.session(*commands)
    said(bench, "ended well")
    bench.idle()


def fails(bench):
    """A notification whose session fails."""
    bench.server.notify()
    said(bench, " failed: ")
    bench.idle()


@check
def boot(bench):
    """the agent comes up without a clock and without a link"""
    machine = bench.machine
    clock.install(bench)
    machine.run("dpkg", "--install", DEB)
    machine.run("systemctl", "stop", SOCKET, SERVICE)
    bad_certificates(bench.folder)
    bench.beside_accounts()
    machine.write("/etc/omadm/mo.d/weather/weather.toml", (HERE / "day/weather.toml").read_text())
    machine.write("/usr/local/lib/weather", (HERE / "day/weather").read_text(), "0755")
    machine.write(SETTINGS, QUIET)
    bench.account("acme", NEVER, AT_BOOT)
    # The first days of 1970.
    clock.put(bench, int(time.time()))
    link(bench, "down")
    bench.diary = Diary(bench)
    bench.diary.begins("boot: the clock was never set, and there is no link")
    machine.run("systemctl", "start", SOCKET, SERVICE)
    said(bench, "taken as not set")


@check
def link_comes(bench):
    """a link comes up while the clock is still not set"""
    bench.diary.begins("a link comes up")
    link(bench, "up")
    bench.machine.run("sleep", "2")


@check
def clock_comes(bench):
    """the clock is set, and the first session is held"""
    bench.diary.begins("the clock is set: the first contact")
    clock.right(bench)
    # The kernel's word that it was set can't be had here: anything that happens has the agent look.
    bench.machine.run("omadmctl", "status")
    said(bench, "ended well")
    bench.idle()


@check
def notified(bench):
    """a server reads, writes and executes, and some of it fails"""
    bench.diary.begins("a notification, and a session that reads, writes and executes")
    bench.server.order(document={"MOData": {"Place": "the roof"}}, at="/place")
    session(
        bench,
        [["GET", f"{WEATHER}/1/Place"], ["GET", f"{WEATHER}/1/Rain"], ["EXEC", f"{WEATHER}/1/Forecast"]],
        [["HGET", "https://dm.example/place", f"{WEATHER}/1/"], ["HGET", "https://dm.example/gone", f"{WEATHER}/1/"]],
        [["GET", f"{WEATHER}/1/"], ["GET", "urn:nothing:1.0//"], ["NONSENSE"]],
    )


@check
def slow(bench):
    """an EXEC takes longer than its server waits, and its end is told later"""
    bench.diary.begins("an EXEC that takes longer than its server waits")
    session(bench, [["EXEC", f"{WEATHER}/1/Measure"]])
    said(bench, "ended well", 2)
    bench.idle()


@check
def alarm(bench):
    """an alarm is raised, and an operator raises an alert"""
    bench.diary.begins("the hatch opens: an alarm")
    bench.machine.write("/run/hatch", "open\n")
    said(bench, "ended well")
    bench.idle()
    bench.diary.begins("an operator raises an alert")
    bench.machine.run("omadmctl", "alert", "raise", "com.acme.door")
    said(bench, "ended well")
    bench.idle()


@check
def password(bench):
    """the server's password is another one, and then the account's again"""
    bench.diary.begins("the password is wrong")
    bench.server.accept("another one")
    fails(bench)
    bench.diary.begins("the password is right again")
    bench.server.accept("pass word")
    session(bench)


@check
def expired(bench):
    """the server's certificate is over, and is renewed"""
    bench.diary.begins("the server's certificate has expired")
    bench.server.certificate("expired")
    fails(bench)
    bench.diary.begins("it has a new one")
    bench.server.certificate("dm")
    session(bench)


@check
def overloaded(bench):
    """the server answers 503 once, and then as it should"""
    bench.diary.begins("the server is overloaded: 503")
    bench.server.order(once=[503, "text/plain", "later"])
    bench.server.notify()
    said(bench, "ended well")
    bench.idle()


@check
def link_goes(bench):
    """the link goes, and comes back"""
    bench.diary.begins("the link goes, and a session is asked for")
    link(bench, "down")
    bench.machine.run("omadmctl", "session", "start", "acme", check=False)
    bench.idle()
    bench.diary.begins("the link is back")
    link(bench, "up")
    said(bench, "ended well")
    bench.idle()


@check
def mistake(bench):
    """an account is edited wrongly, and rightly"""
    bench.diary.begins("a slip in the account")
    bench.account("acme", "name =", "nmae =")
    said(bench, "nmae")
    bench.diary.begins("and its repair")
    bench.account("acme")
    said(bench, "configuration read again")


@check
def replayed(bench):
    """notifications that start nothing"""
    bench.diary.begins("a notification twice, one with another secret, one from long ago, and a flood")
    again = bench.server.notify()
    said(bench, "ended well")
    bench.idle()
    bench.server.send(again)
    said(bench, "dropped")
    bench.server.notify(secret=b"another secret")
    bench.server.notify(sent=1_000_000_000)
    bench.server.order(send="00" * 40, to=MACHINE_V4, times=100_000)
    # One line at once, and one a minute later: more there are not, however many arrive.
    said(bench, "dropped", 2, 90)


@check
def killed(bench):
    """the agent is killed in a session, and comes back"""
    bench.diary.begins("the agent is killed in a session")
    pid = bench.pid()
    bench.server.order(answering=False)
    bench.server.notify()
    said(bench, "begins")
    bench.machine.run("systemctl", "kill", "--signal=KILL", SERVICE)
    bench.server.order(answering=True)
    wait(lambda: bench.pid() not in ("0", pid))
    said(bench, "ended well")
    bench.idle()


@check
def bus(bench):
    """the message bus is restarted"""
    bench.diary.begins("the message bus is restarted")
    bench.machine.run("systemctl", "restart", "dbus.service")
    said(bench, "can be called again")


@check
def full(bench):
    """the disk of the state is full, and has room again"""
    machine, state = bench.machine, "/var/lib/omadm"
    bench.diary.begins("the agent is restarted, on a small disk")
    machine.run("systemctl", "stop", SOCKET, SERVICE)
    machine.run("cp", "-a", state, "/tmp/state")
    machine.run("mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "small", state)
    machine.run("cp", "-a", "/tmp/state/.", state)
    machine.run("systemctl", "start", SOCKET, SERVICE)
    bench.idle()
    bench.diary.begins("the disk is full")
    machine.run("sh", "-c", f"cat /dev/zero >{state}/full 2>/dev/null; true")
    # More than there is room for in the store's own file.
    bench.server.order(document={"MOData": {"Place": "the cellar " * 9000}}, at="/large")
    large = [["HGET", "https://dm.example/large", f"{WEATHER}/1/"]]
    session(bench, large, large)
    bench.diary.begins("it has room again")
    machine.run("rm", f"{state}/full")
    session(bench, large)


@check
def stop(bench):
    """the machine is shut down"""
    bench.diary.begins("the end of the day")
    bench.machine.run("systemctl", "stop", SOCKET, SERVICE)
