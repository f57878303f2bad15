"""Radio: the gateway's own link by WLAN, changed wrongly and rightly; and what is connected to its access point."""

from bench import Checks
from machine import ip, wait
from managed import managed, well

check = Checks()
WAN, DEVICES, LINKS = "urn:x-omadm:mo:wan:1.0/1", "urn:x-omadm:mo:lan-devices:1.0/1", "urn:x-omadm:mo:links:1.0/1/Links"
INFO = "urn:oma:mo:oma-sessioninfomo:1.0/1"
APPLY, TRIAL = f"{WAN}/Operations/Apply", "urn:x-omadm:at:wan:1.0:Trial"
ENDED, COME = "urn:x-omadm:at:exec:1.0:OperationComplete", "urn:x-omadm:at:lan-devices:1.0:Come"
WIRELESS = "2"
EMPTY = {"Profile": "", "Type": "", "APN": "", "AuthName": "", "AuthSecret": "", "SSID": "", "Key": "", "Within": 180, "Confirm": "session",
         "IPv4": {"Method": "", "Address": "", "Gateway": "", "DNS": ""}}  # fmt: skip
SSID, KEY = "an air", 'a "right" \\key'
ACCESS_POINT = """interface={interface}
driver=nl80211
ssid={ssid}
hw_mode=g
channel=1
wpa=2
wpa_key_mgmt=WPA-PSK
rsn_pairwise=CCMP
wpa_passphrase={key}
"""
STATION = 'network={{\n    ssid="{ssid}"\n    psk="{key}"\n}}\n'


def options(folder):
    return ["-netdev", "hubport,id=eth1,hubid=0", "-device", "virtio-net-pci,netdev=eth1,mac=52:54:00:00:00:03"]


def change(bench, **values):
    """Writes what is to be changed, and applies it."""
    assert bench.manager.statuses(bench.manager.write(f"{WAN}/Change", EMPTY | values), ["EXEC", APPLY]) == [200, 202]


def told(bench, node, seconds):
    """The next alert of this node, or of what is below it. Who is seen over the air, such as the server, is a device that comes."""
    while True:
        alert = bench.manager.alert(seconds)
        if alert[1].startswith(node):
            return alert


def radio(bench, number, namespace):
    """Takes a radio into a namespace; NetworkManager has no more to do with it."""
    phy = bench.machine.run("cat", f"/sys/class/net/wlan{number}/phy80211/name").strip()
    bench.machine.run("iw", "phy", phy, "set", "netns", "name", namespace)


def key_of(bench):
    """The profile's, as NetworkManager has it."""
    fields = ("nmcli", "--terse", "--escape", "no", "--show-secrets", "--get-values", "802-11-wireless-security.psk")
    return bench.machine.run(*fields, "connection", "show", "air").removesuffix("\n")


@check
def set_up(bench):
    """there are radios: one for the link outside, one for the gateway's own access point, and who is at their other ends"""
    machine = bench.machine
    machine.write("/etc/NetworkManager/conf.d/own.conf", "[keyfile]\nunmanaged-devices=interface-name:wlan2\n")
    machine.run("systemctl", "reload", "NetworkManager")
    machine.run("modprobe", "mac80211_hwsim", "radios=4")
    wait(lambda: "wlan3" in machine.run("ls", "/sys/class/net"))
    machine.run("sh", "-euc", "ip netns add air; ip netns add tablet; ip link set eth1 netns air")
    radio(bench, 1, "air")
    radio(bench, 3, "tablet")
    managed(bench)
    # The access point outside is a bridge to the server.
    machine.write("/etc/hostapd/air.conf", ACCESS_POINT.format(interface="wlan1", ssid=SSID, key=KEY) + "bridge=br0\n")
    machine.run("sh", "-euc", """
        ip -n air link add br0 type bridge
        ip -n air link set eth1 master br0
        ip -n air link set eth1 up
        ip -n air link set br0 up
        systemd-run --quiet --unit=air ip netns exec air hostapd /etc/hostapd/air.conf""")  # fmt: skip
    ip("-n", machine.network.world, "address", "add", "198.51.100.1/24", "dev", "wan")
    assert bench.manager.get(f"{LINKS}/wlan0/Type") == "wlan"


