"""The power fails, at any moment: what was acknowledged is there, and what was begun is told of."""

import os
import random
import time

from bench import SET_ASIDE, Checks
from machine import wait
from managed import managed, well
from qemu import HERE

check = Checks()
KEPT, ENDED = "urn:x-omadm:mo:kept:1.0/1", "urn:x-omadm:at:exec:1.0:OperationComplete"
TIMES = int(os.environ.get("CUTS", "4"))


@check
def set_up(bench):
    """the package installs, with an object of which the agent keeps values"""
    machine = bench.machine
    machine.write("/etc/omadm/mo.d/kept/kept.toml", (HERE / "object/kept.toml").read_text())
    machine.write("/usr/local/lib/kept", (HERE / "object/kept").read_text(), "0755")
    managed(bench)
    machine.run("sync")


@check
def cuts(bench):
    """whenever the power fails, the agent is up again, what it has acknowledged is there, and the end of each EXEC is told"""
    machine, manager = bench.machine, bench.manager
    seed = int(os.environ.get("SEED", time.time()))
    moment, value, begun, ended = random.Random(seed), 0, 0, 0
    for cut in range(TIMES):
        end = time.monotonic() + moment.uniform(1, 20)
        acknowledged = value
        sent = value
        while time.monotonic() < end:
            # Notified, and answered when the agent asks: as the power fails, one of them is under way.
            sent += 1
            commands = [manager.write(f"{KEPT}/Value", sent), manager.write(f"{KEPT}/Folder", {"One": str(sent), "Two": str(sent)})]
            if sent % 3 == 0:
                commands.append(["EXEC", f"{KEPT}/Work"])
            try:
                statuses = manager.statuses(*commands)
            except AssertionError as error:
                raise AssertionError(f"cut {cut} of seed {seed}: {error}") from None
            assert statuses[:2] == [200, 200] and set(statuses[2:]) <= {202, 503}, statuses
            begun += statuses[2:].count(202)
            acknowledged = sent
        sent += 1
        bench.server.order(session=[[manager.write(f"{KEPT}/Value", sent), manager.write(f"{KEPT}/Folder", {"One": str(sent), "Two": str(sent)})]])
        bench.server.notify()
        time.sleep(moment.uniform(0, 1.5))
        machine.cut()
        machine.boot()
        what = f"cut {cut} of seed {seed}"
        well(bench)
        assert not bench.journal(MESSAGE_ID=SET_ASIDE), what
        value = int(manager.get(f"{KEPT}/Value"))
        folder = manager.get(f"{KEPT}/Folder")
        assert value in (acknowledged, sent), f"{what}: {value} is there, {acknowledged} was acknowledged"
        # All of it, or nothing.
        assert len({str(one) for one in folder.values()}) == 1 and int(folder["One"]) in (acknowledged, sent), f"{what}: {folder}"
        value = sent

        def told():
            return [alert for alert in manager.alerts() if alert["SourceURI"] == f"{KEPT}/Work"]

        wait(lambda: len(told()) >= begun, 60)
        ended = len(told())
    # An alert whose answer the power has cut off is sent once more.
    assert begun <= ended <= begun + TIMES, (begun, ended)
