"""Parsers for single keys of `logboat.toml`: networks, addresses, keys, budgets, channels.

The declarations in `model` and `network_model` use these parsers. Each parser raises `InputError` if the
value is invalid. The error message never contains a secret.
"""

import ipaddress
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from provisioning.networks import firewall
from provisioning.networks import ssid as ssids
from sensors.toml.schema import integer, text
from sensors.toml.syntax_errors import is_odd_blank
from sensors.toml.value_forms import Parser, ValueForm, parses
from sensors.units import InputError, close, format_bytes, parse, shown
from services.documents.budget import Budget
from sync import documents
from sync.fleet.errors import PasswordHashError
from sync.gateway.policy import HoursAre, PolicyConditions


@parses(ValueForm("an MMSI", limits="9 digits"))
def mmsi(raw: Any) -> int:
    """Parse an MMSI, a number of nine digits."""
    if isinstance(raw, int) and not isinstance(raw, bool) and 100_000_000 <= raw <= 999_999_999:
        return raw
    raise InputError(f"{shown(raw)} is not an MMSI", "Write nine digits, without quotes.")


@parses(ValueForm("a time zone"))
def timezone(raw: Any) -> str:
    """Parse the name of an IANA time zone.

    If time zones are installed on this machine, the name must be one of them.
    """
    name: str = text(least=1)(raw)
    if name == "UTC":  # the common case, which does not need the slow-loading table of zones
        return name
    import zoneinfo

    try:
        zoneinfo.ZoneInfo.no_cache(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        if not known:  # no time zones are installed here, so the name cannot be checked
            return name
        near = close(name, {zone for zone in known if "/" in zone})  # EST must not be suggested for CEST
        hint = f'Did you mean "{near}"?' if near else 'Write an IANA name such as "Europe/Berlin".'
        raise InputError(f"{shown(name)} is not a known time zone", hint) from None
    return name


@parses(ValueForm("a country code", limits="2 capital letters"))
def country(raw: Any) -> str:
    """Parse an ISO 3166 alpha-2 country code."""
    if isinstance(raw, str) and re.fullmatch("[A-Z]{2}", raw):
        return raw
    raise InputError(f"{shown(raw)} is not a country code", 'Write two capital letters, such as "DE".')


@parses(ValueForm("text or a list of bytes", limits="1 to 32 bytes"))
def ssid(raw: Any) -> str:
    """Parse the name of a Wi-Fi network: text, or a list of the values of its bytes.

    Bytes that are not UTF-8 become lone surrogates in the result; see `provisioning.networks.ssid`.
    """
    if isinstance(raw, list):
        name = ssids.name_of(_octets(raw))
    else:
        joined = raw.replace("\u200d", "") if isinstance(raw, str) else ""  # used in emoji
        if isinstance(raw, str) and not raw.isprintable() and not any(map(is_odd_blank, joined)):
            raise InputError(
                "the network name contains characters that cannot be displayed",
                f"Write its bytes instead: ssid = {list(raw.encode())}",
            )
        name = text(least=1)(raw)
    if len(ssids.octets_of(name)) > ssids.MOST_BYTES:
        raise InputError("the network name is too long: at most 32 bytes are allowed", "Shorten the name.")
    return name


def _octets(raw: Sequence[Any]) -> bytes:
    if not raw:
        raise InputError("the network name is empty", "Write at least one byte.")
    for each in raw:
        if isinstance(each, bool) or not isinstance(each, int) or not 0 <= each <= 255:
            raise InputError(f"{shown(each)} is not a byte", "Write numbers from 0 to 255.")
    return bytes(raw)


@parses(ValueForm("a MAC address"))
def bssid(raw: Any) -> str:
    """Parse the MAC address of an access point, with colons or hyphens."""
    written: str = text()(raw)
    if re.fullmatch(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}", written):
        return written.upper().replace("-", ":")
    raise InputError(
        f"{shown(written)} is not a MAC address", 'Write six bytes, for example: "02:00:5e:10:00:01".'
    )


@parses(ValueForm("a password"))
def wifi_password(raw: Any) -> str:
    """Parse a Wi-Fi password. The loader checks its length, which depends on the kind of network.

    Error messages never show the password.
    """
    if isinstance(raw, str) and raw.isprintable() and len(raw) <= 256:
        return raw
    raise InputError("this is not a valid Wi-Fi password", "Write text on one line, in double quotes.")


@parses(ValueForm("a WPA3 password"))
def wpa3_password(raw: Any) -> str:
    """Parse a WPA3 password. Error messages never show it."""
    # SAE derives its key from the password itself, so 64 hexadecimal digits cannot stand for the password
    if isinstance(raw, str) and re.fullmatch(r"[ -~]{1,63}", raw):
        return raw
    raise InputError("this is not a valid WPA3 password", "Use at most 63 ASCII characters.")


_PASSPHRASE: Final = ValueForm("a WPA password", limits="8 to 63 ASCII characters")


@parses(_PASSPHRASE)
def passphrase(raw: Any) -> str:
    """Parse a WPA password. Error messages never show it."""
    # IEEE 802.11, annex J.4.1: 8 to 63 printable ASCII characters, or 64 hexadecimal digits
    if isinstance(raw, str) and re.fullmatch(r"[ -~]{8,63}|[0-9A-Fa-f]{64}", raw):
        return raw
    raise InputError("this is not a valid Wi-Fi password", "Use 8 to 63 ASCII characters.")


@parses(_PASSPHRASE)
def passphrase_or_none(raw: Any) -> str:
    """Parse a WPA password, or '' for an open network. Error messages never show the password."""
    return "" if raw == "" else passphrase(raw)


@parses(ValueForm("a host name", limits="1 to 63 letters, digits and hyphens"))
def host_name(raw: Any) -> str:
    """Parse a host name: a single label as defined in RFC 1123, section 2.1."""
    written: str = text()(raw)
    if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", written):
        return written
    raise InputError(f"{shown(written)} is not a valid host name", "Use 1 to 63 letters, digits and hyphens.")


@parses(ValueForm("a domain name"))
def server_name(raw: Any) -> str:
    """Parse the domain name of a server."""
    written: str = text(253)(raw)
    if re.fullmatch(r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*", written):
        return written
    raise InputError(f"{shown(written)} is not a domain name", 'Write, for example: "radius.example.org".')


@parses(ValueForm("an interface"))
def interface(raw: Any) -> str:
    """Parse the name of a network interface, a pattern such as `wlan*`, or `*` for all."""
    written: str = text()(raw)
    if not firewall.is_interface(written):
        raise InputError(
            f"{shown(written)} is not a valid interface name",
            'Write a name such as "eth0", a prefix such as "wlan*", or "*" for all.',
        )
    return written


def user_name(raw: Any, owned: Collection[str]) -> str:
    """Parse a user name in the format of useradd(8). A name that the system already uses is rejected."""
    written: str = text()(raw)
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,30}", written):
        raise InputError(
            f"{shown(written)} is not a valid user name",
            "Use 1 to 31 lower-case letters, digits, _ and -, beginning with a letter.",
        )
    if written in owned:
        raise InputError(f"{shown(written)} is reserved by the system", "Choose another name.")
    return written


@parses(ValueForm("a password hash"))
def crypt_hash(raw: Any) -> str:
    """Parse a password hash in the format of crypt(5).

    Error messages never show the value, because it may be the password itself.
    """
    if isinstance(raw, str) and re.fullmatch(r"\$[0-9a-z]{1,8}\$[!-9;-~]+", raw):
        return raw
    raise InputError("this is not a password hash", "Write what `openssl passwd -6` prints.")


_WIFI_CHANNELS: Final = frozenset(
    {*range(1, 14), *range(36, 65, 4), *range(100, 145, 4), *range(149, 166, 4)}
)


@parses(ValueForm("a Wi-Fi channel", limits="1 to 13, or a 5 GHz channel"))
def wifi_channel(raw: Any) -> int:
    """Parse a Wi-Fi channel in the 2.4 or 5 GHz band."""
    if not isinstance(raw, bool) and isinstance(raw, int) and raw in _WIFI_CHANNELS:
        return raw
    raise InputError(f"{shown(raw)} is not a Wi-Fi channel", "Write 1 to 13, or a 5 GHz channel (36, 40 …).")


@parses(ValueForm("an IPv4 address with prefix length"))
def interface_address(raw: Any) -> str:
    """Parse an IPv4 address with its prefix length."""
    written: str = text()(raw)
    try:
        if "/" not in written:
            raise ValueError
        return str(ipaddress.IPv4Interface(written))
    except ValueError:
        raise InputError(
            f"{shown(written)} is not an address with a prefix length",
            'Write, for example: "192.168.1.10/24".',
        ) from None


@parses(ValueForm("an IPv4 address"))
def host_address(raw: Any) -> str:
    """Parse an IPv4 address without a prefix length."""
    written: str = text()(raw)
    try:
        return str(ipaddress.IPv4Address(written))
    except ValueError:
        raise InputError(
            f"{shown(written)} is not an address", 'Write, for example: "192.168.1.1".'
        ) from None


_SSH_KEYS: Final = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)


