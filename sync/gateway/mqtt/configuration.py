"""What an MQTT gateway is told: checked when it is made, so that a typo is found before the first attempt."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from sync.gateway.mqtt.feed import Wants
from sync.gateway.mqtt.lanes import DEFAULT, LaneSettings

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
"""As registered with IANA."""


@dataclass(frozen=True, slots=True)
class MqttGatewayConfiguration:
    """One broker, and what goes there.

    Raises ValueError, in words, for what cannot be.
    """

    name: str
    """Its cursor in the store goes by this."""
    url: str
    """`mqtt://host[:1883]`, or `mqtts://host[:8883]` for TLS."""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    read_password: Callable[[], str | None] | None = field(default=None, repr=False)
    """Called before each attempt to connect, instead of `password`: for a file that may change. Raises
    OSError, or ValueError in words."""
    ca: Path | None = None
    """PEM file with the CAs that may vouch for the broker; the system's if None."""
    certificate: Path | None = None
    key: Path | None = None
    """PEM files, for a broker that asks for a client certificate; both or none."""
    home_assistant: bool = False
    """Tell Home Assistant of each sensor (its MQTT discovery)."""
    signalk: bool = False
    """Publish current values as Signal K deltas too."""
    limit: float | None = None
    """Bytes a second that all lanes together send at most; None for no limit."""
    wants: Wants | None = None
    """Which documents ever go there, by id and body; all if None. What it says no to is passed by for good:
    what is only to wait belongs in a lane that is closed."""
    lanes: tuple[LaneSettings, ...] = DEFAULT
    """What goes side by side, the first before the others."""

    def __post_init__(self) -> None:
        if not self.name:
            msg = "a gateway needs a name"
            raise ValueError(msg)
        if self.scheme not in _PORTS or not self.host:
            msg = f"{self.url!r} is no address of an MQTT broker: mqtt://host:1883, or mqtts://host:8883"
            raise ValueError(msg)
        parts = urlsplit(self.url)
        if parts.path not in {"", "/"} or parts.query or parts.fragment:
            msg = f"{self.url!r}: an MQTT broker's address ends with its port"
            raise ValueError(msg)
        if parts.username is not None:
            msg = "user and password of a broker stand in settings of their own, not in its address"
            raise ValueError(msg)
        if self.port < 1:
            msg = f"{self.url!r}: 0 is no port"
            raise ValueError(msg)
        if (self.certificate is None) != (self.key is None):
            msg = "a client certificate and its key belong together"
            raise ValueError(msg)
        if not self.has_tls and (self.ca or self.certificate):
            msg = f"{self.url!r} has no TLS, but a CA or a certificate is given: did you mean mqtts://?"
            raise ValueError(msg)
        if self.password is not None and self.user is None:
            msg = "a password is given, but no user"
            raise ValueError(msg)
        if self.limit is not None and not self.limit > 0:
            msg = "a limit must be more than 0 bytes a second"
            raise ValueError(msg)
        names = [lane.name for lane in self.lanes]
        if not names or len(set(names)) != len(names):
            msg = "a gateway has one lane at least, each with a name of its own"
            raise ValueError(msg)

    @property
    def scheme(self) -> str:
        """`mqtt` or `mqtts`."""
        return urlsplit(self.url).scheme

    @property
    def host(self) -> str:
        """Where the broker is."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Its port."""
        found = urlsplit(self.url).port
        return _PORTS[self.scheme] if found is None else found

    @property
    def has_tls(self) -> bool:
        """Whether it is spoken to over TLS."""
        return self.scheme == "mqtts"
