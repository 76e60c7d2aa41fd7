"""By which interface a gateway is reached: what a policy about dear lines asks."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sync.mesh.interfaces import Interface, read_interfaces

_SYS: Final = Path("/sys/class/net")
_BY_DEVICE_TYPE: Final = {"wlan": "wifi", "wwan": "cellular"}
"""As the kernel calls a kind of device in `uevent`."""


def names_of_way(
    host: str,
    port: int,
    *,
    interfaces: Callable[[], tuple[Interface, ...]] = read_interfaces,
    sys: Path = _SYS,
) -> frozenset[str] | None:
    """All names of the interface that leads there; None if none does. Sends nothing; may ask for the host.

    These are its own name, its alias (`ip link set eth1 alias satellite`), and its kind: `ethernet`, `wifi`
    or `cellular`.
    """
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM):
            with socket.socket(family, kind, protocol) as probe:
                try:
                    probe.connect(address)
                except OSError:
                    continue
                ours = str(probe.getsockname()[0]).partition("%")[0]
            for interface in interfaces():
                if any(str(each.ip) == ours for each in interface.addresses):
                    return names_of(interface.name, sys)
    except OSError:
        pass  # no name, no network: there is no way
    return None


def names_of(interface: str, sys: Path = _SYS) -> frozenset[str]:
    """All names of an interface."""
    folder = sys / interface
    alias = _read(folder / "ifalias")
    kind = "ethernet"
    for line in _read(folder / "uevent").splitlines():
        key, _, value = line.partition("=")
        if key == "DEVTYPE":
            kind = _BY_DEVICE_TYPE.get(value, kind)
    return frozenset({interface, kind} | ({alias} if alias else set()))


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
