"""Set-ups, each broken in one way, and repaired: what `omadmctl session start` and `omadmctl status` say of the cause."""

import clock
from bench import ACCOUNTS, DEB, HELPER, SERVICE, SETTINGS, SOCKET
from broken.register import asked, check, setup
from machine import HERE, ip, wait
from server import bad_certificates

PROBE, STATE = "/etc/omadm/mo.d/probe/probe.toml", "/var/lib/omadm"
HOSTS = "127.0.0.1 localhost\n{address} dm.example\n"
DAY = 24 * 3600


def restart(bench):
    bench.machine.run("systemctl", "restart", SERVICE)


def account(bench, *changed):
    bench.account("acme", *changed)
    restart(bench)


def link(bench, *what):
    ip("-n", bench.machine.network.machine, *what)


@check
def installed(bench):
    """the package is there, and what is used for breaking it"""
    machine = bench.machine
    clock.install(bench)
    machine.run("dpkg", "--install", DEB)
    bench.beside_accounts()
    bad_certificates(bench.folder)
    machine.write(f"{ACCOUNTS}/other.pem", (bench.folder / "other.pem").read_text())
    machine.write(PROBE, (HERE / "object/probe.toml").read_text())
    machine.write("/usr/local/lib/probe", (HERE / "object/probe").read_text(), "0755")
    machine.write("/etc/probe.conf", "level=1\n", "0600")
    machine.write(SETTINGS, "[session]\nretries = 0\n")
    restart(bench)


@setup(start=[1, "no account has the server id"], status=[0, "accounts none: put a file into"])
def no_account(bench):
    """there is no account"""
    yield
    account(bench)


@setup(start=[1, "no account has the server id"], status=[0, "configuration /etc/omadm/", "`omadmctl config check` says all"])
def slip(bench):
    """the account has a slip when the agent starts"""
    account(bench, "name =", "nmae =")
    yield
    account(bench)


@setup(start=[0, "completed"], status=[0, "configuration /etc/omadm/", "`omadmctl config check` says all"])
def later_slip(bench):
    """the account has a slip while the agent runs, which goes on with the old one"""
    bench.account("acme", "name =", "nmae =")
    bench.machine.run("omadmctl", "reload", check=False)
    yield
    account(bench)


@setup(start=[1, "the server refuses the user or password", "look at auth in the account"])
def password(bench):
    """the password is another one"""
    bench.server.accept("another one")
    yield
    bench.server.accept("pass word")


@setup(start=[1, 'its issuer is not trusted: "A CA" is not in', "other.pem", "look at tls.ca-file"])
def authority(bench):
    """the account trusts another authority"""
    account(bench, "ca.pem", "other.pem")
    yield
    account(bench)


@setup(start=[1, "certificate refused: it has expired", "timedatectl"])
def expired(bench):
    """the server's certificate is over"""
    bench.server.certificate("expired")
    yield
    bench.server.certificate("dm")


@setup(start=[1, "the name can't be resolved", "look at the name"])
def name(bench):
    """the server's name is unknown"""
    account(bench, "dm.example", "dm.nowhere.example")
    yield
    account(bench)


@setup(start=[1, "can't connect", "Connection refused", "look at the server, its port"])
def port(bench):
    """the server's port is closed"""
    account(bench, "dm.example", "dm.example:444")
    yield
    account(bench)


@setup(start=[1, "no connection within 30 s: TCP is not answered", "a firewall that swallows packets"])
def firewall(bench):
    """a firewall swallows what is sent"""
    # Packets to a host that is not there any more.
    link(bench, "neigh", "add", "192.0.2.77", "lladdr", "02:00:00:00:00:01", "dev", "eth0", "nud", "permanent")
    bench.machine.write("/etc/hosts", HOSTS.format(address="192.0.2.77"))
    yield
    bench.machine.write("/etc/hosts", HOSTS.format(address="192.0.2.1"))


@setup(start=[1, "no connection within 30 s: TLS is not answered", "is it one of TLS?"])
def silent(bench):
    """who answers at the server's port says nothing"""
    bench.server.order(port=445, says="")
    account(bench, "dm.example", "dm.example:445")
    yield
    account(bench)


@setup(start=[1, "tls: ", "look at the port in server-uri"])
def plain(bench):
    """the server's port speaks no TLS"""
    bench.server.order(port=446, says="SSH-2.0-OpenSSH_9.2p1\r\n")
    account(bench, "dm.example", "dm.example:446")
    yield
    account(bench)


@setup(start=[1, "the server ended TLS", "does the server want a client certificate?"])
def certificate(bench):
    """the server wants a client certificate"""
    bench.server.order(wants=f"{bench.folder}/ca.pem")
    yield
    bench.server.order(wants=None)


@setup(start=[1, "HTTP status 404", "look at the server's own log"])
def not_found(bench):
    """the server knows nothing of that address"""
    bench.server.answers(404)
    yield
    bench.server.answers()


@setup(start=[1, "HTTP status 500", "look at the server's own log"])
def fails(bench):
    """the server fails"""
    bench.server.answers(500)
    yield
    bench.server.answers()


@setup(start=[1, "expected application/vnd.oma.dm.request+json", "look at server-uri in the account: a page for people answers"])
def portal(bench):
    """a portal answers in the server's place"""
    bench.server.answers(200, "text/html", "<html>Please pay")
    yield
    bench.server.answers()


