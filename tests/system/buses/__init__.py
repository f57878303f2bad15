"""A machine with dbus-broker, and then with dbus-daemon: the agent on either, and on one that is restarted."""

# isort: off
from buses import asking  # noqa: F401
from buses.register import check as ALL  # noqa: F401
