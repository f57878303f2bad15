"""The life of a machine through versions of the package: policy-rc.d, upgrades with all that an agent knows, the way back."""

import shutil
from pathlib import Path

import packages
from upgrade.life import ALL  # noqa: F401


def bring(deb, folder):
    """The package, and one of an older version."""
    made = Path(folder) / "packages"
    made.mkdir()
    shutil.copy(deb, made / "newer.deb")
    packages.older(deb, folder).rename(made / "older.deb")
    return f"{made}:{packages.AT}"
