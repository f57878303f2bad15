"""Where the checks of this life are written down, in the order they run."""

from bench import Checks

check = Checks()
