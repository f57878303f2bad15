"""Components, services, lock: what is the machine's own to allow."""

import re
import subprocess

from bench import SERVICE
from gateway.register import check
from machine import wait

SCOMO, LAWMO, SERVICES = "urn:oma:mo:oma-scomo:1.0/1", "urn:oma:mo:oma-lawmo:1.0/1", "urn:x-omadm:mo:services:1.0/1"
DONE, LOCKED = "urn:oma:at:scomo:1.0:OperationComplete", "urn:oma:at:lawmo:1.0:OperationComplete"
CONTROL = "Package: meter\nVersion: 2.0\nArchitecture: all\nMaintainer: nobody\nDescription: reads meters\n"
SERVICE_FILE = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"


@check
def component(bench):
    """a package is refused without leave, then fetched by https, installed by the package manager, and removed"""
    machine, manager = bench.machine, bench.manager
    content = bench.folder / "meter"
    for file, text in (("DEBIAN/control", CONTROL), ("usr/share/meter", "two\n"), ("lib/systemd/system/meter.service", SERVICE_FILE)):
        (content / file).parent.mkdir(parents=True, exist_ok=True)
        (content / file).write_text(text)
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", content, f"{content}.deb"], check=True, capture_output=True)
    bench.server.order(file=f"{content}.deb", at="/meter.deb")
    node = f"{SCOMO}/Download/1"
    write = manager.write(node, {"PkgID": "acme-meter-2", "PkgURL": "https://dm.example/meter.deb"})
    fetch = ["EXEC", f"{node}/Operations/DownloadInstall"]
    told = lambda code: (DONE, fetch[1], f"<ResultCode>{code}</ResultCode><Identifier>acme-meter-2</Identifier>")  # noqa: E731
    assert manager.statuses(write, fetch) == [200, 202]
    assert manager.alert() == told(1411)
    machine.write("/etc/omadm/scomo.d/allow", '#!/bin/sh\n[ "$2" = meter ] || [ "$3" = acme-meter-2 ]\n', "0755")
    assert manager.statuses(fetch) == [202]
    assert manager.alert() == told(1403), "its certificate is not one that curl knows"
    machine.write("/etc/omadm/scomo.curl", 'cacert = "/etc/omadm/accounts.d/ca.pem"\n')
    assert manager.statuses(fetch) == [202]
    assert manager.alert() == told(1200)
    assert machine.run("cat", "/usr/share/meter") == "two\n"
    shown = manager.get(f"{SCOMO}/Inventory/Deployed/meter")
    version = machine.run("dpkg-query", "--show", "--showformat=${Version}", "meter")
    # It is called otherwise than its package, and is as its service is: nobody has switched that on.
    assert (shown["Version"], shown["PkgIDRef"], shown["State"]) == (version, "acme-meter-2", 10), shown
    assert manager.get(f"{node}/Ext/Component") == "meter"
    for name, state, active in (("Activate", 20, "active"), ("Deactivate", 10, "inactive")):
        switch = f"{SCOMO}/Inventory/Deployed/meter/Operations/{name}"
        assert manager.statuses(["EXEC", switch]) == [202]
        assert manager.alert() == (DONE, switch, "<ResultCode>1200</ResultCode><Identifier>meter</Identifier>")
        assert manager.get(f"{SCOMO}/Inventory/Deployed/meter/State") == str(state)
        assert machine.run("systemctl", "is-active", "meter", check=False).strip() == active
    deployed = manager.get(f"{SCOMO}/Inventory/Deployed")
    names = machine.run("dpkg-query", "--show", "--showformat=${binary:Package} ${db:Status-Status}\n").splitlines()
    assert len(deployed) == len([name for name in names if name.endswith(" installed")]), (len(deployed), len(names))
    remove = f"{SCOMO}/Inventory/Deployed/meter/Operations/Remove"
    assert manager.statuses(["EXEC", remove]) == [202]
    assert manager.alert() == (DONE, remove, "<ResultCode>1200</ResultCode><Identifier>meter</Identifier>")
    assert "meter" not in machine.run("dpkg", "--get-selections")
    assert manager.get(f"{SCOMO}/Inventory/Deployed/meter") == 404
    # What nobody allows.
    other = f"{SCOMO}/Inventory/Deployed/curl/Operations/Remove"
    assert manager.statuses(["EXEC", other]) == [202]
    assert manager.alert() == (DONE, other, "<ResultCode>1408</ResultCode><Identifier>curl</Identifier>")
    machine.run("test", "-x", "/usr/bin/curl")


