"""Networks for tests: hosts are network namespaces, segments are bridges. Needs root, iproute2 and nftables.

    with Network() as network:
        argo, brigid = network.hosts("argo", "brigid")
        quay = network.segment("quay", argo, brigid)
        argo.popen([sys.executable, "-m", "tests.mesh.discovering", …])
        quay.cut(argo)

A host's interfaces are `eth0`, `eth1`, … in the order in which the host joined segments. The end of the block
removes everything, including processes. If a run is killed, the next run removes what it left.
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
"""Flag for unshare(2), from linux/sched.h."""

DEADLINE: Final = 5.0
"""Maximum time in seconds for the kernel to apply a change to its network."""


class NamespaceError(RuntimeError):
    """Error from a command for the test network. The message contains the command's output."""


class Network:
    """Hosts and segments that exist until the `with` block ends."""

    def __init__(self, *, settle: bool = False) -> None:
        """Prepare a network.

        If `settle` is True, hosts check IPv6 addresses for duplicates, as real machines do. The check takes a
        second.
        """
        self._settle = settle
        self._prefix = f"{_FAMILY}.{os.getpid()}.{_started(os.getpid())}.{next(_numbers)}"
        self._namespaces: list[str] = []
        self._processes: list[subprocess.Popen[Any]] = []
        self._subnets = itertools.count(1)

    @classmethod
    def for_test(cls, *, settle: bool = False) -> Self:
        """Return a network. If this machine cannot provide one, skip the test, or fail it if `CI` is set."""
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
        """Add a machine that has only a loopback interface."""
        return Host(self, name, self._add(name))

    def hosts(self, *names: str) -> tuple["Host", ...]:
        """Add several machines at once."""
        return tuple(self.host(name) for name in names)

    def segment(self, name: str, *hosts: "Host", ipv4: bool = True) -> "Segment":
        """Add an Ethernet segment with `hosts` on it.

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
    """A network namespace and the processes in it."""

    def __init__(self, network: Network, name: str, namespace: str) -> None:
        self._network = network
        self.name = name
        self.namespace = namespace
        self.interfaces = 0

    def popen(self, argv: Sequence[str], **how: Any) -> subprocess.Popen[Any]:
        """Start a process that is killed at the end of the test.

        The caller must close the process's pipes.
        """
        process = processes.Popen(processes.within(self.namespace, argv), **how)
        self._network._processes.append(process)
        return process

    def run(self, argv: Sequence[str], *, timeout: float = 30.0) -> str:
        """Run a process until it ends, and return its output. Raise NamespaceError if the process fails."""
        return _run(processes.within(self.namespace, argv), timeout=timeout)

    def link_local(self, interface: str) -> str:
        """Return the link-local address of an interface, without its zone, as soon as it can be used."""
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
        """Drop a random share of the packets that arrive at an interface. `percent` is from 0 to 99."""
        self._nft(
            f"add table inet {_FAMILY}; delete table inet {_FAMILY}; add table inet {_FAMILY}; "
            f"add chain inet {_FAMILY} input {{ type filter hook input priority 0; }}; "
            f'add rule inet {_FAMILY} input iifname "{interface}" numgen random mod 100 < {percent} drop'
        )

    def rate(self, interface: str, kilobits: int) -> None:
        """Limit the rate at which an interface sends. Packets are queued for at most 400 ms."""
        limit = f"rate {kilobits}kbit burst 1540 latency 400ms"
        _run(["tc", "-n", self.namespace, *f"qdisc replace dev {interface} root tbf {limit}".split()])

    def set_link(self, interface: str, state: str) -> None:
        """Set the link to `up` or `down`, as an administrator would."""
        _run(["ip", "-n", self.namespace, "link", "set", interface, state])

    def await_carrier(self, interface: str, *, is_there: bool = True) -> None:
        """Wait until the interface has a carrier, or has none if `is_there` is False."""
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
    """Bridge in its own namespace. Each host is connected to a bridge port that has the host's name."""

    def __init__(self, namespace: str, network: ipaddress.IPv4Network | None) -> None:
        self._namespace = namespace
        self._addresses: Iterator[ipaddress.IPv4Address] | None = None if network is None else network.hosts()
        self._length = 0 if network is None else network.prefixlen
        self._ports: dict[str, str] = {}
        self._mute: set[str] = set()
        # No snooping: the bridge would learn group members from packets that arrive before the port is up.
        self._batch(
            "link add bridge0 type bridge mcast_snooping 0 forward_delay 0 stp_state 0", "link set bridge0 up"
        )

    def join(self, host: Host) -> str:
        """Connect a host, and return the name of its interface."""
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
        """Remove the host's interface, as when a USB adapter is pulled out."""
        self._batch(f"link del {host.name}")
        del self._ports[host.name]

    def cut(self, host: Host) -> None:
        """Unplug the host: its interface loses its carrier."""
        self._batch(f"link set {host.name} down")
        host.await_carrier(self._ports[host.name], is_there=False)

    def heal(self, host: Host) -> None:
        """Plug the host in again."""
        self._batch(f"link set {host.name} up")
        host.await_carrier(self._ports[host.name])

    def flap(self, host: Host, times: int = 3) -> None:
        """Unplug the host and plug it in again `times` times. At the end, the host is plugged in."""
        for _ in range(times):
            self.cut(host)
            self.heal(host)

    def cut_silently(self, host: Host) -> None:
        """Drop all packets to and from the host, as when a radio is out of range.

        No interface loses its carrier.
        """
        self._mute.add(host.name)
        self._drop()

    def heal_silently(self, host: Host) -> None:
        """Stop dropping the host's packets."""
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
    """Return a description of what this machine lacks for a test network, or None if nothing is missing."""
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
    """Move this thread to a separate network that has only a loopback interface and no other process.

    If that is not possible, the test is skipped or fails, as in `Network.for_test`.
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
    """Return a process's start time in kernel ticks, which distinguishes processes with the same id."""
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
