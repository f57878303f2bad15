"""A gateway with systemd-networkd and no NetworkManager: its link's settings, changed on trial."""

from networkd.life import ALL  # noqa: F401
