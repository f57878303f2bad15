"""Where the checks of this life are written down, in the order they run: most of them are set-ups that are broken."""

import json

from bench import Checks
from machine import wait

START, STATUS = ("session", "start", "acme"), ("status",)

check = Checks()


def asked(bench, *command):
    """What the operator is told, in one line, after the exit status."""
    said = bench.machine.run("sh", "-c", 'omadmctl "$@" 2>&1; echo "$?"', "sh", *command)
    *words, status = said.split()
    return [int(status), " ".join(words)]


def for_programs(bench):
    """The status as programs get it: the exit status, and a JSON text."""
    said = bench.machine.run("sh", "-c", 'omadmctl --json status 2>/dev/null; echo "$?"')
    text, code = said.rstrip().rsplit("\n", 1)
    return int(code), json.loads(text)


def setup(start, status=None):
    """Takes a set-up that is broken until its `yield`, and repaired after it. Of both commands, the exit status and what
    they must say; the status repeats what `start` has said of a session, if nothing else is expected."""
    if status is None:
        status = [0, *start[1:]]

    def take(play):
        def run(bench):
            playing = play(bench)
            next(playing)
            try:
                told = [(asked(bench, *START), start), (asked(bench, *STATUS), status)]
                code, shown = for_programs(bench)
            finally:
                next(playing, None)
            assert code == status[0] and ("error" in shown) == (code != 0), shown
            for (code, said), (expected, *parts) in told:
                assert code == expected and all(part in said for part in parts), f"{code}: {said}"
            wait(lambda: asked(bench, *START)[0] == 0, 10)
            bench.idle()

        run.__doc__ = play.__doc__
        check(run)

    return take
