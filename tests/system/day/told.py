"""What the journal says of the day."""

from day import diary
from day.register import check


@check
def found_by_server(bench):
    """whatever begins with a server's name is found by the field of that server"""
    for line in bench.journal():
        about = line["MESSAGE"].startswith("acme: ")
        assert not about or line.get("OMADM_SERVER_ID") == "acme", line["MESSAGE"]


@check
def journal(bench):
    """the journal of the day is the one that is written down, message by message and level by level"""
    diary.compare(bench.diary.text())
