"""A day in the life of a gateway, with the objects that ship: its checks, in the order of these lines."""

# isort: off
from machine import tree
from gateway import morning, cellular, wan, lan, software  # noqa: F401

# RAUC reads no bundle without squashfs-tools.
if (tree() / "usr/bin/unsquashfs").exists():
    from gateway import firmware  # noqa: F401
else:
    print("skip  firmware: the Debian tree has no unsquashfs", flush=True)

from gateway import evening  # noqa: F401
from gateway.register import check as ALL  # noqa: F401
