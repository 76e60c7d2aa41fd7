"""Detection of the network interface through which a gateway is reached, for policies about metered links."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sync.mesh.interfaces import Interface, read_interfaces

_SYS: Final = Path("/sys/class/net")
_BY_DEVICE_TYPE: Final = {"wlan": "wifi", "wwan": "cellular"}
"""Names of interface kinds, by the device type that the kernel states in `uevent`."""


def egress_interface_names(
    host: str,
    port: int,
    *,
    interfaces: Callable[[], tuple[Interface, ...]] = read_interfaces,
    sys: Path = _SYS,
) -> frozenset[str] | None:
    """Return all names of the interface through which a host is reached, or None if there is no route.

    The names are the interface's own name, its alias (`ip link set eth1 alias satellite`), and its kind:
    `ethernet`, `wifi` or `cellular`. No data is sent to the host, but the host's name may be resolved.
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
                    return interface_names(interface.name, sys)
    except OSError:
        pass  # the name is not resolved, or there is no network, so there is no route
    return None


def interface_names(interface: str, sys: Path = _SYS) -> frozenset[str]:
    """Return all names of an interface: its own name, its alias, and its kind."""
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
