"""A machine whose set-up is broken, each time in another way: what its operator is told."""

# isort: off
from broken import setups  # noqa: F401
from broken.register import check as ALL  # noqa: F401