@parses(ValueForm("an SSH key"))
def ssh_key(raw: Any) -> str:
    """Parse a public SSH key, in the format of a `.pub` file."""
    if isinstance(raw, str) and "PRIVATE KEY" in raw:
        raise InputError(
            "this is a private key", "Use the public key, from the file whose name ends with .pub."
        )
    key: str = text(20_000)(raw)
    if key.split(" ", maxsplit=1)[0] not in _SSH_KEYS or not key.partition(" ")[2].strip():
        raise InputError(
            f"{shown(key)} is not an SSH key", "Copy the single line of the file whose name ends with .pub."
        )
    return key


def url(*schemes: str) -> Parser:
    """Return a parser for a URL that has one of these schemes and contains no password."""
    known = " or ".join(f"{scheme}://" for scheme in schemes)

    @parses(ValueForm("a URL", limits=known))
    def parser(raw: Any) -> str:
        address: str = text(2_000)(raw)
        try:
            parts = urlsplit(address)
            host = re.fullmatch(r"[\w.:%-]+", parts.hostname or "")
            good = parts.scheme in schemes and host is not None and parts.port != 0
        except ValueError:  # a port that is not a number, or an unclosed bracket
            good = False
        if "@" in address:  # do not show the password, even if the URL is invalid in other ways as well
            raise InputError("the address contains a user name", "Set user and password_file instead.")
        if not good or " " in address:
            raise InputError(
                f"{shown(address)} is not a valid address", f"Write {known}, the host and the port."
            )
        return address

    return parser


