"""Configuration of an MQTT gateway.

A configuration is validated when it is created, so that invalid values are found before connecting.

On an appliance, `services.syncd.gateways` creates the configuration from a gateway's section of
`logboat.toml`. The keys of that section are declared in `services.config.model`, except those that apply only
to MQTT gateways, which are declared in `keys`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from sync.gateway.mqtt.feed import Wants
from sync.gateway.mqtt.keys import DEFAULTS, MqttOptions
from sync.gateway.mqtt.lanes import DEFAULT, LaneSettings
from sync.gateway.mqtt.presentation import ContactClass, Presenter, as_stored, no_class

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
"""Default ports, as registered with IANA."""


@dataclass(frozen=True, slots=True)
class MqttGatewayConfiguration:
    """Configuration of the connection to one broker, and of the messages published there.

    Raises ValueError with a description if the configuration is invalid.
    """

    name: str
    """Name of the gateway, under which its progress is recorded in the store."""
    url: str
    """Address of the broker: `mqtt://host[:1883]`, or `mqtts://host[:8883]` for TLS."""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    read_password: Callable[[], str | None] | None = field(default=None, repr=False)
    """Function that reads the password before each attempt to connect.

    If it is given, `password` is not used. If the password cannot be read, the function raises OSError, or
    ValueError with a description.
    """
    ca: Path | None = None
    """PEM file with the CAs that are trusted for the broker's certificate; None for the system's CAs."""
    certificate: Path | None = None
    key: Path | None = None
    """PEM files with the client certificate and its private key.

    They must be given together, or not at all.
    """
    options: MqttOptions = DEFAULTS
    presenter: Presenter = as_stored
    """Function that returns how Home Assistant and Signal K show a quantity.

    By default, both show SI units.
    """
    contact_class: ContactClass = no_class
    """Function that returns Home Assistant's device class of a contact with a given path."""
    limit: float | None = None
    """Maximum sending rate of all lanes (groups of documents) combined, in bytes per second.

    None for no limit.
    """
    wants: Wants | None = None
    """Function that returns True if the document with the given id and body must be published.

    None to publish all documents. A document for which it returns False is skipped permanently. To delay a
    document, use a closed lane.
    """
    lanes: tuple[LaneSettings, ...] = DEFAULT
    """Settings of the lanes, in order of priority."""

    def __post_init__(self) -> None:
        if not self.name:
            msg = "the gateway has no name"
            raise ValueError(msg)
        if self.scheme not in _PORTS or not self.host:
            msg = (
                f"{self.url!r} is not the address of an MQTT broker; write mqtt://host:1883 or"
                " mqtts://host:8883"
            )
            raise ValueError(msg)
        parts = urlsplit(self.url)
        if parts.path not in {"", "/"} or parts.query or parts.fragment:
            msg = f"{self.url!r}: the address of an MQTT broker must end with the port"
            raise ValueError(msg)
        if parts.username is not None:
            msg = "the broker's address contains a user or password; use the separate settings for them"
            raise ValueError(msg)
        if self.port < 1:
            msg = f"{self.url!r}: port 0 is not valid"
            raise ValueError(msg)
        if (self.certificate is None) != (self.key is None):
            msg = "a client certificate needs its key, and a key needs its certificate"
            raise ValueError(msg)
        if not self.has_tls and (self.ca or self.certificate):
            msg = f"{self.url!r} does not use TLS, but a CA or a certificate is set; did you mean mqtts://?"
            raise ValueError(msg)
        if self.password is not None and self.user is None:
            msg = "a password is set, but no user"
            raise ValueError(msg)
        if self.limit is not None and not self.limit > 0:
            msg = "the limit must be more than 0 bytes per second"
            raise ValueError(msg)
        names = [lane.name for lane in self.lanes]
        if not names or len(set(names)) != len(names):
            msg = "the gateway needs at least one lane, and each lane a unique name"
            raise ValueError(msg)

    @property
    def scheme(self) -> str:
        """Scheme of the broker's URL: `mqtt` or `mqtts`."""
        return urlsplit(self.url).scheme

    @property
    def host(self) -> str:
        """Host name or address of the broker."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """TCP port of the broker."""
        explicit = urlsplit(self.url).port
        return _PORTS[self.scheme] if explicit is None else explicit

    @property
    def has_tls(self) -> bool:
        """True if the connection to the broker uses TLS."""
        return self.scheme == "mqtts"
