"""Profiles of the Wi-Fi networks to join, for every kind of security that NetworkManager supports."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final, Protocol

from . import profiles
from .profiles import Profile, Section, escaped
from .ssid import octets_of

OPEN, WPA2, MIXED, WPA3 = "open", "wpa2", "wpa2-wpa3", "wpa3"
"""Kinds of security of a network that has one password for everyone, or none."""
PEAP, TTLS, TLS = "peap", "ttls", "tls"
"""Methods with which a vessel logs in to an enterprise network (WPA-Enterprise, IEEE 802.1X)."""
_PHASE_2: Final = {PEAP: "mschapv2", TTLS: "pap"}
"""Method with which the password is sent inside the TLS tunnel."""
_PMF_OFF: Final = "1"
_PMF_REQUIRED: Final = "3"
"""Values of NetworkManager's `pmf`: protection of management frames, which WPA3 requires (WPA3, 2.3)."""
_NOT_REQUIRED: Final = "4"
"""Value of NetworkManager's secret flags for a secret that does not exist."""


class WifiLike(Protocol):
    """A Wi-Fi network to join."""

    @property
    def ssid(self) -> str: ...  # noqa: D102
    @property
    def password(self) -> str: ...  # noqa: D102
    @property
    def priority(self) -> int: ...  # noqa: D102
    @property
    def hidden(self) -> bool: ...  # noqa: D102
    @property
    def security(self) -> str | None: ...  # noqa: D102
    @property
    def bssid(self) -> str | None: ...  # noqa: D102
    @property
    def eap(self) -> str | None: ...  # noqa: D102
    @property
    def user(self) -> str | None: ...  # noqa: D102
    @property
    def anonymous_user(self) -> str | None: ...  # noqa: D102
    @property
    def ca(self) -> str | None: ...  # noqa: D102
    @property
    def server_name(self) -> str | None: ...  # noqa: D102
    @property
    def certificate(self) -> str | None: ...  # noqa: D102
    @property
    def certificate_key(self) -> str | None: ...  # noqa: D102


def join_all(networks: Iterable[WifiLike], *, interface: str | None, folder: Path) -> tuple[Profile, ...]:
    """Return a profile for each network; `folder` contains the certificates and keys.

    Networks with the same name get different profiles.
    """
    found: list[Profile] = []
    names: dict[str, int] = {}
    for network in networks:
        name = f"logboat-join-{profiles.identifier(octets_of(network.ssid)).hex[:8]}"
        number = names[name] = names.get(name, 0) + 1
        found.append(_join(name if number == 1 else f"{name}-{number}", network, interface, folder))
    return tuple(found)


def _join(name: str, network: WifiLike, interface: str | None, folder: Path) -> Profile:
    wifi = {
        "mode": "infrastructure",
        "ssid": profiles.octets(network.ssid),
        **({"hidden": "true"} if network.hidden else {}),
        **({} if network.bssid is None else {"bssid": network.bssid}),
    }
    security: Section | None
    if network.eap is not None:
        security = {"key-mgmt": "wpa-eap"}
    else:
        security = _security(network.security or (MIXED if network.password else OPEN), network.password)
    return profiles.wifi(
        name,
        interface,
        wifi=wifi,
        security=security,
        login=None if network.eap is None else _login(network.eap, network, folder),
        ipv4={"method": "auto"},
        ipv6={"method": "auto"},
        priority=network.priority,
    )


def _security(kind: str, password: str) -> Section | None:
    if kind == OPEN:
        return None
    if kind == WPA3:
        return {"key-mgmt": "sae", "pmf": _PMF_REQUIRED, "psk": escaped(password)}
    # NetworkManager also offers WPA3 for this value, unless the protection of management frames is off.
    mixed = {"key-mgmt": "wpa-psk", "psk": escaped(password)}
    return {**mixed, "pmf": _PMF_OFF} if kind == WPA2 else mixed


def _login(method: str, network: WifiLike, folder: Path) -> Section:
    login = {"eap": f"{method};", "identity": escaped(network.user or "")}
    if network.ca is None:
        login["system-ca-certs"] = "true"
    else:
        login["ca-cert"] = escaped(str(folder / network.ca))
    if network.server_name is not None:
        login["domain-suffix-match"] = network.server_name
    if method == TLS:
        return {
            **login,
            "client-cert": escaped(str(folder / (network.certificate or ""))),
            "private-key": escaped(str(folder / (network.certificate_key or ""))),
            "private-key-password-flags": _NOT_REQUIRED,
        }
    if network.anonymous_user is not None:
        login["anonymous-identity"] = escaped(network.anonymous_user)
    return {**login, "phase2-auth": _PHASE_2[method], "password": escaped(network.password)}
