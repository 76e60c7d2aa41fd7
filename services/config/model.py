"""The keys of `logboat.toml`, and of `vessel.toml` on the card, which has the same keys.

Each key is declared once, with its parser, default, example and meaning. A default applies if the file does
not set the key, so `Configuration()` is the configuration of an empty file. No secret appears in a `repr`.
The loader checks the combinations of keys. The modules that use the settings (radio, mesh, gateways) decide
what the values mean.
"""

from typing import Final

from provisioning.overlays.clock_chips import CLOCK_CHIPS
from sensors.toml.declarations import declarations, included, key, section, table, tables
from sensors.toml.schema import choice, identifier, integer, list_of, quantity, text
from services.documents.budget import Budget
from sync.gateway.mqtt.keys import MqttOptions
from sync.gateway.policy import HoursAre

from . import parsers, receiver_parsers
from .network_model import NetworkSection

_DIRECTION: Final = choice("push", "pull", "both")
_RATE: Final = quantity("B/s", "10 B/s", "1 GB/s")


@section
class VesselSection:
    """The [vessel] section: the identity of the vessel."""

    id: str = key(
        identifier,
        default="vessel",
        example='"argo"',
        meaning="Id of the vessel in documents and in the fleet.",
    )
    name: str = key(
        text(80), default="", without="the id", example='"SY Argo"', meaning="Display name of the vessel."
    )
    mmsi: int | None = key(
        parsers.mmsi, default=None, without="none", example="211234560", meaning="MMSI of the vessel."
    )
    timezone: str = key(
        parsers.timezone,
        default="UTC",
        example='"Europe/Berlin"',
        meaning="IANA name of the time zone in which times are shown.",
    )


@section
class ListenerSection:
    """The [listener] section: the listener to which other vessels and the crew's apps connect."""

    port: int = key(integer(1024, 65535), default=4984, example="4985", meaning="TCP port of the listener.")
    interfaces: tuple[str, ...] = key(
        list_of(text(15, least=1), least=1),  # IFNAMSIZ
        default=("*",),
        example='["wlan0", "eth0"]',
        meaning='Names of the interfaces on which the listener accepts connections; `"*"` means all.',
    )


@section
class UserSection:
    """A [[user]] section: the account of one of the crew's apps."""

    name: str = key(text(64, least=1), example='"bridge"', meaning="Name with which the app logs in.")
    password_hash: str = key(
        parsers.password_hash,
        secret=True,
        example='"scrypt$8192$8$1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"',
        meaning="Hash of the password, as `logboat fleet password` prints it.",
    )
    access: str = key(
        choice("read-write", "read-only"),
        default="read-write",
        example='"read-only"',
        meaning="Access rights of the user.",
    )
    channels: tuple[str, ...] | None = key(
        list_of(parsers.document_channel, least=1),
        default=None,
        without="all",
        example='["alarms", "vessel.argo"]',
        meaning="Channels whose documents the user can access.",
    )


@section
class MeshSection:
    """The [mesh] section: the links between vessels."""

    role: str = key(
        choice("peer", "hub", "active-only", "passive-only"),
        default="peer",
        example='"hub"',
        meaning="Role of the vessel. A `hub` connects to all vessels in range. An `active-only` vessel only"
        " opens connections, and a `passive-only` vessel only accepts them.",
    )
    max_peers: int = key(
        integer(1, 64),
        default=8,
        example="4",
        meaning="Largest number of other vessels in range at which the vessel still connects to all of them.",
    )
    static: tuple[str, ...] = key(
        list_of(parsers.url("wss", "ws")),
        default=(),
        without="none",
        example='["wss://192.168.4.1:4984"]',
        meaning="Addresses of vessels that discovery cannot find.",
    )
    hub: tuple[str, ...] = key(
        list_of(identifier),
        default=(),
        without="none",
        example='["mothership"]',
        meaning="Ids of the vessels at the centre of a star topology.",
    )
    direction: str = key(_DIRECTION, default="both", example='"push"', meaning="Direction of replication.")


