"""A vessel's configuration, parsed and valid: the result of `services.config.loader`.

Every field's default applies if the file does not set it; `Configuration()` is that of an empty file. Secrets
do not appear in a `repr`.
"""

from dataclasses import dataclass, field

from sync.gateway.policy import HoursAre


@dataclass(frozen=True, slots=True)
class VesselSection:
    """The section [vessel] of the file."""

    id: str = "vessel"
    """Id of the vessel in documents, `[a-z0-9-]{1,32}`; the default is for a vessel without a name."""
    name: str = ""
    """Name for people; the id if not given."""
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
    """Priority of the network; higher ones are tried first."""
    hidden: bool = False
    """True if it does not broadcast its SSID, so that a client has to ask for it by name."""


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
    """The cable network; without an address DHCP is used."""

    address: str | None = None
    """Address with its prefix length, such as `192.168.1.10/24`."""
    gateway: str | None = None
    dns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NetworkSection:
    """The section [network] of the file."""

    country: str | None = None
    """ISO 3166 alpha-2 code of the country whose rules apply; without it there is no radio."""
    wifi: tuple[Wifi, ...] = ()
    access_point: AccessPoint | None = None
    vessel_radio: VesselRadio = VesselRadio()
    ethernet: Ethernet = Ethernet()
    ssh_keys: tuple[str, ...] = ()
    ssh_interfaces: tuple[str, ...] = ("*",)
    """Interfaces on which SSH is open, as names or patterns such as `wlan*`; `*` is all."""


@dataclass(frozen=True, slots=True)
class ListenerSection:
    """The section [listener]: where vessels and apps of the crew connect."""

    port: int = 4984
    interfaces: tuple[str, ...] = ("*",)
    """Names of interfaces; `*` is all."""


@dataclass(frozen=True, slots=True)
class UserSection:
    """A section [[user]]: an app of the crew."""

    name: str
    password_hash: str = field(repr=False)
    access: str = "read-write"
    """Access rights: `read-write` or `read-only`."""
    channels: tuple[str, ...] | None = None
    """Channels of documents; None is all."""


@dataclass(frozen=True, slots=True)
class MeshSection:
    """The section [mesh] of the file."""

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
    """A rule for what is sent to a gateway, and when."""

    channels: tuple[str, ...]
    when: str | None = None
    """Conditions in the syntax of `sync.gateway.policy.PolicyConditions`; None is always."""
    limit: float | None = None
    """Maximum rate in bytes per second."""


@dataclass(frozen=True, slots=True)
class GatewaySection:
    """A section [[gateway]]: a service ashore."""

    name: str
    kind: str
    """Kind of the gateway: `couchbase` or `mqtt`."""
    url: str
    user: str | None = None
    password_file: str | None = None
    """Path, like those of all files here: relative to the configuration, or absolute."""
    session_file: str | None = None
    """File with a session's id, instead of user and password; `couchbase` only."""
    ca: str | None = None
    """File of the CAs that may issue its certificate (PEM); the system's if None."""
    pin: str | None = None
    """SHA-256 fingerprint of its certificate, instead of any CA; `couchbase` only."""
    certificate: str | None = None
    key: str | None = None
    """Files of our certificate and key, for a gateway that requests a certificate (PEM)."""
    direction: str = "push"
    """Direction of replication: `push`, `pull` or `both`; `mqtt` only pushes."""
    channels: tuple[str, ...] = ("notes",)
    """Channels that are pulled, if anything is."""
    limit: float | None = None
    """Maximum rate in bytes per second, for all that is sent."""
    home_assistant: bool = False
    signalk: bool = False
    """Additional formats that are published (`home_assistant`, `signalk`); `mqtt` only."""
    policy: tuple[Policy, ...] = ()
    """Rules, of which the first with a document's channel applies; without rules all is always sent."""


@dataclass(frozen=True, slots=True)
class RetentionSection:
    """The section [retention] of the file."""

    budget: str = "80 %"
    """Maximum size of the stores: a share of the data partition, or a size (`20000000000 B`)."""


@dataclass(frozen=True, slots=True)
class LightsSection:
    """The section [lights]: BCM pins; 0 is no light."""

    power: int = 5
    record: int = 6
    mesh: int = 13
    gateway: int = 19
    fault: int = 26
    active: str = "high"
    """Level of a pin at which its light is on, `high` or `low`."""
    single: str | None = None
    """Name of a single light, one of the kernel's (`/sys/class/leds`), instead of pins."""
    night: HoursAre | None = None
    """Hours in which lights that report no fault stay dark."""


@dataclass(frozen=True, slots=True)
class ClockSection:
    """The section [clock]: sources of the time without a network."""

    rtc: str | None = None
    """The clock chip on the header's I2C bus, by its name in the overlay i2c-rtc."""
    pps: int | None = None
    """BCM pin with a pulse per second from a satellite receiver."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The content of a whole `logboat.toml`."""

    vessel: VesselSection = VesselSection()
    network: NetworkSection = NetworkSection()
    listener: ListenerSection = ListenerSection()
    users: tuple[UserSection, ...] = ()
    mesh: MeshSection = MeshSection()
    gateways: tuple[GatewaySection, ...] = ()
    retention: RetentionSection = RetentionSection()
    lights: LightsSection = LightsSection()
    clock: ClockSection = ClockSection()
