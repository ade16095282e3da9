"""Other machines, made of network namespaces: one at the end of a wire, and a phone behind a NAT: suite (here) -- NAT
router -- phone.

The router masquerades UDP and moves every port, so nothing that the phone says about its own address is true. A second
wire, which only the test uses, reaches the phone's control socket; no route leads over it to the phone's address.
"""
import os
import random
import shutil
import subprocess


def why_not(nat=True):
    """A reason why this machine cannot do it, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for tool in ("ip", "nft") if nat else ("ip",):
        if not shutil.which(tool):
            return f"{tool} is not installed"
    probe = f"hsprobe{random.randrange(10**6)}"
    if subprocess.run(["ip", "netns", "add", probe], capture_output=True).returncode:
        return "this kernel or container allows no network namespaces"
    allowed = not nat or subprocess.run(["ip", "netns", "exec", probe, "nft", "add table ip probe; add chain ip probe post "
                              "{ type nat hook postrouting priority 100; }"], capture_output=True).returncode == 0
    subprocess.run(["ip", "netns", "del", probe], capture_output=True)
    return None if allowed else "this kernel has no NAT"


def free_mark(wire):
    """A number whose wire is not there: those of other runs, and what a run that was killed left behind, keep theirs."""
    return random.choice([n for n in range(1, 250) if not os.path.exists(f"/sys/class/net/{wire}{n}")])


class Machines:
    """What their kinds share."""

    def run(self, *words, namespace=None):
        prefix = ["ip", "netns", "exec", namespace] if namespace else []
        done = subprocess.run([*prefix, *words], capture_output=True, text=True)
        assert done.returncode == 0, f"{words}: {done.stderr}"

    def __enter__(self):
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _address(self, namespace, device, address):
        self.run("ip", "address", "add", address, "dev", device, namespace=namespace)
        self.run("ip", "link", "set", "dev", device, "up", namespace=namespace)


class Elsewhere(Machines):
    """One machine at the end of a wire."""

    def __init__(self):
        mark = free_mark("hsw")
        self.name, self.wire = f"hse{os.getpid()}-{mark}", f"hsw{mark}"
        self.here, self.there = f"10.77.{mark}.129", f"10.77.{mark}.130"

    def _build(self):
        self.run("ip", "netns", "add", self.name)
        self.run("ip", "link", "set", "lo", "up", namespace=self.name)
        self.run("ip", "link", "add", self.wire, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        self._address(None, self.wire, self.here + "/30")
        self._address(self.name, "eth0", self.there + "/30")

    def cut(self, is_cut):
        self.run("ip", "link", "set", "dev", self.wire, "down" if is_cut else "up")

    def __exit__(self, *_):
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)
        subprocess.run(["ip", "link", "del", self.wire], capture_output=True)


class Nat(Machines):
    def __init__(self):
        mark = free_mark("hsc")
        self.router, self.phone = f"hsr{os.getpid()}-{mark}", f"hsp{os.getpid()}-{mark}"
        self.suite_host, self.router_host = f"10.77.{mark}.1", f"10.77.{mark}.2"
        self.phone_host, self.inside = "192.168.177.2", "192.168.177.1"
        self.control_host, self.control_here = f"10.78.{mark}.2", f"10.78.{mark}.1"
        self.outer, self.control = f"hso{mark}", f"hsc{mark}"

    def _build(self):
        ip = ("ip",)
        for name in (self.router, self.phone):
            self.run(*ip, "netns", "add", name)
            self.run(*ip, "link", "set", "lo", "up", namespace=name)
        self.run(*ip, "link", "add", self.outer, "type", "veth", "peer", "name", "wan", "netns", self.router)
        self.run(*ip, "link", "add", self.control, "type", "veth", "peer", "name", "control", "netns", self.phone)
        self.run(*ip, "link", "add", "name", "lan", "netns", self.router, "type", "veth", "peer", "name", "eth0", "netns", self.phone)
        self._address(None, self.outer, self.suite_host + "/30")
        self._address(None, self.control, self.control_here + "/30")
        self._address(self.router, "wan", self.router_host + "/30")
        self._address(self.router, "lan", self.inside + "/24")
        self._address(self.phone, "eth0", self.phone_host + "/24")
        self._address(self.phone, "control", self.control_host + "/30")
        self.run(*ip, "route", "add", "default", "via", self.inside, namespace=self.phone)
        self.run("sysctl", "-qw", "net.ipv4.ip_forward=1", namespace=self.router)
        self.run("nft", "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; "
                 "add rule ip nat post oifname wan meta l4proto udp masquerade to :30000-39999 random",
                 namespace=self.router)

    def __exit__(self, *_):
        for name in (self.router, self.phone):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        for device in (self.outer, self.control):
            subprocess.run(["ip", "link", "del", device], capture_output=True)
