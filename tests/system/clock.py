"""The agent's clock, which can be wrong while this machine's is right."""

import base64
import subprocess

from machine import HERE

BEHIND = "/run/clock-is-behind"


def install(bench):
    """Gives the agent a clock of its own, from its next start on: it is right until it is set otherwise."""
    made = bench.folder / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", made, HERE / "clock.c"], check=True)
    encoded = base64.b64encode(made.read_bytes()).decode()
    bench.machine.run("sh", "-c", "base64 -d >/usr/local/lib/clock.so", stdin=encoded)
    preload = "[Service]\nEnvironment=LD_PRELOAD=/usr/local/lib/clock.so\n"
    bench.machine.write("/etc/systemd/system/omadmd.service.d/clock.conf", preload)
    bench.machine.run("systemctl", "daemon-reload")


def put(bench, seconds):
    """Puts it so many seconds behind this machine's. The kernel does not tell the agent."""
    bench.machine.write(BEHIND, str(seconds))


def right(bench):
    """Puts it right."""
    bench.machine.run("rm", BEHIND)