@setup(start=[0, "completed"], status=[0, "configuration /etc/omadm/", "`omadmctl config check` says all"])
def settings(bench):
    """the settings have a slip when the agent starts, which goes on with the vendor's"""
    sound = bench.machine.run("cat", SETTINGS)
    bench.machine.write(SETTINGS, "[sesion]\nretries = 0\n")
    restart(bench)
    yield
    bench.machine.write(SETTINGS, sound)
    restart(bench)


@setup(start=[1, "no account has the server id"], status=[0, "configuration /etc/omadm/"])
def http(bench):
    """the account's address is no https"""
    account(bench, "https://", "http://")
    yield
    account(bench)


@setup(start=[0, "completed"], status=[0, "clock not set: scheduled sessions wait for it; `timedatectl`"])
def clock_unset(bench):
    """the clock shows 1979"""
    clock.put(bench, 1_500_000_000)
    restart(bench)
    yield
    clock.right(bench)
    restart(bench)


@setup(start=[1, "it has expired", "this machine's clock is wrong: `timedatectl`"])
def clock_ahead(bench):
    """the clock is ten years ahead"""
    clock.put(bench, -3650 * DAY)
    restart(bench)
    yield
    clock.right(bench)
    restart(bench)


@setup(start=[1, "no account has the server id"], status=[0, "configuration /etc/omadm/"])
def open_password(bench):
    """everybody may read the password's file"""
    bench.machine.run("chmod", "0644", f"{ACCOUNTS}/dm.password")
    restart(bench)
    yield
    bench.machine.run("chmod", "0640", f"{ACCOUNTS}/dm.password")
    restart(bench)


@setup(start=[1, "no account has the server id"], status=[0, "configuration /etc/omadm/"])
def unreadable(bench):
    """the agent may not read the account's file"""
    bench.machine.run("chown", "root:root", f"{ACCOUNTS}/acme.toml")
    restart(bench)
    # Root may, who looks what is wrong.
    code, said = asked(bench, "config", "check")
    assert code == 1 and f"{ACCOUNTS}/acme.toml: can't be read by the agent's user" in said, said
    yield
    bench.machine.run("chown", "root:omadm", f"{ACCOUNTS}/acme.toml")
    restart(bench)


@setup(start=[1, "the proxy ", "192.0.2.1:3128: Connection refused", "HTTPS_PROXY"])
def proxy(bench):
    """the proxy does not answer"""
    drop_in = "/etc/systemd/system/omadmd.service.d/proxy.conf"
    bench.machine.write(drop_in, "[Service]\nEnvironment=HTTPS_PROXY=http://192.0.2.1:3128\n")
    bench.machine.run("systemctl", "daemon-reload")
    restart(bench)
    yield
    bench.machine.run("rm", drop_in)
    bench.machine.run("systemctl", "daemon-reload")
    restart(bench)


@setup(start=[0, "completed"], status=[0, "store /var/lib/omadm ", "`df /var/lib/omadm`"])
def disk(bench):
    """the disk of the state is full"""
    machine = bench.machine
    machine.run("systemctl", "stop", SOCKET, SERVICE)
    machine.run("mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "small", STATE)
    machine.run("systemctl", "start", SOCKET, SERVICE)
    machine.run("sh", "-c", f"cat /dev/zero >{STATE}/full 2>/dev/null; true")
    # Something that is to be stored.
    bench.server.notify()
    wait(lambda: any("could not be stored" in line["MESSAGE"] for line in bench.journal(_PID=bench.pid())))
    bench.idle()
    yield
    machine.run("systemctl", "stop", SOCKET, SERVICE)
    machine.run("umount", STATE)
    machine.run("systemctl", "start", SOCKET, SERVICE)


@setup(start=[1, "Network is unreachable"])
def no_link(bench):
    """there is no link"""
    link(bench, "link", "set", "eth0", "down")
    yield
    link(bench, "link", "set", "eth0", "up")


@setup(start=[0, "completed"], status=[0, "configuration /etc/omadm/", "`omadmctl config check` says all"])
def described(bench):
    """an object's mapping is broken"""
    text = (HERE / "object/probe.toml").read_text()
    bench.machine.write(PROBE, text.replace("root =", "rot ="))
    restart(bench)
    yield
    bench.machine.write(PROBE, text)
    restart(bench)


@setup(start=[0, "Level: 503", "`systemctl status omadm-exec.socket`"], status=[0, "completed"])
def helper(bench):
    """the helper's socket is not there"""
    bench.machine.run("systemctl", "stop", HELPER)
    bench.server.order(session=[[["GET", "urn:x-omadm:mo:system-test:1.0/1/Level"]]])
    yield
    bench.machine.run("systemctl", "start", HELPER)


@setup(start=[1, "the agent does not run", "`systemctl status omadmd`"], status=[1, "the agent does not run"])
def stopped(bench):
    """the agent does not run"""
    bench.machine.run("systemctl", "stop", SOCKET, SERVICE)
    yield
    bench.machine.run("systemctl", "start", SOCKET, SERVICE)


@setup(start=[1, "no message bus", "`systemctl status dbus`"], status=[1, "no message bus"])
def bus(bench):
    """there is no message bus"""
    bench.machine.run("systemctl", "stop", "dbus.socket", "dbus.service")
    yield
    bench.machine.run("systemctl", "start", "dbus.socket", "dbus.service")
