"""Where the events of the day are written down, in the order they happen."""

from bench import Checks

check = Checks()
