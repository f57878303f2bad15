"""Boots a machine with a systemd of its own, and joins it to another network namespace: no part of it is this
machine's service manager or network."""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENVIRONMENT = ["/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"]

# What a machine keeps from one boot to the next: what it writes, over the tree, in memory. The network's interfaces in
# /sys, and cgroup v2, are mounted where only the container sees them: this machine may have another layout, or no systemd.
# It ends with its standard input.
HOLD = r"""
nsenter --net="/run/netns/$3" mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs "$2"
mkdir "$2/upper" "$2/work" "$2/root"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
echo ready
exec cat
"""
BOOT = r"""
mkdir -p "/sys/fs/cgroup/$1"
echo $$ >"/sys/fs/cgroup/$1/cgroup.procs"
exec nsenter --net="/run/netns/$3" systemd-nspawn --quiet --keep-unit --register=no --boot --directory="$2/root" --machine="$1" \
  --network-namespace-path="/run/netns/$3" --bind-ro="$4" --console=passive --link-journal=no \
  --resolv-conf=off --timezone=off --capability=CAP_NET_ADMIN
"""
FORGET = """
[ ! -d "/sys/fs/cgroup/$1" ] || find "/sys/fs/cgroup/$1" -depth -type d -exec rmdir {} ';'
"""
# How systemd-nspawn --keep-unit ends where the container has asked for a reboot.
REBOOTS = 133


# How many times longer than on a container everything may take.
PATIENCE = 1


def wait(what, seconds=20, every=0.1):
    """What `what()` answers once it is true in the sense of Python."""
    end = time.monotonic() + seconds * PATIENCE
    while not (answer := what()):
        assert time.monotonic() < end, f"still not so after {seconds} s"
        time.sleep(every)
    return answer


def tree():
    """The Debian tree that machines boot from: made once, as long as its recipe stays the same."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "omadm-agent"
    cache.mkdir(parents=True, exist_ok=True)
    recipe = HERE / "mkroot"
    root = cache / f"root-{hashlib.sha256(recipe.read_bytes()).hexdigest()[:16]}"
    with open(cache / "root.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            print(f"making {root}, once: about a minute", flush=True)
            for old in cache.glob("root-*"):
                shutil.rmtree(old)
            with tempfile.TemporaryDirectory(dir=cache) as work:
                subprocess.run([recipe, f"{work}/root"], check=True, stdin=subprocess.DEVNULL)
                os.rename(f"{work}/root", root)
    return root


class Network:
    """Two network namespaces and a cable between them: the machine's, and the rest of the world's."""

    def __init__(self, name):
        self.machine, self.world = f"{name}-machine", f"{name}-world"

    def __enter__(self):
        try:
            self.make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def make(self):
        for namespace in (self.machine, self.world):
            ip("netns", "add", namespace)
            ip("-n", namespace, "link", "set", "lo", "up")
        ip("-n", self.world, "link", "add", "wan", "type", "veth", "peer", "eth0", "netns", self.machine)
        for namespace, interface, host in ((self.world, "wan", 1), (self.machine, "eth0", 2)):
            ip("-n", namespace, "address", "add", f"192.0.2.{host}/24", "dev", interface)
            ip("-n", namespace, "address", "add", f"2001:db8::{host}/64", "dev", interface, "nodad")
            ip("-n", namespace, "link", "set", interface, "up")

    def __exit__(self, *_):
        for namespace in (self.machine, self.world):
            ip("netns", "delete", namespace, check=False)


def ip(*arguments, check=True):
    subprocess.run(["ip", *arguments], check=check, stderr=None if check else subprocess.DEVNULL)


class Machine:
    """A booted container, with one file or folder of this machine: `bind` is `outside:inside`. What it has written is
    still there when it boots again, until the end."""

    def __init__(self, name, network, bind):
        self.name, self.network, self.bind = name, network, bind
        self.nspawn, self.said = None, tempfile.TemporaryFile("w+")
        self.folder, self.holder = tempfile.TemporaryDirectory(), None

    def __enter__(self):
        try:
            self.holder = subprocess.Popen(
                ["unshare", "--mount", "--propagation=private", "bash", "-euc", HOLD, "hold", tree(), self.folder.name,
                 self.network.machine],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert self.holder.stdout.readline() == "ready\n"
            self.boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def held(self, script, *arguments):
        """The command that runs a script where the machine's files and cgroups are mounted."""
        return ["nsenter", f"--target={self.holder.pid}", "--mount", "bash", "-euc", script, "held", self.name, *arguments]

    def boot(self):
        """Boots it, and waits until it is up."""
        self.nspawn = subprocess.Popen(
            self.held(BOOT, self.folder.name, self.network.machine, self.bind),
            stdin=subprocess.DEVNULL, stdout=self.said, stderr=self.said, start_new_session=True,
        )  # fmt: skip
        wait(self.is_up, 60)

    def forget(self):
        """Puts away what the last boot has left of cgroups."""
        subprocess.run(self.held(FORGET), check=False)

    def cut(self):
        """The power fails: nothing is told, nothing is stopped."""
        os.kill(self.leader(), signal.SIGKILL)
        self.nspawn.wait(20)
        self.forget()

    def reboots(self, seconds=60):
        """Waits until it goes down by itself to boot again, and boots it."""
        assert self.nspawn.wait(seconds) == REBOOTS, "it did not ask for a reboot"
        self.forget()
        self.boot()

    def is_up(self):
        if self.nspawn.poll() is not None:
            self.said.seek(0)
            raise RuntimeError(f"the machine did not boot: {self.said.read()}")
        state = self.run("systemctl", "is-system-running", "--wait", check=False)
        return state.strip() in ("running", "degraded")

    def __exit__(self, *_):
        if self.nspawn:
            if leader := self.leader():
                # SIGRTMIN+4 asks systemd to power off.
                os.kill(leader, signal.SIGRTMIN + 4)
            try:
                self.nspawn.wait(20)
            except subprocess.TimeoutExpired:
                self.nspawn.kill()
                self.nspawn.wait()
            self.forget()
        if self.holder:
            self.holder.stdin.close()
            self.holder.wait()
        self.folder.cleanup()

    def leader(self):
        """The container's PID 1, as this machine counts."""
        children = Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children")
        return int(children.read_text().split()[0]) if self.nspawn.poll() is None and children.read_text() else None

    def entered(self, *command):
        """The command that runs one inside, as root."""
        namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wdns=/"]
        return ["nsenter", f"--target={self.leader()}", *namespaces, *ENVIRONMENT, *command]

    def run(self, *command, check=True, stdin="", both=False):
        """Runs a command inside, as root; its output, and what it complains of where `both` are wanted."""
        if not self.leader():
            return ""
        done = subprocess.run(
            self.entered(*command), input=stdin, capture_output=True, text=True, check=False, timeout=120
        )
        assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}".strip()
        return done.stdout + done.stderr if both else done.stdout

    def write(self, path, text, mode="0644", owner="root:root"):
        """Writes a file inside; readers see the old one or the whole new one."""
        script = 'mkdir -p "${1%/*}" && cat >"$1~" && chown "$3" "$1~" && chmod "$2" "$1~" && mv "$1~" "$1"'
        self.run("sh", "-euc", script, "write", path, mode, owner, stdin=text)

    def show(self, unit, name):
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).strip()
