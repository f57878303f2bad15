"""Packages made of the one that is tested: an older one, with other settings by default, to upgrade from and go back to."""

import os
import subprocess
from pathlib import Path

from machine import HERE

# Where they are on the machine.
AT = "/root/packages"
OLD = "0.0.9-1"
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


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
