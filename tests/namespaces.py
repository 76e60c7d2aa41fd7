"""Simulated networks, in which hosts are network namespaces and Ethernet segments are bridges.

    with Network() as network:
        argo, brigid = network.hosts("argo", "brigid")
        quay = network.segment("quay", argo, brigid)
        argo.popen([sys.executable, "-m", "tests.mesh.discovering", …])
        quay.cut(argo)

A host's interfaces are `eth0`, `eth1`, … in the order in which the host joined segments. At the end of the
block, the whole network is removed and its processes are killed. If a test run is killed, the next run
removes the remaining namespaces. This requires root, iproute2 and nftables.
"""

import contextlib
import ctypes
import functools
import ipaddress
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pytest

from tests import processes

_FAMILY: Final = "logboat"
_numbers = itertools.count()

_CLONE_NEWNET: Final = 0x40000000
"""Flag of unshare(2), from <linux/sched.h>."""

DEADLINE: Final = 5.0
"""Time limit in seconds for the kernel to apply a change to a simulated network."""


class NamespaceError(RuntimeError):
    """Error raised if a command of a simulated network fails. The message contains the command's output."""


class Network:
    """Simulated network of hosts and segments, as a context manager that removes them at its end."""

    def __init__(self, *, settle: bool = False) -> None:
        """Prepare an empty network.

        If `settle` is True, hosts check IPv6 addresses for duplicates, as real machines do, which takes about
        a second.
        """
        self._settle = settle
        self._prefix = f"{_FAMILY}.{os.getpid()}.{_started(os.getpid())}.{next(_numbers)}"
        self._namespaces: list[str] = []
        self._processes: list[subprocess.Popen[Any]] = []
        self._subnets = itertools.count(1)

    @classmethod
    def for_test(cls, *, settle: bool = False) -> Self:
        """Return an empty network. If this machine cannot simulate one, skip the test, or fail it in CI."""
        if (lacking := lacks()) is not None:
            if os.environ.get("CI"):
                pytest.fail(f"CI must run this test, and cannot: {lacking}")
            pytest.skip(lacking)
        return cls(settle=settle)

    def __enter__(self) -> Self:
        _remove_leftovers()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
        for process in self._processes:
            process.wait()
            if process.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
        for name in reversed(self._namespaces):
            _run(["ip", "netns", "del", name])

    def host(self, name: str) -> "Host":
        """Add a host that has only a loopback interface."""
        return Host(self, name, self._add(name))

    def hosts(self, *names: str) -> tuple["Host", ...]:
        """Add several hosts that have only a loopback interface each."""
        return tuple(self.host(name) for name in names)

    def segment(self, name: str, *hosts: "Host", ipv4: bool = True) -> "Segment":
        """Add an Ethernet segment, and connect `hosts` to it.

        If `ipv4` is False, the hosts have only link-local IPv6 addresses.
        """
        number = next(self._subnets)
        network = ipaddress.IPv4Network(f"10.77.{number}.0/24") if ipv4 else None
        segment = Segment(self._add(f"{name}-segment"), network)
        for host in hosts:
            segment.join(host)
        return segment

    def _add(self, name: str) -> str:
        namespace = f"{self._prefix}.{name}"
        _run(["ip", "netns", "add", namespace])
        self._namespaces.append(namespace)
        settings = "" if self._settle else "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad; "
        _run(["ip", "netns", "exec", namespace, "sh", "-c", f"{settings}ip link set lo up"])
        return namespace


