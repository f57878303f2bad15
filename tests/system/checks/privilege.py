"""What root does for the agent, and what it does not."""

import hashlib
import itertools
import json

from bench import HELPER, PROBE
from checks.register import check
from machine import HERE, wait

COUNT = itertools.count()


def request(op, **changed):
    """A request to the helper about the integrator's object."""
    # The mapping, and no DDF.
    parts = [(HERE / "object/probe.toml").read_bytes(), b""]
    digest = hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).hexdigest()
    made = {"v": 1, "id": f"t-{next(COUNT)}", "server": "x", "folder": "probe", "sha256": digest, "ops": [op]}
    return made | changed


@check
def helper_writes(bench):
    """what is privileged is written, and taken back where a later value fails, as root"""
    machine, server = bench.machine, bench.server
    machine.write("/etc/probe.conf", "# mine\nlevel=1\nsecret=x\n", "0600")
    values = {"/right": {"Level": 5}, "/wrong": {"Level": 500}, "/half": {"Level": 7, "Stuck": "slow"}}
    for path, data in values.items():
        server.order(document={"MOData": data}, at=path)
    write = [["HGET", f"https://dm.example{path}", f"{PROBE}/1/"] for path in values]
    _, three = server.session([*write, ["GET", f"{PROBE}/1/Level"]])
    right, wrong, half, read = [status[0] for status in three.json["Status"]]
    assert (right, half, read) == (200, 500, 200) and wrong >= 400, three.json
    assert machine.run("cat", "/etc/probe.conf") == "# mine\nlevel=5\nsecret=x\n"
    assert machine.run("stat", "--format=%U %a", "/etc/probe.conf").strip() == "root 600"
    assert three.parts["4"][1] == b"5", three.parts
    # Nothing of what was there before is kept once the change is final: only marks that it was are.
    wait(lambda: not machine.run("find", "/var/lib/omadm-exec", "-type", "f", "!", "-name", "*.over-*", "!", "-name", "*.lock").strip())


@check
def helper_refuses(bench):
    """the helper does no more for a taken-over agent than the mappings say, and nothing for others"""
    machine = bench.machine
    machine.write("/usr/local/bin/ask", (HERE / "object/ask").read_text(), "0755")

    def ask(op, user="omadm", **changed):
        become = ["setpriv", f"--reuid={user}", "--clear-groups"]
        said = machine.run(*become, "/usr/local/bin/ask", json.dumps(request(op, **changed)), check=False)
        return json.loads(said).get("code") if said.startswith("{") else said.strip()

    level = lambda value: {"op": "set", "node": "Level", "value": value}  # noqa: E731
    assert ask(level(6)) == 200
    assert ask(level(500)) == 406
    assert ask(level("6; reboot")) == 406
    assert ask({"op": "set", "node": "Stuck", "value": "x"}) == 403
    assert ask({"op": "set", "node": "Shadow", "value": "x"}) == 404
    assert ask(level(6), sha256="00") == 409
    assert ask(level(6), folder="../../../var/lib/omadm") == 404
    assert ask(level(6), v=2) == 400
    assert "denied" in ask(level(6), user="nobody").lower()
    # What root has left to others by mistake is root's no more.
    for path in ("/etc/omadm/mo.d/probe/probe.toml", "/etc/omadm/mo.d/probe", "/etc/omadm/mo.d"):
        machine.run("chmod", "g+w", path)
        assert ask(level(4)) == 403, path
        machine.run("chmod", "g-w", path)
    machine.run("chown", "omadm", "/usr/local/lib/probe")
    assert ask({"op": "exec", "node": "Probe"}) == 403
    machine.run("chown", "root", "/usr/local/lib/probe")
    # Many at once, of which none says anything: the socket stays, and takes the next one when they are through.
    machine.run("setpriv", "--reuid=omadm", "--clear-groups", "/usr/local/bin/ask", "--silent", "40")
    wait(lambda: ask(level(3)) == 200, 30)
    assert machine.show(HELPER, "ActiveState") == "active"
    assert machine.run("cat", "/etc/probe.conf") == "# mine\nlevel=3\nsecret=x\n"
