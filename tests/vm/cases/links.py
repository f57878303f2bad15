"""Links of every kind, by the kernel that makes them: what they are, and what carries them."""

from bench import Checks
from machine import ip, wait
from managed import managed, well

check = Checks()
INFO = "urn:oma:mo:oma-sessioninfomo:1.0/1"
LINKS = "urn:x-omadm:mo:links:1.0/1/Links"
DEVICES = "urn:x-omadm:mo:lan-devices:1.0/1"
WIRELINE = 3
# A namespace of the machine's own, behind another network card: the other end of tunnels, and the way to the server.
PEER = """
    ip netns add peer
    ip link set eth1 netns peer
    ip -n peer link set lo up
    ip -n peer address add 192.0.2.3/24 dev eth1
    ip -n peer link set eth1 up
    ip netns exec peer sysctl -q net.ipv4.ip_forward=1
"""
# Of each kind, how both ends are made: the peer's is called `far`.
CARRYING = {
    "vlan": "ip link add link eth0 name LINK type vlan id 7; ip -n peer link add link eth1 name far type vlan id 7",
    "bridge": """ip link add link eth0 name port type vlan id 8; ip link add LINK type bridge; ip link set port master LINK
        ip link set port up; ip -n peer link add link eth1 name far type vlan id 8""",
    "bond": """ip link add link eth0 name port type vlan id 9; ip link add LINK type bond mode active-backup
        ip link set port master LINK; ip link set port up; ip -n peer link add link eth1 name far type vlan id 9""",
    "macvlan": "ip link add LINK link eth0 type macvlan mode bridge; ip -n peer link add far link eth1 type macvlan mode bridge",
    "gre": """ip link add LINK type gre local 192.0.2.2 remote 192.0.2.3
        ip -n peer link add far type gre local 192.0.2.3 remote 192.0.2.2""",
    "ipip": """ip link add LINK type ipip local 192.0.2.2 remote 192.0.2.3
        ip -n peer link add far type ipip local 192.0.2.3 remote 192.0.2.2""",
    "vxlan": """ip link add LINK type vxlan id 9 local 192.0.2.2 remote 192.0.2.3 dstport 4789
        ip -n peer link add far type vxlan id 9 local 192.0.2.3 remote 192.0.2.2 dstport 4789""",
    "wireguard": """umask 077; for end in here there; do wg genkey >/run/wg.$end; wg pubkey </run/wg.$end >/run/wg.$end.pub; done
        ip link add LINK type wireguard; ip -n peer link add far type wireguard
        wg set LINK private-key /run/wg.here peer "$(cat /run/wg.there.pub)" allowed-ips 0.0.0.0/0 endpoint 192.0.2.3:5182
        ip netns exec peer wg set far listen-port 5182 private-key /run/wg.there peer "$(cat /run/wg.here.pub)" allowed-ips 0.0.0.0/0""",
}  # fmt: skip


def options(folder):
    return ["-netdev", "hubport,id=eth1,hubid=0", "-device", "virtio-net-pci,netdev=eth1,mac=52:54:00:00:00:03"]


def named(bench, *fields):
    """Of each link, these leaves."""
    # Where all is emulated, a look at them all may take longer than it may.
    shown = wait(lambda: isinstance(said := bench.manager.get(LINKS), dict) and said)
    return {name: tuple(link.get(field) for field in fields) for name, link in shown.items()}


@check
def set_up(bench):
    """the package installs, and the link that is there is shown"""
    managed(bench)
    assert named(bench, "Type", "State")["eth0"] == ("ethernet", "up")


