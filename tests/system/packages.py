"""Packages made of the one that is tested: 0.1.0, with other settings by default, to upgrade from and go back to. Its program
is the tested one: what the earlier one left behind are the fixtures."""

import base64
import os
import subprocess
from pathlib import Path

from machine import HERE

# Where they are on the machine.
AT = "/root/packages"
OLD = "0.1.0-1"
SETTINGS = "etc/omadm/omadmd.toml"
# What the older one's settings begin with.
OF_OLD = "# As the older version had it.\n"


def older(deb, folder):
    """The package as an older version: the same program, other settings. Where it is."""
    tree = Path(folder) / "tree"
    run("dpkg-deb", "--raw-extract", deb, tree)
    control = tree / "DEBIAN/control"
    lines = [f"Version: {OLD}" if line.startswith("Version:") else line for line in control.read_text().splitlines()]
    control.write_text("\n".join(lines) + "\n")
    settings = tree / SETTINGS
    settings.write_text(OF_OLD + settings.read_text())
    made = Path(folder) / "older.deb"
    run("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, made)
    return made


def rpm(deb, made):
    """The rpm of a deb, as `make rpm` makes it."""
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1700000000"}
    run(HERE.parent.parent / "packaging/rpm/build", deb, made, env=environment)


def stored(machine, name):
    """Has the agent, which does not run, the store of this fixture. Where the others of the folder are, too."""
    packed = base64.b64encode((HERE.parent / "fixtures" / f"{name}.redb.gz").read_bytes()).decode()
    script = 'cd /var/lib/omadm && base64 -d | gunzip >store.redb && chown omadm:omadm store.redb && chmod 600 store.redb'
    machine.run("sh", "-euc", script, stdin=packed)


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
