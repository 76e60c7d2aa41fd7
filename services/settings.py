"""A vessel's configuration, parsed and valid: what `services.configuration` makes of `logboat.toml`.

Every field's default is what holds when the file does not say; `Configuration()` is a file that is empty.
Secrets do not show in a `repr`.
"""

from dataclasses import dataclass, field

from sync.gateway.policy import HoursAre


@dataclass(frozen=True, slots=True)
class Vessel:
    """[vessel]"""

    id: str = "vessel"
    """What the vessel is called in documents, until somebody names it: `[a-z0-9-]{1,32}`."""
    name: str = ""
    """For people; the id if not given."""
    mmsi: int | None = None
    """Nine digits."""
    timezone: str = "UTC"
    """IANA name; only for showing times."""


@dataclass(frozen=True, slots=True)
class Wifi:
    """A network to join."""

    ssid: str
    password: str = field(default="", repr=False)
    """'' for an open network."""
    priority: int = 0
    """Higher is tried first."""
    hidden: bool = False
    """True if it does not broadcast its SSID, so that a client has to ask for it by name."""


@dataclass(frozen=True, slots=True)
class AccessPoint:
    """The vessel's own network, for its crew."""

    ssid: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class VesselRadio:
    """The link between vessels: `mesh` (802.11s), `adhoc` or `off`."""

    mode: str = "off"
    channel: int = 6


@dataclass(frozen=True, slots=True)
class Ethernet:
    """A cable; without an address one is asked for."""

    address: str | None = None
    """With its length: `192.168.1.10/24`."""
    gateway: str | None = None
    dns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Network:
    """[network]"""

    country: str | None = None
    """ISO 3166 alpha-2, whose rules the radio follows; there is no radio without it."""
    wifi: tuple[Wifi, ...] = ()
    access_point: AccessPoint | None = None
    vessel_radio: VesselRadio = VesselRadio()
    ethernet: Ethernet = Ethernet()
    ssh_keys: tuple[str, ...] = ()
    ssh_interfaces: tuple[str, ...] = ("*",)
    """Names of interfaces on which SSH is open, or how they begin (`wlan*`); `*` is all."""


@dataclass(frozen=True, slots=True)
class Listener:
    """[listener]: where vessels and crew's apps connect."""

    port: int = 4984
    interfaces: tuple[str, ...] = ("*",)
    """`*` is all."""


@dataclass(frozen=True, slots=True)
class User:
    """[[user]]: a crew app."""

    name: str
    password_hash: str = field(repr=False)
    access: str = "read-write"
    """Or `read-only`."""
    channels: tuple[str, ...] | None = None
    """None is all."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """[mesh]"""

    role: str = "peer"
    """`peer`, `hub`, `active-only` or `passive-only`."""
    max_peers: int = 8
    static: tuple[str, ...] = ()
    """Addresses of vessels that discovery does not reach."""
    hub: tuple[str, ...] = ()
    """Ids of the vessels at the middle of a star."""
    direction: str = "both"
    """`push`, `pull` or `both`."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What goes to a gateway, and when."""

    channels: tuple[str, ...]
    when: str | None = None
    """Conditions as `sync.gateway.policy.When` reads them; None is always."""
    limit: float | None = None
    """Bytes a second."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """[[gateway]]: a way ashore."""

    name: str
    kind: str
    """`couchbase` or `mqtt`."""
    url: str
    user: str | None = None
    password_file: str | None = None
    """As all files here: beside the configuration, or with the whole path."""
    session_file: str | None = None
    """A session's id, instead of user and password; `couchbase` only."""
    ca: str | None = None
    """The CAs that may vouch for it (PEM); the system's if None."""
    pin: str | None = None
    """SHA-256 of its certificate, instead of any CA; `couchbase` only."""
    certificate: str | None = None
    key: str | None = None
    """Who we are, for a gateway that asks for a certificate (PEM)."""
    direction: str = "push"
    """`push`, `pull` or `both`; `mqtt` is pushed to."""
    channels: tuple[str, ...] = ("notes",)
    """What is pulled, if anything is."""
    limit: float | None = None
    """Bytes a second, of all that is sent."""
    home_assistant: bool = False
    signalk: bool = False
    """What else is published; `mqtt` only."""
    policy: tuple[Policy, ...] = ()
    """The first entry with a document's channel decides; none is everything, always."""


@dataclass(frozen=True, slots=True)
class Retention:
    """[retention]"""

    budget: str = "80 %"
    """How much the stores may take: a share of the data partition, or a size (`20000000000 B`)."""


@dataclass(frozen=True, slots=True)
class Lights:
    """[lights]: BCM pins; 0 is no light."""

    power: int = 5
    record: int = 6
    mesh: int = 13
    gateway: int = 19
    fault: int = 26
    active: str = "high"
    """Whether a pin that is `high` lights, or one that is `low`."""
    single: str | None = None
    """The only light there is, one of the kernel's (`/sys/class/leds`), instead of pins."""
    night: HoursAre | None = None
    """When what is well stays dark."""


@dataclass(frozen=True, slots=True)
class HardwareClock:
    """[clock]: what keeps or tells the time without a network."""

    rtc: str | None = None
    """The clock chip on the header's I2C bus, as the overlay i2c-rtc calls it."""
    pps: int | None = None
    """BCM pin with a pulse a second, of a satellite receiver."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A whole `logboat.toml`."""

    vessel: Vessel = Vessel()
    network: Network = Network()
    listener: Listener = Listener()
    users: tuple[User, ...] = ()
    mesh: Mesh = Mesh()
    gateways: tuple[Gateway, ...] = ()
    retention: Retention = Retention()
    lights: Lights = Lights()
    clock: HardwareClock = HardwareClock()
