"""A machine of QEMU's, with a kernel of its own: it is asked what a container is asked, and has what that has not."""

import fcntl
import hashlib
import itertools
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import machine
from machine import ip, wait

HERE = Path(__file__).resolve().parent
# Emulated, a processor is some twenty times slower; where there is KVM, QEMU_ACCEL=kvm has it used.
ACCEL = os.environ.get("QEMU_ACCEL", "tcg")
# How a machine is started again by QEMU itself, and how it ends.
RESET, ENDED = "RESET", "SHUTDOWN"
# A machine that starts again may do so twice on the way, and can't have booted and gone down again in so many seconds.
ONCE_MORE = 3


def image():
    """What machines boot from: made once, as long as its recipe stays the same."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "omadm-agent"
    cache.mkdir(parents=True, exist_ok=True)
    recipe = [HERE / "mkimage", HERE.parent / "system/mkroot", *sorted((HERE / "inside").iterdir())]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in recipe)).hexdigest()[:16]
    made = cache / f"vm-{digest}"
    with open(cache / "vm.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            print(f"making {made}, once: about two minutes", flush=True)
            for old in cache.glob("vm-*"):
                shutil.rmtree(old)
            with tempfile.TemporaryDirectory(dir=cache) as work:
                subprocess.run([HERE / "mkimage", f"{work}/vm"], check=True, stdin=subprocess.DEVNULL)
                os.rename(f"{work}/vm", made)
    return made


class Cable:
    """The network namespace of the rest of the world, in which a machine's cable ends."""

    def __init__(self, name):
        self.world = f"{name}-world"

    def __enter__(self):
        try:
            ip("netns", "add", self.world)
            ip("-n", self.world, "link", "set", "lo", "up")
            ip("-n", self.world, "tuntap", "add", "wan", "mode", "tap")
            ip("-n", self.world, "address", "add", "192.0.2.1/24", "dev", "wan")
            ip("-n", self.world, "address", "add", "2001:db8::1/64", "dev", "wan", "nodad")
            ip("-n", self.world, "link", "set", "wan", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        ip("netns", "delete", self.world, check=False)


class Monitor:
    """QEMU's own control (QMP), and what it tells by itself."""

    def __init__(self, path):
        self.socket = connected(path)
        self.lines = self.socket.makefile("rw")
        self.answers, self.events = queue.SimpleQueue(), queue.SimpleQueue()
        threading.Thread(target=self.listen, daemon=True).start()
        # Its greeting.
        self.answers.get(timeout=60 * machine.PATIENCE)
        self("qmp_capabilities")

    def listen(self):
        last = -ONCE_MORE
        try:
            for line in self.lines:
                said = json.loads(line)
                if said.get("event") == RESET:
                    before, last = last, said["timestamp"]["seconds"]
                    if last - before < ONCE_MORE:
                        continue
                (self.events if "event" in said else self.answers).put(said)
        except (OSError, ValueError):
            pass
        self.events.put({"event": "END"})

    def __call__(self, command, **arguments):
        self.lines.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.lines.flush()
        said = self.answers.get(timeout=60 * machine.PATIENCE)
        assert "return" in said, f"{command}: {said}"
        return said["return"]

    def until(self, name, seconds):
        """Waits for an event of this name; whether QEMU has not ended before."""
        end = time.monotonic() + seconds
        while True:
            try:
                event = self.events.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {name} for {seconds} s") from None
            if event["event"] in (name, "END"):
                return event["event"] == name


def connected(path):
    """A connection to a socket that QEMU is about to make."""
    one = socket.socket(socket.AF_UNIX)

    def connects():
        try:
            one.connect(str(path))
        except OSError:
            return False
        return True

    wait(connects)
    return one


class Machine:
    """A machine with one disk, one processor and one network card. What it has written is there when it boots again, until
    the end: its power can fail, and it can reboot as it likes. `options` are QEMU's, for what else is built in."""

    def __init__(self, name, network, deb, options=()):
        self.name, self.network, self.deb, self.options = name, network, deb, list(options)
        self.folder = tempfile.TemporaryDirectory()
        self.numbers = itertools.count(1)
        self.qemu = self.monitor = self.port = None
        self.image = image()

    def __enter__(self):
        try:
            subprocess.run(
                ["qemu-img", "create", "-q", "-f", "qcow2", "-b", self.image / "disk", "-F", "raw", self.at("disk")], check=True
            )
            self.boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def at(self, name):
        return f"{self.folder.name}/{name}"

    def start(self, *more):
        """Switches it on, with more options of QEMU's."""
        # What QEMU has cached of the disk's own tables is lost with it: a power cut, for all that was not flushed.
        self.qemu = subprocess.Popen(
            ["ip", "netns", "exec", self.network.world, "nice", "-n", "19", "qemu-system-x86_64", "-nodefaults", "-display", "none",
             "-accel", ACCEL, "-machine", "pc,usb=off", "-cpu", "qemu64,-svm", "-smp", "1", "-m", "768",
             "-kernel", self.image / "kernel", "-initrd", self.image / "initrd",
             "-append", "console=ttyS0 quiet net.ifnames=0 panic=5 systemd.show_status=no",
             "-chardev", f"file,id=console,path={self.at('console')},append=on", "-serial", "chardev:console",
             "-qmp", f"unix:{self.at('monitor')},server=on,wait=off",
             "-device", "virtio-serial-pci", "-chardev", f"socket,id=bench,path={self.at('port')},server=on,wait=off",
             "-device", "virtserialport,chardev=bench,name=omadm.bench",
             "-drive", f"file={self.at('disk')},format=qcow2,if=virtio,cache=writeback",
             # A hub, on which a case may have more network cards.
             "-netdev", "tap,id=wan,ifname=wan,script=no,downscript=no", "-netdev", "hubport,id=hub-wan,hubid=0,netdev=wan",
             "-netdev", "hubport,id=eth0,hubid=0", "-device", "virtio-net-pci,netdev=eth0,mac=52:54:00:00:00:02",
             *self.options, *more],
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self.monitor = Monitor(self.at("monitor"))
        self.connect()

    def connect(self):
        if self.port:
            self.port.close()
        self.port = connected(self.at("port"))

    def boot(self, *more):
        """Boots it, with more options of QEMU's, and waits until it is up."""
        self.start(*more)
        self.is_up()

    def is_up(self, seconds=600):
        """Waits until it is up: something may have failed on the way."""
        end = time.monotonic() + seconds
        state = ""
        while state not in ("running", "degraded"):
            assert time.monotonic() < end, f"not up after {seconds} s: {state} {self.console()}"
            try:
                state = self.run("systemctl", "is-system-running", "--wait", check=False, seconds=60).strip()
            except TimeoutError:
                pass

    def console(self, length=2000):
        """The last that it has said on its console."""
        return Path(self.at("console")).read_text(errors="replace")[-length:]

    def cut(self):
        """The power fails: nothing is told, nothing is stopped, and what was not flushed is gone."""
        os.kill(self.qemu_pid(), signal.SIGKILL)
        self.qemu.wait(20)
        for name in ("monitor", "port"):
            Path(self.at(name)).unlink(missing_ok=True)

    def qemu_pid(self):
        """Of QEMU itself: `ip` and `nice` have become it."""
        return self.qemu.pid

    def reset(self, seconds=60):
        """Waits until the machine starts again, by itself or by what watches it."""
        assert self.monitor.until(RESET, seconds * machine.PATIENCE), "it has ended"
        # What was asked before is not answered any more.
        self.connect()

    def reboots(self, seconds=120):
        """Waits until it goes down by itself to boot again, and is up."""
        self.reset(seconds)
        self.is_up()

    def __exit__(self, *_):
        if self.qemu:
            if self.qemu.poll() is None:
                self.qemu.kill()
            self.qemu.wait()
        self.folder.cleanup()

    def run(self, *command, check=True, stdin="", both=False, seconds=120):
        """Runs a command inside, as root; its output, and what it complains of where `both` are wanted."""
        number = next(self.numbers)
        parts = [*(str(part).encode() for part in command), stdin.encode()]
        head = " ".join(str(one) for one in (number, seconds, *(len(part) for part in parts)))
        self.port.settimeout(seconds + 30)
        self.port.sendall(head.encode() + b"\n" + b"".join(parts))
        while True:
            answered, status, out, err = (int(word) for word in self.line().split())
            out, err = (self.take(length).decode(errors="replace") for length in (out, err))
            if answered == number:
                break
        assert not check or status == 0, f"{' '.join(str(part) for part in command)}: {out}{err}".strip()
        return out + err if both else out

    def take(self, length):
        taken = bytearray()
        while len(taken) < length:
            taken += self.received(length - len(taken))
        return bytes(taken)

    def line(self):
        line = bytearray()
        while not line.endswith(b"\n"):
            line += self.received(1)
        return line

    def received(self, length):
        some = self.port.recv(length)
        if not some:
            raise ConnectionError("the machine has ended")
        return some

    def write(self, path, text, mode="0644", owner="root:root"):
        """Writes a file inside; readers see the old one or the whole new one."""
        script = 'mkdir -p "${1%/*}" && cat >"$1~" && chown "$3" "$1~" && chmod "$2" "$1~" && mv "$1~" "$1"'
        self.run("sh", "-euc", script, "write", path, mode, owner, stdin=text)

    def show(self, unit, name):
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).strip()
