"""A day in the life of a gateway, with the objects that ship: its checks, in the order of these lines."""

# isort: off
from gateway import morning, cellular, wan, lan, software, evening  # noqa: F401
from gateway.register import check as ALL  # noqa: F401
