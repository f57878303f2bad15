"""The modem, which comes late, and its SIM card, which is another one in the afternoon."""

import subprocess
import sys

from gateway.register import check
from machine import HERE, wait

CELLULAR, MM = "urn:x-omadm:mo:cellular:1.0/1", "org.freedesktop.ModemManager1"
UNIT = (
    "[Unit]\nConditionVirtualization=\nConditionCapability=\n[Service]\nExecStart=\n"
    "ExecStart=/usr/sbin/ModemManager --test-enable --test-no-udev --test-no-qrtr --test-no-suspend-resume\n"
)


def mmcli(machine, what):
    """What mmcli says of a modem or SIM card, by its keys; nothing if that is not there."""
    said = machine.run("mmcli", "--output-keyvalue", *what, check=False)
    return dict((part.strip() for part in line.split(" : ", 1)) for line in said.splitlines() if " : " in line)


def plug_in(bench, sim):
    """The modem is plugged in, with this SIM card: IMSI and ICCID."""
    (bench.folder / "sim").write_text(" ".join(sim))
    bench.modem = subprocess.Popen(
        ["ip", "netns", "exec", bench.machine.network.machine, sys.executable, HERE / "modem.py", "modem", bench.folder / "sim"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    bench.modem.stdout.readline()


def found(bench, modem):
    """ModemManager is told of the modem's port, as udev would; NetworkManager has it enabled."""
    machine = bench.machine
    machine.run("busctl", "call", MM, f"/{MM.replace('.', '/')}", f"{MM}.Test", "SetProfile", "ssas", "t", "generic", "1", "abstract:modem")
    wait(lambda: mmcli(machine, ["-m", modem]).get("modem.generic.state") == "registered", 60)


def asks_with(manager, path):
    """Waits until a session begins at this address."""
    seen = []

    def begins():
        manager.get(f"{CELLULAR}/Modems")
        seen.append([package.path for package in manager.packages if "initiation" in package.kind][-1])
        return seen[-1] == path

    try:
        wait(begins, 40, 1)
    except AssertionError:
        raise AssertionError(f"{path} is not among {set(seen)}") from None


@check
def comes_late(bench):
    """a modem that is plugged in late is there by itself, as mmcli says it is"""
    machine, manager = bench.machine, bench.manager
    machine.write("/etc/systemd/system/ModemManager.service.d/t.conf", UNIT)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "enable", "--now", "ModemManager")
    assert manager.get(f"{CELLULAR}/Modems") in (204, 404, {})
    plug_in(bench, ("001010123456789", "89012345678901234512"))
    found(bench, "0")
    shown, said = manager.get(f"{CELLULAR}/Modems/0"), mmcli(machine, ["-m", "0"])
    pairs = {
        "Manufacturer": "modem.generic.manufacturer", "Model": "modem.generic.model", "Revision": "modem.generic.revision",
        "IMEI": "modem.3gpp.imei", "State": "modem.generic.state", "Port": "modem.generic.primary-port",
    }  # fmt: skip
    assert {key: shown[key] for key in pairs} == {key: said[name] for key, name in pairs.items()}, (shown, said)
    registration = shown["Registration"]
    assert [registration["State"], registration["Operator"], registration["OperatorName"]] == [
        said["modem.3gpp.registration-state"], said["modem.3gpp.operator-code"], said["modem.3gpp.operator-name"],
    ], (registration, said)  # fmt: skip
    assert str(shown["Signal"]["Quality"]) == said["modem.generic.signal-quality.value"], (shown, said)
    assert shown["Technology"] == "LTE" and said["modem.generic.access-technologies.value[1]"] == "lte", (shown, said)
    sim = mmcli(machine, ["-i", shown["Sim"]])
    of_it = manager.get(f"{CELLULAR}/Sims/{shown['Sim']}")
    assert (of_it["IMSI"], of_it["ICCID"]) == (sim["sim.properties.imsi"], sim["sim.properties.iccid"]), (of_it, sim)
    # Addresses have it from now on, and nobody has configured that.
    bench.account("acme", "?id=[DevID]", "?home=[MCC]-[MNC]&now=[CMCC]-[CMNC]")
    asks_with(manager, "/acme?home=001-01&now=001-01")


@check
def swapped(bench):
    """another SIM card is another SIM card to the server, and in the addresses of sessions"""
    machine, manager = bench.machine, bench.manager
    device = mmcli(machine, ["-m", "0"])["modem.generic.device"]
    with subprocess.Popen(
        machine.entered("mmcli", f"--inhibit-device={device}"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as inhibits:
        # The modem is out of the slot for that.
        wait(lambda: not mmcli(machine, ["-m", "0"]))
        assert manager.get(f"{CELLULAR}/Modems/0") == 404
        (bench.folder / "sim").write_text("262020000000001 89490200001234567890")
        inhibits.terminate()
    found(bench, "1")
    shown = manager.get(f"{CELLULAR}/Modems/1")
    sim = manager.get(f"{CELLULAR}/Sims/{shown['Sim']}")
    assert (sim["IMSI"], sim["ICCID"]) == ("262020000000001", "89490200001234567890"), sim
    asks_with(manager, "/acme?home=262-02&now=001-01")
    bench.account("acme")
