"""A machine becomes a managed gateway: the package, an account, and the server's side of it."""

from bench import DEB, SERVICE, SETTINGS
from machine import wait
from manager import Manager


def managed(bench, settings=""):
    """Installs the package, with an account and the server's side of it. NetworkManager has the link up."""
    machine = bench.machine
    machine.write("/root/ca.pem", (bench.folder / "ca.pem").read_text())
    bench.server.order(file=machine.deb, at="/agent.deb")
    machine.run("curl", "--silent", "--show-error", "--fail", "--cacert", "/root/ca.pem", "--output", DEB, "https://dm.example/agent.deb")
    machine.run("dpkg", "--install", DEB, seconds=300)
    bench.beside_accounts()
    bench.account("acme")
    if settings:
        machine.write(SETTINGS, settings)
        bench.reload()
    wait(lambda: machine.show(SERVICE, "StatusText").startswith("1 account, "))
    bench.manager = Manager(bench)


def well(bench):
    """Nothing has brought the agent down, and no request of its helper is left."""
    machine = bench.machine
    assert machine.show(SERVICE, "ActiveState") == "active", machine.show(SERVICE, "StatusText")
    assert machine.show(SERVICE, "NRestarts") == "0"
    left = lambda: machine.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "omadm-exec@*").strip()  # noqa: E731
    wait(lambda: not left())
