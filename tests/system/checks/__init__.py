"""The life of one machine with the package: its checks, in the order of these lines."""

# isort: off
from checks import installing, sessions, privilege, helper, bus, by_hand, links, files, faults, leaving  # noqa: F401
from checks.register import check as ALL  # noqa: F401