@section
class Policy:
    """A rule about which documents are sent to a gateway, and when."""

    channels: tuple[str, ...] = key(
        list_of(parsers.document_channel, least=1),
        example='["alarms"]',
        meaning="Channels to whose documents the rule applies.",
    )
    when: str | None = key(
        parsers.condition,
        default=None,
        without="always",
        example='"interface != satellite and hours == 22:00-06:00"',
        meaning="Condition under which the documents are sent.",
    )
    limit: float | None = key(
        _RATE, default=None, without="no limit", example='"50 kB/s"', meaning="Maximum average rate."
    )


COUCHBASE, MQTT = parsers.GATEWAY_URLS


@section
class GatewaySection:
    """A [[gateway]] section: a service ashore to which documents are sent.

    Paths are absolute, or relative to the folder that contains the file.
    """

    name: str = key(
        identifier, example='"office"', meaning="Name of the gateway, which must be the same on all vessels."
    )
    kind: str = key(choice(COUCHBASE, MQTT), example='"couchbase"', meaning="Kind of the gateway.")
    url: str = key(
        parsers.gateway_url,
        example='"wss://sync.example.org:4984/fleet"',
        meaning="Address of the gateway. `ws://` and `mqtt://` do not use TLS.",
    )
    user: str | None = key(
        text(200, least=1),
        default=None,
        without="none",
        example='"argo"',
        meaning="User name for HTTP Basic authentication or MQTT.",
    )
    password_file: str | None = key(
        parsers.path,
        default=None,
        without="none",
        example='"office.password"',
        meaning="File whose first line is the password. Requires `user`.",
    )
    session_file: str | None = key(
        parsers.path,
        default=None,
        without="none",
        only_for=COUCHBASE,
        example='"office.session"',
        meaning="File that contains a session id, instead of a user name and password.",
    )
    ca: str | None = key(
        parsers.path,
        default=None,
        without="the system's CAs",
        example='"office-ca.pem"',
        meaning="File (PEM) that contains the CAs that are trusted to issue the gateway's certificate.",
    )
    pin: str | None = key(
        parsers.fingerprint,
        default=None,
        without="none",
        only_for=COUCHBASE,
        example='"4f6b1d0c9e2a7358b1f04d6c8a9e3b7512c0d4f6e8a19b3c5d7e9f0a1b2c3d4e"',
        meaning="SHA-256 fingerprint of the gateway's certificate, which is then trusted without a CA.",
    )
    certificate: str | None = key(
        parsers.path,
        default=None,
        without="none",
        example='"office.pem"',
        meaning="File (PEM) that contains a client certificate, instead of a user name and password. Requires"
        " `key`.",
    )
    certificate_key: str | None = key(
        parsers.path,
        name="key",
        default=None,
        without="none",
        example='"office.key"',
        meaning="File (PEM) that contains the private key of `certificate`.",
    )
    direction: str = key(
        _DIRECTION, default="push", only_for=COUCHBASE, example='"both"', meaning="Direction of replication."
    )
    channels: tuple[str, ...] = key(
        list_of(parsers.gateway_channel, least=1),
        default=("notes",),
        only_for=COUCHBASE,
        example='["notes", "orders"]',
        meaning="Channels to pull, if the direction includes pull.",
    )
    limit: float | None = key(
        _RATE,
        default=None,
        without="no limit",
        example='"20 kB/s"',
        meaning="Maximum average rate of all data that is sent to this gateway.",
    )
    mqtt: MqttOptions = included(MqttOptions, default=MqttOptions(), only_for=MQTT)
    policy: tuple[Policy, ...] = tables(
        Policy,
        default=(),
        without="everything is always sent",
        meaning="Rules that determine which documents are sent, and when. The first rule that lists one of a"
        " document's channels applies to the document.",
    )


@section
class RetentionSection:
    """The [retention] section: the space for recorded data."""

    budget: Budget = key(
        parsers.budget,
        default=Budget(share=0.8),
        example='"20 GB"',
        meaning="Maximum size of the stores: a share of the data partition, or a size.",
    )