class Host:
    """Simulated host, which is a network namespace with its processes."""

    def __init__(self, network: Network, name: str, namespace: str) -> None:
        self._network = network
        self.name = name
        self.namespace = namespace
        self.interfaces = 0

    def popen(self, argv: Sequence[str], **how: Any) -> subprocess.Popen[Any]:
        """Start a process on the host. It is killed when the network is removed.

        The caller must close the process's pipes.
        """
        process = processes.Popen(processes.within(self.namespace, argv), **how)
        self._network._processes.append(process)
        return process

    def run(self, argv: Sequence[str], *, timeout: float = 30.0) -> str:
        """Run a command on the host, and return its output. Raise NamespaceError if the command fails."""
        return _run(processes.within(self.namespace, argv), timeout=timeout)

    def link_local(self, interface: str) -> str:
        """Wait until an interface has a usable link-local address, and return it without its zone."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            for address in self._show("addr", interface).get("addr_info", ()):
                if (
                    address["scope"] == "link"
                    and address["family"] == "inet6"
                    and not address.get("tentative")
                ):
                    return str(address["local"])
        raise NamespaceError(f"{self.name}: {interface} has no link-local address after {DEADLINE:g} s")

    def lose(self, interface: str, percent: int) -> None:
        """Drop packets that arrive at an interface at random. `percent` is the drop rate, from 0 to 99."""
        self._nft(
            f"add table inet {_FAMILY}; delete table inet {_FAMILY}; add table inet {_FAMILY}; "
            f"add chain inet {_FAMILY} input {{ type filter hook input priority 0; }}; "
            f'add rule inet {_FAMILY} input iifname "{interface}" numgen random mod 100 < {percent} drop'
        )

    def rate(self, interface: str, kilobits: int) -> None:
        """Limit the sending rate of an interface in kbit/s. Packets are queued for at most 400 ms."""
        limit = f"rate {kilobits}kbit burst 1540 latency 400ms"
        _run(["tc", "-n", self.namespace, *f"qdisc replace dev {interface} root tbf {limit}".split()])

    def set_link(self, interface: str, state: str) -> None:
        """Set the administrative state of an interface to `up` or `down`."""
        _run(["ip", "-n", self.namespace, "link", "set", interface, state])

    def await_carrier(self, interface: str, *, is_there: bool = True) -> None:
        """Wait until an interface has a carrier, or until it has none if `is_there` is False."""
        deadline = time.monotonic() + DEADLINE
        while ((state := self._show("link", interface)["operstate"]) == "UP") is not is_there:
            if time.monotonic() > deadline:
                raise NamespaceError(f"{self.name}: {interface} is {state} after {DEADLINE:g} s")

    def _show(self, what: str, interface: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(
            _run(["ip", "-n", self.namespace, "-j", what, "show", interface])
        )
        return found[0]

    def _nft(self, commands: str) -> None:
        _run(["ip", "netns", "exec", self.namespace, "nft", commands])


class Segment:
    """Simulated Ethernet segment, which is a bridge in a separate namespace with one port for each host."""

    def __init__(self, namespace: str, network: ipaddress.IPv4Network | None) -> None:
        self._namespace = namespace
        self._addresses: Iterator[ipaddress.IPv4Address] | None = None if network is None else network.hosts()
        self._length = 0 if network is None else network.prefixlen
        self._ports: dict[str, str] = {}
        self._mute: set[str] = set()
        # Snooping is off, because the bridge would miss group members whose packets arrive before the port is
        # up.
        self._batch(
            "link add bridge0 type bridge mcast_snooping 0 forward_delay 0 stp_state 0", "link set bridge0 up"
        )

    def join(self, host: Host) -> str:
        """Connect a host to the segment, and return the name of the host's new interface."""
        interface = f"eth{host.interfaces}"
        host.interfaces += 1
        self._ports[host.name] = interface
        self._batch(
            f"link add {host.name} type veth peer name {interface} netns {host.namespace}",
            f"link set {host.name} master bridge0 up",
        )
        commands = [f"link set {interface} up"]
        if self._addresses is not None:
            commands.insert(0, f"addr add {next(self._addresses)}/{self._length} brd + dev {interface}")
        _batch(host.namespace, commands)
        host.await_carrier(interface)
        return interface

    def remove(self, host: Host) -> None:
        """Remove a host's interface to the segment, as if a USB adapter were unplugged."""
        self._batch(f"link del {host.name}")
        del self._ports[host.name]

    def cut(self, host: Host) -> None:
        """Disconnect a host, whose interface loses its carrier, as if its cable were unplugged."""
        self._batch(f"link set {host.name} down")
        host.await_carrier(self._ports[host.name], is_there=False)

    def heal(self, host: Host) -> None:
        """Reconnect a host that `cut` has disconnected."""
        self._batch(f"link set {host.name} up")
        host.await_carrier(self._ports[host.name])

    def flap(self, host: Host, times: int = 3) -> None:
        """Disconnect and reconnect a host `times` times."""
        for _ in range(times):
            self.cut(host)
            self.heal(host)

    def cut_silently(self, host: Host) -> None:
        """Drop all packets to and from a host, as if its radio were out of range.

        No interface loses its carrier.
        """
        self._mute.add(host.name)
        self._drop()

    def heal_silently(self, host: Host) -> None:
        """Stop dropping the packets of a host, after `cut_silently`."""
        self._mute.discard(host.name)
        self._drop()

    def _drop(self) -> None:
        rules = f"add table bridge {_FAMILY}; delete table bridge {_FAMILY}; "
        if self._mute:
            ports = ", ".join(f'"{name}"' for name in sorted(self._mute))
            chain = f"bridge {_FAMILY} forward"
            rules += (
                f"add table bridge {_FAMILY}; "
                f"add chain {chain} {{ type filter hook forward priority 0; }}; "
                f"add rule {chain} iifname {{ {ports} }} drop; add rule {chain} oifname {{ {ports} }} drop"
            )
        _run(["ip", "netns", "exec", self._namespace, "nft", rules])

    def _batch(self, *commands: str) -> None:
        _batch(self._namespace, commands)


