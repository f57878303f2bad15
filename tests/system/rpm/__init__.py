"""The life of a machine with the rpm. It is Debian still, and no dependency is looked for; scriptlets are run by a real rpm."""

from pathlib import Path

import packages
from rpm.life import ALL  # noqa: F401


def bring(deb, folder):
    """The rpm of the package, and that of an older version."""
    made = Path(folder) / "packages"
    made.mkdir()
    packages.rpm(deb, made / "newer.rpm")
    packages.rpm(packages.older(deb, folder), made / "older.rpm")
    return f"{made}:{packages.AT}"
