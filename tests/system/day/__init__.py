"""The day of one gateway: what happens to it, in this order, and at its end what its journal says of it."""

# isort: off
from day import events, told  # noqa: F401
from day.register import check as ALL  # noqa: F401