@check
def kinds(bench):
    """a link of each kind is called what it is, with what is above and below it"""
    machine = bench.machine
    machine.run("sh", "-euc", """
        sysctl -q net.core.fb_tunnels_only_for_init_net=2
        ip link add dummy0 type dummy
        ip link add dummy1 type dummy
        ip link add link eth0 name vlan7 type vlan id 6
        ip link add br0 type bridge
        ip link set dummy0 master br0
        ip link add bond0 type bond
        ip link set dummy1 master bond0
        ip link add mac0 link eth0 type macvlan
        ip link add gre1 type gre remote 192.0.2.1 local 192.0.2.2
        ip link add gre2 type gretap remote 192.0.2.1 local 192.0.2.2 key 2
        ip link add sit1 type sit remote 192.0.2.1 local 192.0.2.2
        ip link add vti1 type vti remote 192.0.2.1 local 192.0.2.2 key 3
        ip link add ip6 type ip6tnl remote 2001:db8::1 local 2001:db8::2
        ip link add vx0 type vxlan id 9 dev eth0 dstport 4789
        ip link add wg0 type wireguard
        ip link add vrf0 type vrf table 10
        ip link add here type veth peer there
        ip tuntap add tun0 mode tun
        ip tuntap add tap0 mode tap""")  # fmt: skip
    shown = named(bench, "Type", "Above", "Below")
    expected = {
        "eth0": ("ethernet", "mac0 vlan7 vx0", None), "vlan7": ("vlan", None, "eth0"), "br0": ("bridge", None, "dummy0"),
        "dummy0": ("ethernet", "br0", None), "bond0": ("bond", None, "dummy1"), "mac0": ("ethernet", None, "eth0"),
        "gre1": ("tunnel", None, None), "gre2": ("ethernet", None, None), "sit1": ("tunnel", None, None),
        "vti1": ("tunnel", None, None), "ip6": ("tunnel", None, None), "wg0": ("wireguard", None, None),
        "vrf0": ("ethernet", None, None), "here": ("ethernet", None, None), "tun0": ("tunnel", None, None),
        "tap0": ("tunnel", None, None), "lo": ("loopback", None, None), "vx0": ("vxlan", None, "eth0"),
    }  # fmt: skip
    machine.run("sh", "-c", f"for link in {' '.join({*expected, 'dummy1'} - {'eth0', 'lo'})}; do ip link delete $link; done", check=False)
    got = {name: shown.get(name) for name in expected}
    wrong = {name: (got[name], expected[name]) for name in expected if got[name] != expected[name]}
    assert not wrong, wrong


def over(bench, link):
    """What a session over this link says of it: the type of what carries it, and where it comes from."""
    bench.machine.run("sh", "-euc", f"""
        ip -n peer address add 198.51.100.1/24 dev far
        ip -n peer link set far up
        ip address add 198.51.100.2/24 dev {link}
        ip link set {link} up
        ip route add 192.0.2.1 via 198.51.100.1 dev {link}""")  # fmt: skip
    ip("-n", bench.machine.network.world, "route", "replace", "198.51.100.0/24", "via", "192.0.2.3")
    wait(lambda: "1 received" in bench.machine.run("ping", "-c", "1", "192.0.2.1", check=False))
    said = bench.manager.get(f"{INFO}/CBT")
    return said, bench.manager.packages[-1].connection[0].removeprefix("::ffff:")


@check
def carried(bench):
    """a session over a link knows what carries it in the end"""
    machine = bench.machine
    machine.run("sh", "-euc", PEER)
    wrong = {}
    for kind, made in CARRYING.items():
        link = f"{kind[:6]}-7"
        machine.run("sh", "-euc", made.replace("LINK", link))
        said = over(bench, link)
        if said != (str(WIRELINE), "198.51.100.2"):
            wrong[kind] = said
        machine.run("sh", "-c", f"ip link delete {link}; ip link delete port; ip -n peer link delete far", check=False)
    assert not wrong, wrong


@check
def ppp(bench):
    """a ppp link is one, and a session goes over it; nobody has said that it is mobile"""
    machine = bench.machine
    options = "nodetach noauth nodeflate nobsdcomp local"
    machine.run("systemd-run", "--collect", "--unit=ppp", "pppd", *options.split(), "198.51.100.2:198.51.100.1", "pty",
        f"ip netns exec peer pppd {options} notty ifname far 198.51.100.1:198.51.100.2")  # fmt: skip
    wait(lambda: "1 received" in machine.run("ping", "-c", "1", "198.51.100.1", check=False), 40)
    machine.run("ip", "route", "add", "192.0.2.1", "dev", "ppp0")
    ip("-n", machine.network.world, "route", "replace", "198.51.100.0/24", "via", "192.0.2.3")
    assert bench.manager.get(f"{INFO}/CBT") == "0"
    assert bench.manager.packages[-1].connection[0].endswith("198.51.100.2")
    shown = bench.manager.get(f"{LINKS}/ppp0")
    assert (shown["Type"], shown["Carrier"]) == ("ppp", True), shown
    machine.run("systemctl", "stop", "ppp")
    wait(lambda: bench.manager.get(f"{LINKS}/ppp0") == 404)
    well(bench)
