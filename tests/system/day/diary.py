"""The agent's journal as a text that is the same on each day: times, numbers that vary and names made anew are words."""

import difflib
import os
import re
from pathlib import Path

EXPECTED = Path(__file__).resolve().parent / "journal.txt"
# By priority, the words of docs/journal.md: what the agent calls info is a notice to journald.
LEVELS = {"3": "error", "4": "warn", "5": "info"}
VARIES = (
    (r"omadm-agent [0-9][^,\s]*", "omadm-agent VERSION"),
    (r"\bsession [0-9a-f]{8}\b", "session ID"),
    (r"\b[0-9]+(\.[0-9]+)? (s|seconds|days)\b", r"N \2"),
    (r"[0-9]{4}-[0-9]{2}-[0-9]{2}T?[0-9:Z ]*", "TIME "),
    (r"\b[0-9]+ datagrams dropped: (not-a-push) [0-9]+", r"N datagrams dropped: \1 N"),
)
HEAD = """\
# What the agent writes on a day that has everything: `WRITE=1 tests/system/run DEB day` writes this anew.
# A line is its level, the end of its MESSAGE_ID, and what it says.
"""


class Diary:
    """The day so far: what happened, and the lines from there on."""

    def __init__(self, bench):
        self.bench, self.happened = bench, []

    def begins(self, what):
        """Something happens now."""
        self.happened.append((what, len(self.bench.journal())))

    def text(self):
        lines = self.bench.journal()
        parts = [HEAD]
        for (what, first), (_, end) in zip(self.happened, [*self.happened[1:], ("", len(lines))]):
            parts.append(f"\n== {what}\n")
            parts.extend(f"{one(line)}\n" for line in lines[first:end])
        return "".join(parts)


def one(line):
    """A line of the journal, as it is compared."""
    said = line["MESSAGE"]
    for pattern, word in VARIES:
        said = re.sub(pattern, word, said)
    level = LEVELS.get(line["PRIORITY"], line["PRIORITY"])
    return f"{level:7}{line.get('MESSAGE_ID', '')[-2:]:4}{said}".rstrip()


def compare(text):
    """Compares the day with the one that is expected, or writes it down where that is asked for."""
    if os.environ.get("WRITE"):
        EXPECTED.write_text(text)
        return
    expected = EXPECTED.read_text()
    if text != expected:
        # The differences are wanted line by line.
        lines = expected.splitlines(), text.splitlines()
        print(*difflib.unified_diff(*lines, "expected", "today", n=1, lineterm=""), sep="\n")
        raise AssertionError("the day has other lines: see above")