@parses(ValueForm("a URL"))
def gateway_url(raw: Any) -> str:
    """Parse the URL of a gateway. The loader checks it with `GATEWAY_URLS`, by kind of gateway."""
    address: str = text(2_000)(raw)
    return address


GATEWAY_URLS: Final[Mapping[str, Parser]] = {"couchbase": url("wss", "ws"), "mqtt": url("mqtts", "mqtt")}
"""Parsers for a gateway's URL, by kind of gateway."""


@parses(ValueForm("a path", limits="1 to 200 characters"))
def path(raw: Any) -> str:
    """Parse the path of a file."""
    name: str = text(200, least=1)(raw)
    return name


@parses(ValueForm("a condition"))
def condition(raw: Any) -> str:
    """Parse the condition in a gateway's policy."""
    written: str = text()(raw)
    try:
        return str(PolicyConditions.parse(written))
    except ValueError:
        raise InputError(
            f"{shown(written)} is not a valid condition",
            'Write, for example: "interface != satellite", or "hours == 22:00-06:00", or both with "and".',
        ) from None


@parses(ValueForm("a SHA-256 fingerprint", limits="64 hexadecimal digits"))
def fingerprint(raw: Any) -> str:
    """Parse a certificate's SHA-256 fingerprint, in any common notation."""
    from sync.net import certificates  # this imports cryptography, which few commands need

    written: str = text()(raw)
    try:
        certificates.parse_fingerprint(written)
    except ValueError:
        raise InputError(
            f"{shown(written)} is not a SHA-256 fingerprint",
            "Write 64 hexadecimal digits, with or without colons.",
        ) from None
    return written


@parses(ValueForm("a channel", limits="1 to 200 characters, no comma"))
def gateway_channel(raw: Any) -> str:
    """Parse the name of a gateway's channel, which need not be a channel of vessels."""
    written: str = text(200, least=1)(raw)
    if "," in written:
        raise InputError(f"{shown(written)} is not a valid channel", "Remove the comma.")
    return written


