"""The link's settings, changed wrongly and rightly."""

import subprocess
import threading
import time

from gateway.register import check
from machine import wait
from trials import APPLY, ENDED, TRIAL, WAN, change, goes_to, held, kept


def profile(bench, name, *fields):
    """What nmcli says of a profile, secrets too."""
    said = bench.machine.run(
        "nmcli", "--terse", "--escape", "no", "--show-secrets", "--get-values", ",".join(fields), "connection", "show", name, check=False
    )
    return said.splitlines()


@check
def profiles(bench):
    """the profiles are those of nmcli"""
    machine, manager = bench.machine, bench.manager
    machine.run("nmcli", "connection", "add", "type", "gsm", "con-name", "mobile", "ifname", "*", "apn", "internet",
        "connection.autoconnect", "no", "gsm.password", "old")  # fmt: skip
    shown = manager.get(f"{WAN}/Profiles")
    listed = dict(line.split(":")[::-1] for line in machine.run("nmcli", "--terse", "--fields", "NAME,UUID", "connection").splitlines())
    names = {uuid: of["Name"] for uuid, of in shown.items()}
    assert names == {uuid: name for uuid, name in listed.items() if name != "lo"}, (names, listed)
    by_name = {of["Name"]: of for of in shown.values()}
    assert (by_name["mobile"]["APN"], by_name["mobile"]["Type"]) == ("internet", "gsm"), by_name
    assert (by_name["uplink"]["State"], by_name["uplink"]["IPv4"]["Address"]) == ("activated", "192.0.2.2/24"), by_name


@check
def wrong_apn(bench):
    """an APN with which the link does not come up is taken back and told; its password is in no command line"""
    machine, manager, seen = bench.machine, bench.manager, []
    # Until there is the file.
    watch = "while [ ! -e /run/over ]; do cat /proc/[0-9]*/cmdline; done 2>/dev/null"
    with subprocess.Popen(machine.entered("sh", "-c", watch), stdout=subprocess.PIPE) as watcher:
        reader = threading.Thread(target=lambda: seen.extend(watcher.stdout.read().split(b"\0")))
        reader.start()
        try:
            change(bench, Profile="mobile", APN="intrenet", AuthName="me", AuthSecret='so "secret\\')
            assert manager.alert(150) == (ENDED, APPLY, 1002)
        finally:
            machine.write("/run/over", "")
            reader.join()
    assert any(b"exec/wan" in argument for argument in seen) and not any(b'so "secret' in argument for argument in seen)
    assert profile(bench, "mobile", "gsm.apn", "gsm.username", "gsm.password") == ["internet", "", "old"]
    assert not machine.run("ls", "/var/lib/omadm-wan")
    assert held(bench) == ["192.0.2.2/24"]
    machine.run("journalctl", "--sync")
    said = machine.run("journalctl", "--output=cat", "--identifier=omadm-exec")
    assert "the link does not come up: back to what was there before" in said, said


@check
def wrong_address(bench):
    """an address with which no server is reached is taken back when its time is over, and told then"""
    machine, manager = bench.machine, bench.manager
    change(bench, Profile="uplink", IPv4={"Method": "manual", "Address": "203.0.113.9/24", "Gateway": "203.0.113.1", "DNS": ""}, Within=30)
    wait(lambda: held(bench) == ["203.0.113.9/24"])
    manager.collect()
    before = len(manager.packages)
    wait(lambda: held(bench) == ["192.0.2.2/24"], 60)
    # The trial is told of as well, once somebody is reached: by then it is over.
    told = [manager.alert(150), manager.alert(60)]
    assert sorted(alert[0] for alert in told) == sorted([ENDED, TRIAL]), told
    assert (ENDED, APPLY, 1003) in told, told
    assert len(manager.packages) > before
    assert profile(bench, "uplink", "ipv4.addresses", "ipv4.gateway") == ["192.0.2.2/24", "192.0.2.1"]
    assert not machine.run("ls", "/var/lib/omadm-wan")


def is_kept(bench, address):
    kept(bench, address)
    assert profile(bench, "uplink", "ipv4.addresses") == [f"{address}/24"]


@check
def right_address(bench):
    """an address with which the server is reached is told of from there, and kept by that session"""
    goes_to(bench, "uplink", "192.0.2.22", "session")
    is_kept(bench, "192.0.2.22")
    # Who does not know that yet confirms it all the same.
    assert bench.manager.statuses(["EXEC", f"{WAN}/Operations/Confirm"]) == [200]


@check
def confirmed_address(bench):
    """where the server wants to say so itself, no session keeps an address, and its Confirm does"""
    manager = bench.manager
    goes_to(bench, "uplink", "192.0.2.23", "server")
    time.sleep(20)
    assert manager.get(f"{WAN}/State") == "trial"
    assert manager.statuses(["EXEC", f"{WAN}/Operations/Confirm"]) == [200]
    is_kept(bench, "192.0.2.23")
