"""What the lives of machines share that have their link's settings changed on trial."""

WAN = "urn:x-omadm:mo:wan:1.0/1"
APPLY, TRIAL = f"{WAN}/Operations/Apply", "urn:x-omadm:at:wan:1.0:Trial"
ENDED = "urn:x-omadm:at:exec:1.0:OperationComplete"
EMPTY = {"Profile": "", "Type": "", "APN": "", "AuthName": "", "AuthSecret": "", "SSID": "", "Key": "", "Within": 180, "Confirm": "session",
         "IPv4": {"Method": "", "Address": "", "Gateway": "", "DNS": ""}}  # fmt: skip


def change(bench, **values):
    """Writes what is to be changed, and applies it."""
    manager = bench.manager
    assert manager.statuses(manager.write(f"{WAN}/Change", EMPTY | values), ["EXEC", APPLY]) == [200, 202]


def held(bench):
    return [line.split()[3] for line in bench.machine.run("ip", "-4", "-o", "address", "show", "dev", "eth0").splitlines()]


def goes_to(bench, profile, address, confirm):
    """Changes the address, and waits until the server is told from there that it is on trial."""
    manager = bench.manager
    settings = {"Method": "manual", "Address": f"{address}/24", "Gateway": "192.0.2.1", "DNS": ""}
    change(bench, Profile=profile, IPv4=settings, Within=90, Confirm=confirm)
    kind, source, _ = manager.alert(60)
    assert (kind, source) == (TRIAL, f"{WAN}/State")
    assert manager.packages[-1].connection[0].endswith(address), manager.packages[-1].connection
    manager.address = address


def kept(bench, address):
    """The trial of an address is over, and it stays."""
    assert bench.manager.alert(60) == (ENDED, APPLY, 200)
    assert bench.manager.get(f"{WAN}/State") == "idle"
    assert held(bench) == [f"{address}/24"], held(bench)