@functools.cache
def lacks() -> str | None:
    """Return why this machine cannot simulate a network, or None if it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for tool, package in (("ip", "iproute2"), ("tc", "iproute2"), ("nft", "nftables")):
        if shutil.which(tool) is None:
            return f"network namespaces need {tool} (Debian: {package})"
    try:
        with Network() as network:
            network.segment("probe", network.host("probe"))
    except NamespaceError as error:
        return f"this kernel or container makes no network namespaces: {error}"
    return None


@contextlib.contextmanager
def own_loopback() -> Iterator[None]:
    """Move this thread to a new network namespace, which has only a loopback interface, during the block.

    If this is not possible, the test is skipped or fails, as in `Network.for_test`.
    """
    Network.for_test()
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as before:
        if libc.unshare(_CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "no network of our own")
        try:
            _run(["ip", "link", "set", "lo", "up"])
            yield
        finally:
            libc.setns(before.fileno(), _CLONE_NEWNET)


def _remove_leftovers() -> None:
    for line in _run(["ip", "netns", "list"]).splitlines():
        family, _, rest = line.split()[0].partition(".")
        pid, _, rest = rest.partition(".")
        started = rest.partition(".")[0]
        if family == _FAMILY and pid.isdigit() and _started(int(pid)) != started:
            with contextlib.suppress(NamespaceError):  # Another worker may have removed it first.
                _run(["ip", "netns", "del", line.split()[0]])


def _started(pid: int) -> str:
    """Return the start time of a process in clock ticks, which distinguishes processes with the same id."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _batch(namespace: str, commands: Sequence[str]) -> None:
    _run(["ip", "-n", namespace, "-batch", "-"], typed="\n".join(commands) + "\n")


def _run(argv: Sequence[str], *, typed: str = "", timeout: float = 30.0) -> str:
    done = processes.run(argv, input=typed, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        words = (done.stderr or done.stdout).strip()
        raise NamespaceError(f"{' '.join(argv)}: {words or f'exit {done.returncode}'}")
    return str(done.stdout)