@check
def wrong_key(bench):
    """a profile that is made with a wrong key does not come up: it is gone again, and that is told"""
    machine = bench.machine
    change(bench, Profile="air", Type="wifi", SSID=SSID, Key="a wrong key",
        IPv4={"Method": "manual", "Address": "198.51.100.2/24", "Gateway": "", "DNS": ""})  # fmt: skip
    assert told(bench, WAN, 150) == (ENDED, APPLY, 1002)
    assert "air" not in machine.run("nmcli", "--terse", "--fields", "NAME", "connection").split()
    assert not machine.run("ls", "/var/lib/omadm-wan")
    # The agent's own store has what the server has written last.
    left = machine.run("grep", "-l", "a wrong key", "-r", "/etc", "/run", "/var/lib", "/var/log", check=False).split()
    assert set(left) <= {"/var/lib/omadm/store.redb"}, left


@check
def right_key(bench):
    """with the right key it comes up, is told of over that link, and kept by that session"""
    machine, manager = bench.machine, bench.manager
    # The server is at the other end of it.
    machine.write("/etc/hosts", "127.0.0.1 localhost\n198.51.100.1 dm.example\n")
    change(bench, Profile="air", Type="wifi", SSID=SSID, Key=KEY,
        IPv4={"Method": "manual", "Address": "198.51.100.2/24", "Gateway": "", "DNS": ""})  # fmt: skip
    kind, source, _ = told(bench, WAN, 150)
    assert (kind, source) == (TRIAL, f"{WAN}/State"), kind
    assert told(bench, WAN, 60) == (ENDED, APPLY, 200)
    manager.address = "198.51.100.2"
    assert manager.get(f"{INFO}/CBT") == WIRELESS
    assert manager.packages[-1].connection[0].endswith("198.51.100.2"), manager.packages[-1].connection
    profiles = {profile["Name"]: profile for profile in manager.get(f"{WAN}/Profiles").values()}
    air = profiles["air"]
    assert (air["Type"], air["State"], air["Interface"], air["SSID"]) == ("wifi", "activated", "wlan0", SSID), air
    assert key_of(bench) == KEY
    link = manager.get(f"{LINKS}/wlan0")
    assert (link["Type"], link["Carrier"], link["Profile"], link["Manager"]) == ("wlan", True, "air", "NetworkManager"), link


@check
def changed_wrongly(bench):
    """another key, with which it does not come up, is taken back, and the link is up again with the one before"""
    machine, manager = bench.machine, bench.manager
    change(bench, Profile="air", Key="another wrong key")
    assert told(bench, WAN, 200) == (ENDED, APPLY, 1002)
    assert key_of(bench) == KEY
    assert manager.get(f"{INFO}/CBT") == WIRELESS
    assert not machine.run("ls", "/var/lib/omadm-wan")
    well(bench)


@check
def station(bench):
    """who is connected to the gateway's own access point is told of, and shown with its signal"""
    machine, manager = bench.machine, bench.manager
    manager.get(f"{DEVICES}/Devices")
    machine.write("/etc/hostapd/own.conf", ACCESS_POINT.format(interface="wlan2", ssid="own", key="a key of ours"))
    machine.write("/etc/tablet.conf", STATION.format(ssid="own", key="a key of ours"))
    machine.run("sh", "-euc", """
        ip address add 203.0.113.1/24 dev wlan2
        systemd-run --quiet --unit=own hostapd /etc/hostapd/own.conf
        ip -n tablet link set wlan3 up
        ip -n tablet address add 203.0.113.2/24 dev wlan3
        systemd-run --quiet --unit=tablet ip netns exec tablet wpa_supplicant -i wlan3 -c /etc/tablet.conf""")  # fmt: skip
    mac = machine.run("ip", "netns", "exec", "tablet", "cat", "/sys/class/net/wlan3/address").strip()
    wait(lambda: mac in machine.run("iw", "dev", "wlan2", "station", "dump"), 60)
    wait(lambda: "1 received" in machine.run("ping", "-c", "1", "203.0.113.2", check=False))
    node = f"{DEVICES}/Devices/{mac.replace(':', '%3A')}"
    assert (said := told(bench, node, 90))[0] == COME, said
    shown = manager.get(node)
    expected = {"MAC": mac, "IPv4": "203.0.113.2", "Interface": "wlan2", "Port": "wlan2", "Reachable": True, "Signal": -30}
    assert {key: shown.get(key) for key in expected} == expected, shown
    machine.run("systemctl", "stop", "tablet")
    wait(lambda: mac not in machine.run("iw", "dev", "wlan2", "station", "dump"), 60)
    wait(lambda: "Signal" not in manager.get(node))
    well(bench)