@parses(ValueForm("a password hash"))
def password_hash(raw: Any) -> str:
    """Parse a hash from `logboat fleet password`.

    Error messages never show the value, because it may be the password itself.
    """
    from sync.fleet import users

    stored = raw if isinstance(raw, str) else ""
    try:
        users.parse(stored)
    except PasswordHashError as error:
        raise InputError(
            f"this is not a password hash: {error}", "Write the output of `logboat fleet password`."
        ) from None
    return stored


_TYPE_CHANNELS: Final = tuple(dict.fromkeys(documents.CHANNELS.values()))


@parses(ValueForm("a channel", limits=f"{', '.join(_TYPE_CHANNELS)} or vessel.ID"))
def document_channel(raw: Any) -> str:
    """Parse the name of a document channel: the channel of a document type or of a vessel."""
    if isinstance(raw, str) and (raw in _TYPE_CHANNELS or re.fullmatch(r"vessel\.[a-z0-9-]{1,32}", raw)):
        return raw
    known = ", ".join(f'"{channel}"' for channel in _TYPE_CHANNELS)
    raise InputError(f"{shown(raw)} is not a channel", f'Use one of {known}, or "vessel.<id>".')


_LEAST_SHARE, _MOST_SHARE = 0.01, 0.95
_LEAST_BYTES: Final = 10_000_000


@parses(
    ValueForm(
        "a share or a size",
        limits=f"{_LEAST_SHARE:.0%} to {_MOST_SHARE:.0%}, or at least {format_bytes(_LEAST_BYTES)}",
    )
)
def budget(raw: Any) -> Budget:
    """Parse a percentage (`80 %`) or a size (`20 GB`)."""
    try:
        share, size = (parse(raw, "ratio"), None) if "%" in str(raw) else (None, parse(raw, "B"))
    except InputError as error:
        has_unit = isinstance(raw, str) and re.search("[A-Za-z%]", raw)
        remedy = error.remedy if has_unit else 'Write a share or a size: "80 %" or "20 GB".'
        raise InputError(error.text, remedy) from None
    if share is not None:
        if not _LEAST_SHARE <= share <= _MOST_SHARE:
            raise InputError(
                f"{shown(raw)} is not a valid share for the stores", "Write a share from 1 % to 95 %."
            )
        return Budget(share=share)
    if size is None or size < _LEAST_BYTES:
        raise InputError(f"{shown(raw)} is too small", f"Write {format_bytes(_LEAST_BYTES)} or more.")
    return Budget(size=round(size))


@parses(ValueForm("a BCM pin", limits="2 to 27"))
def header_pin(raw: Any) -> int:
    """Parse the BCM number of a header pin that can be used for input or output."""
    pin: int = integer(2, 27)(raw)
    return pin


@parses(ValueForm("an LED"))
def led(raw: Any) -> str:
    """Parse the name of an LED in `/sys/class/leds`."""
    name: str = text(60, least=1)(raw)
    if "/" in name or name in (".", ".."):
        raise InputError(
            f"{shown(name)} is not the name of an LED", 'Write a name from /sys/class/leds, such as "ACT".'
        )
    return name


@parses(ValueForm("a period of the day"))
def hours(raw: Any) -> HoursAre:
    """Parse a period of the day, such as `22:00-06:00`."""
    written: str = text()(raw)
    try:
        (condition,) = PolicyConditions.parse(f"hours == {written.strip()}").conditions
    except ValueError:
        raise InputError(
            f"{shown(written)} is not a time of day", 'Write, for example: "22:00-06:00".'
        ) from None
    assert isinstance(condition, HoursAre)
    return condition


@parses(ValueForm("a BCM pin", limits="0, or 2 to 27"))
def light_pin(raw: Any) -> int:
    """Parse the BCM pin of a light, or 0 for a light that is not fitted."""
    try:
        pin: int = integer(0, 27)(raw)
    except InputError as error:
        raise InputError(error.text, "Write the BCM number, 2 to 27, or 0 for no light.") from None
    if pin == 1:  # `sensors.config.conflicts` also rejects pins 0 and 1
        raise InputError(
            "pin 1 is used to read a HAT's EEPROM at boot", "Choose another pin, or 0 for no light."
        )
    return pin