@section
class LightsSection:
    """The [lights] section: the lights' header pins, as BCM numbers."""

    power: int = key(
        parsers.light_pin,
        default=5,
        example="0",
        meaning="Pin of the light that shows whether the appliance is running; 0 for no light.",
    )
    record: int = key(
        parsers.light_pin,
        default=6,
        example="0",
        meaning="Pin of the light that shows whether the recorder makes samples durable; 0 for no light.",
    )
    mesh: int = key(
        parsers.light_pin,
        default=13,
        example="0",
        meaning="Pin of the light that shows whether vessels are linked; 0 for no light.",
    )
    gateway: int = key(
        parsers.light_pin,
        default=19,
        example="0",
        meaning="Pin of the light that shows whether gateways accept documents; 0 for no light.",
    )
    fault: int = key(
        parsers.light_pin,
        default=26,
        example="0",
        meaning="Pin of the light that shows whether something needs attention; 0 for no light.",
    )
    active: str = key(
        choice("high", "low"),
        default="high",
        example='"low"',
        meaning="Level of a pin that turns its light on.",
    )
    single: str | None = key(
        parsers.led,
        default=None,
        without="each light has its pin",
        example='"ACT"',
        meaning="LED of the board (a name in `/sys/class/leds`) that shows the state of all lights.",
    )
    night: HoursAre | None = key(
        parsers.hours,
        default=None,
        without="never",
        example='"22:00-06:00"',
        meaning="Hours during which the lights stay off unless they report a fault.",
    )


LIGHTS: Final = tuple(
    name
    for name, (_, declaration, _) in declarations(LightsSection).items()
    if declaration.parse is parsers.light_pin
)
"""Names of the lights that have pins."""


@section
class ClockSection:
    """The [clock] section: time sources that need no network."""

    rtc: str | None = key(
        choice(*CLOCK_CHIPS),
        default=None,
        without="none",
        example='"ds3231"',
        meaning="Clock chip on the header's I2C bus.",
    )
    pps: int | None = key(
        parsers.header_pin,
        default=None,
        without="none",
        example="18",
        meaning="Pin (BCM number) that receives one pulse per second from a satellite receiver.",
    )
    gnss: str | None = key(
        receiver_parsers.device,
        default=None,
        without="none",
        example='"/dev/ttyACM0"',
        meaning="Serial device of a satellite receiver (GNSS) that sends NMEA sentences.",
    )
    baud: int | None = key(
        receiver_parsers.baud,
        default=None,
        without="found automatically",
        example="9600",
        meaning="Baud rate of the receiver. Requires `gnss`.",
    )


@section
class Configuration:
    """All settings of a `logboat.toml` file."""

    vessel: VesselSection = table(VesselSection, default=VesselSection(), meaning="The vessel.")
    network: NetworkSection = table(NetworkSection, default=NetworkSection(), meaning="Networks and SSH.")
    listener: ListenerSection = table(
        ListenerSection,
        default=ListenerSection(),
        meaning="The listener to which vessels and the crew's apps connect.",
    )
    users: tuple[UserSection, ...] = tables(
        UserSection, name="user", default=(), meaning="Accounts of the crew's apps."
    )
    mesh: MeshSection = table(MeshSection, default=MeshSection(), meaning="Links with other vessels.")
    gateways: tuple[GatewaySection, ...] = tables(
        GatewaySection,
        name="gateway",
        default=(),
        meaning="Gateways ashore to which documents are forwarded. Paths are absolute, or relative to the"
        " folder that contains the file.",
    )
    retention: RetentionSection = table(
        RetentionSection, default=RetentionSection(), meaning="Space for the recorded data."
    )
    lights: LightsSection = table(
        LightsSection, default=LightsSection(), meaning="Pins and settings of the lights."
    )
    clock: ClockSection = table(
        ClockSection, default=ClockSection(), meaning="Time sources that need no network."
    )
