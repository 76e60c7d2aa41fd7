"""A vessel's configuration, parsed and valid: the result of `services.config.loader`.

A field's default applies if the file does not set it; `Configuration()` is the configuration of an empty
file. Secrets do not appear in a `repr`.
"""

from dataclasses import dataclass, field

from sync.gateway.policy import HoursAre


@dataclass(frozen=True, slots=True)
class VesselSection:
    """The section [vessel] in the file."""

    id: str = "vessel"
    """Id of the vessel in documents, `[a-z0-9-]{1,32}`; the default applies if none is configured."""
    name: str = ""
    """Name shown to people; the id if no name is given."""
    mmsi: int | None = None
    """MMSI of nine digits, or None."""
    timezone: str = "UTC"
    """IANA name of the time zone in which times are shown."""


@dataclass(frozen=True, slots=True)
class Wifi:
    """A Wi-Fi network to join."""

    ssid: str
    password: str = field(default="", repr=False)
    """WPA password; '' for an open network."""
    priority: int = 0
    """Priority of the network; networks with a higher priority are tried first."""
    hidden: bool = False
    """True if the network does not broadcast its SSID, so that a client has to ask for it by name."""


@dataclass(frozen=True, slots=True)
class AccessPoint:
    """The vessel's own Wi-Fi network, for its crew."""

    ssid: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class VesselRadio:
    """The radio link between vessels: `mesh` (802.11s), `adhoc` or `off`."""

    mode: str = "off"
    channel: int = 6


@dataclass(frozen=True, slots=True)
class Ethernet:
    """The wired network; DHCP is used if no address is given."""

    address: str | None = None
    """Address with its prefix length, such as `192.168.1.10/24`."""
    gateway: str | None = None
    dns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NetworkSection:
    """The section [network] in the file."""

    country: str | None = None
    """ISO 3166 alpha-2 code of the country whose radio regulations apply; without it, radios stay off."""
    wifi: tuple[Wifi, ...] = ()
    access_point: AccessPoint | None = None
    vessel_radio: VesselRadio = VesselRadio()
    ethernet: Ethernet = Ethernet()
    ssh_keys: tuple[str, ...] = ()
    ssh_interfaces: tuple[str, ...] = ("*",)
    """Interfaces on which SSH is open, as names or patterns such as `wlan*`; `*` means all."""


@dataclass(frozen=True, slots=True)
class ListenerSection:
    """The section [listener], for the listener to which vessels and the crew's apps connect."""

    port: int = 4984
    interfaces: tuple[str, ...] = ("*",)
    """Names of the interfaces on which the listener accepts connections; `*` means all."""


@dataclass(frozen=True, slots=True)
class UserSection:
    """A section [[user]], for one of the crew's apps."""

    name: str
    password_hash: str = field(repr=False)
    access: str = "read-write"
    """Access rights: `read-write` or `read-only`."""
    channels: tuple[str, ...] | None = None
    """Channels whose documents the user can access; None means all."""


@dataclass(frozen=True, slots=True)
class MeshSection:
    """The section [mesh] in the file."""

    role: str = "peer"
    """Role of the vessel: `peer`, `hub`, `active-only` or `passive-only`."""
    max_peers: int = 8
    static: tuple[str, ...] = ()
    """Addresses of vessels that discovery does not reach."""
    hub: tuple[str, ...] = ()
    """Ids of the vessels at the centre of a star."""
    direction: str = "both"
    """Direction of replication: `push`, `pull` or `both`."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A rule about which documents are sent to a gateway, and when."""

    channels: tuple[str, ...]
    when: str | None = None
    """Conditions in the syntax of `sync.gateway.policy.PolicyConditions`; None means always."""
    limit: float | None = None
    """Maximum rate in bytes per second."""


@dataclass(frozen=True, slots=True)
class GatewaySection:
    """A section [[gateway]], for a service ashore."""

    name: str
    kind: str
    """Kind of the gateway: `couchbase` or `mqtt`."""
    url: str
    user: str | None = None
    password_file: str | None = None
    """Path of the password file. Like all paths here, it is absolute or relative to the configuration."""
    session_file: str | None = None
    """Path of a file with a session id, used instead of user and password; `couchbase` only."""
    ca: str | None = None
    """Path of the CA certificates (PEM) that may issue the gateway's certificate; None for the system's CAs.
    """
    pin: str | None = None
    """SHA-256 fingerprint of the gateway's certificate, used instead of a CA; `couchbase` only."""
    certificate: str | None = None
    key: str | None = None
    """Paths of our certificate and key (PEM), for a gateway that requests a client certificate."""
    direction: str = "push"
    """Direction of replication: `push`, `pull` or `both`; `mqtt` only pushes."""
    channels: tuple[str, ...] = ("notes",)
    """Channels to pull, if the direction includes pull."""
    limit: float | None = None
    """Maximum rate in bytes per second for everything that is sent."""
    home_assistant: bool = False
    signalk: bool = False
    """Additional formats to publish (`home_assistant`, `signalk`); `mqtt` only."""
    policy: tuple[Policy, ...] = ()
    """Rules; the first one with a document's channel applies. Without rules, everything is always sent."""


@dataclass(frozen=True, slots=True)
class RetentionSection:
    """The section [retention] in the file."""

    budget: str = "80 %"
    """Maximum size of the stores: a percentage of the data partition, or a size (`20000000000 B`)."""


@dataclass(frozen=True, slots=True)
class LightsSection:
    """The section [lights]: BCM pins, where 0 means that there is no such light."""

    power: int = 5
    record: int = 6
    mesh: int = 13
    gateway: int = 19
    fault: int = 26
    active: str = "high"
    """Level of a pin at which its light is on, `high` or `low`."""
    single: str | None = None
    """Name of a single light, used instead of pins; one of the kernel's LEDs (`/sys/class/leds`)."""
    night: HoursAre | None = None
    """Hours in which the lights stay dark unless they report a fault."""


@dataclass(frozen=True, slots=True)
class ClockSection:
    """The section [clock]: time sources that need no network."""

    rtc: str | None = None
    """Clock chip on the header's I2C bus, by its name in the overlay i2c-rtc."""
    pps: int | None = None
    """BCM pin that receives one pulse per second from a satellite receiver."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The contents of a whole `logboat.toml`."""

    vessel: VesselSection = VesselSection()
    network: NetworkSection = NetworkSection()
    listener: ListenerSection = ListenerSection()
    users: tuple[UserSection, ...] = ()
    mesh: MeshSection = MeshSection()
    gateways: tuple[GatewaySection, ...] = ()
    retention: RetentionSection = RetentionSection()
    lights: LightsSection = LightsSection()
    clock: ClockSection = ClockSection()