@check
def services(bench):
    """a listed service is restarted, its failure and its recovery are told, and others are not there"""
    machine, manager = bench.machine, bench.manager
    unit = "[Service]\nExecStart=/bin/sh -c '[ ! -e /run/broken ] && exec sleep infinity'\n"
    machine.write("/etc/systemd/system/meterd.service", unit)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "meterd")
    node = f"{SERVICES}/Units/meterd.service"
    assert manager.get(node) == 404
    machine.write("/etc/omadm/services.conf", "meterd.service\n")
    assert manager.get(f"{node}/State") == "active"
    assert manager.get(f"{SERVICES}/Units/dbus.service") == 404
    # The first look is no news.
    wait(lambda: list(manager.get(f"{SERVICES}/Units")) == ["meterd.service"])
    before = machine.show("meterd", "MainPID")
    assert manager.statuses(["EXEC", f"{node}/Operations/Restart"]) == [200]
    assert machine.show("meterd", "MainPID") not in ("0", before)
    machine.write("/run/broken", "")
    machine.run("systemctl", "restart", "meterd")
    told = manager.alert(90)
    assert told[:2] == ("urn:x-omadm:at:services:1.0:Failed", f"{node}/State") and told[2]["Value"] == "failed", told
    machine.run("rm", "/run/broken")
    assert manager.statuses(["EXEC", f"{node}/Operations/Start"]) == [200]
    kind, source, _ = manager.alert(90)
    assert (kind, source) == ("urn:x-omadm:at:services:1.0:Recovered", f"{node}/State")


@check
def lock(bench):
    """lock and wipe are not there before somebody says what they are; then they lock, and unlock"""
    machine, manager = bench.machine, bench.manager
    assert manager.get(f"{LAWMO}/State") == 404
    objects = lambda: int(re.search(r"(\d+) management", machine.show(SERVICE, "StatusText"))[1])  # noqa: E731
    before = objects()
    for name in ("lock", "unlock"):
        machine.write(f"/etc/omadm/lawmo.d/{name}", f"#!/bin/sh\necho {name} >>/var/lib/locks\n", "0755")
    machine.write("/etc/omadm/lawmo.d/wipe/logs", "#!/bin/sh\n# name: Logs\necho wipe >>/var/lib/locks\n", "0755")
    wait(lambda: objects() == before + 1)
    assert manager.get(f"{LAWMO}/State") == "30"
    for name, code, state in (("FullyLock", 1200, "10"), ("UnLock", 1200, "30"), ("PartiallyLock", 1403, "30")):
        node = f"{LAWMO}/Operations/{name}"
        assert manager.statuses(["EXEC", node]) == [202]
        assert manager.alert() == (LOCKED, node, code)
        assert manager.get(f"{LAWMO}/State") == state
    item = f"{LAWMO}/AvailableWipeList/logs"
    assert manager.get(f"{item}/ListItemName") == "Logs"
    wipe = f"{LAWMO}/Operations/Wipe"
    assert manager.statuses(manager.write(f"{item}/ToBeWiped", "true"), ["EXEC", wipe]) == [200, 202]
    assert manager.alert() == (LOCKED, wipe, 1201)
    assert machine.run("cat", "/var/lib/locks") == "lock\nunlock\nwipe\n"
