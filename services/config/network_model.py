"""The keys of the [network] section: Wi-Fi networks, access point, radio, cable and SSH."""

from provisioning.networks.joined import MIXED, OPEN, PEAP, TLS, TTLS, WPA2, WPA3
from sensors.toml.declarations import key, section, table, tables
from sensors.toml.schema import boolean, choice, integer, list_of, text

from . import parsers


@section
class Wifi:
    """A Wi-Fi network to join."""

    ssid: str = key(
        parsers.ssid,
        example='"marina"',
        meaning="Name of the network, as text or as a list of its bytes (`[109, 97, 233]`).",
    )
    password: str = key(
        parsers.wifi_password,
        default="",
        secret=True,
        example='"correct horse"',
        meaning="WPA password, or the password of `user`; empty for an open network.",
    )
    priority: int = key(
        integer(-999, 999),  # NetworkManager's autoconnect-priority
        default=0,
        example="10",
        meaning="Priority of the network. Networks with a higher priority are tried first.",
    )
    hidden: bool = key(
        boolean,
        default=False,
        example="true",
        meaning="Whether the network is hidden, so that it does not broadcast its name.",
    )
    security: str | None = key(
        choice(OPEN, WPA2, MIXED, WPA3),
        default=None,
        without="`wpa2-wpa3` with a password, `open` without one",
        example='"wpa3"',
        meaning="Security type of a network without `eap`. Old access points may require `wpa2`.",
    )
    bssid: str | None = key(
        parsers.bssid,
        default=None,
        without="any",
        example='"02:00:5e:10:00:01"',
        meaning="MAC address of the access point to use, if only one may be used.",
    )
    eap: str | None = key(
        choice(PEAP, TTLS, TLS),
        default=None,
        without="none",
        example='"peap"',
        meaning="Authentication method of an enterprise network: `peap` (with MSCHAPv2) or `ttls` (with PAP)"
        " for a user name and password, or `tls` for a certificate.",
    )
    user: str | None = key(
        text(200, least=1),
        default=None,
        without="none",
        example='"argo@example.org"',
        meaning="User name (identity) in an enterprise network.",
    )
    anonymous_user: str | None = key(
        text(200, least=1),
        default=None,
        without="`user`",
        example='"anonymous@example.org"',
        meaning="User name that is sent unencrypted. Only for `peap` and `ttls`.",
    )
    ca: str | None = key(
        parsers.path,
        default=None,
        without="the system's CAs",
        example='"marina-ca.pem"',
        meaning="File (PEM) that contains the CAs that are trusted to issue the certificate of an enterprise"
        " network.",
    )
    server_name: str | None = key(
        parsers.server_name,
        default=None,
        without="any",
        example='"radius.example.org"',
        meaning="Domain name that the certificate of an enterprise network must contain. Required unless `ca`"
        " is set.",
    )
    certificate: str | None = key(
        parsers.path,
        default=None,
        without="none",
        example='"argo.pem"',
        meaning="File (PEM) that contains the client certificate for `tls`. Requires `key`.",
    )
    certificate_key: str | None = key(
        parsers.path,
        name="key",
        default=None,
        without="none",
        example='"argo.key"',
        meaning="File (PEM) that contains the private key of `certificate`.",
    )


@section
class AccessPoint:
    """The vessel's own Wi-Fi network, for its crew."""

    ssid: str = key(parsers.ssid, example='"argo"', meaning="Name of the network.")
    password: str = key(
        parsers.passphrase, secret=True, example='"correct horse"', meaning="WPA password of the network."
    )


@section
class VesselRadio:
    """The radio link between vessels."""

    mode: str = key(
        choice("mesh", "adhoc", "off"), example='"mesh"', meaning="Kind of link; `mesh` is 802.11s."
    )
    channel: int = key(parsers.wifi_channel, default=6, example="11", meaning="Wi-Fi channel.")


@section
class Ethernet:
    """Settings of the wired network."""

    address: str | None = key(
        parsers.interface_address,
        default=None,
        without="DHCP",
        example='"192.168.1.10/24"',
        meaning="Fixed address with its prefix length.",
    )
    gateway: str | None = key(
        parsers.host_address,
        default=None,
        without="none",
        example='"192.168.1.1"',
        meaning="Address of the router. Requires `address`.",
    )
    dns: tuple[str, ...] = key(
        list_of(parsers.host_address),
        default=(),
        without="none",
        example='["192.168.1.1"]',
        meaning="Addresses of the name servers. Requires `address`.",
    )


@section
class NetworkSection:
    """The [network] section: networks and SSH access."""

    country: str | None = key(
        parsers.country,
        default=None,
        without="radios stay off",
        example='"DE"',
        meaning="ISO 3166 alpha-2 code of the country whose radio regulations apply.",
    )
    wifi: tuple[Wifi, ...] = tables(
        Wifi, default=(), without="none", meaning="Wi-Fi networks to join. Requires `country`."
    )
    access_point: AccessPoint | None = table(
        AccessPoint,
        default=None,
        without="none",
        meaning="The vessel's own Wi-Fi network for its crew. Requires `country`.",
    )
    vessel_radio: VesselRadio = table(
        VesselRadio,
        default=VesselRadio("off"),
        without="off",
        meaning="Radio link between vessels. Requires `country`.",
    )
    ethernet: Ethernet = table(Ethernet, default=Ethernet(), without="DHCP", meaning="The wired network.")
    ssh_keys: tuple[str, ...] = key(
        list_of(parsers.ssh_key),
        default=(),
        without="none",
        example='["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample crew@argo"]',
        meaning="Public SSH keys of the people who can log in.",
    )
    ssh_interfaces: tuple[str, ...] = key(
        list_of(parsers.interface, least=1),
        default=("*",),
        example='["eth0", "wlan*"]',
        meaning='Interfaces on which SSH is open, as names or patterns; `"*"` means all.',
    )
