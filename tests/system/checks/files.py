"""Files that change under the running agent."""

import notification
from bench import BROKEN, SERVICE, SETTINGS
from checks.register import check
from machine import wait
from server import SECRET


@check
def second_account(bench):
    """a broken account stays as it was, and the journal says why; others are taken"""
    bench.account("acme", "name =", "nmae =")
    bench.account("beta")
    wait(lambda: bench.machine.show(SERVICE, "StatusText").startswith("2 accounts"))
    said = bench.journal(MESSAGE_ID=BROKEN)
    assert any("acme.toml:3" in line["MESSAGE"] and "nmae" in line["MESSAGE"] for line in said), said
    one, *_ = bench.server.session()
    assert one.path.startswith("/acme"), one.path
    bench.account("acme")


@check
def reloads(bench):
    """a reload takes omadmd.toml, or says what is wrong with it and goes on"""
    machine, server = bench.machine, bench.server
    shipped = machine.run("cat", SETTINGS)
    machine.write(SETTINGS, "[notification]\naccept-bare = true\n")
    bench.reload()
    server.send(notification.package("beta", 50_000, SECRET))
    server.package()
    machine.write(SETTINGS, "[notification]\naccept-bare = yes\n")
    bench.reload(fails=True)
    assert any("omadmd.toml:2" in line["MESSAGE"] for line in bench.journal(MESSAGE_ID=BROKEN))
    server.send(notification.package("beta", 50_001, SECRET))
    server.package()
    machine.write(SETTINGS, shipped)
    bench.reload()
    bench.idle()
