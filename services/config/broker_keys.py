"""Checks of the keys that are valid only for a gateway of kind `mqtt`."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from sensors.toml.schema import Table
from sensors.toml.toml_file import FileProblem, TomlFile
from sensors.units import shown
from sync.documents import CHANNELS, DocumentType
from sync.gateway.mqtt.topics import LONGEST_PREFIX, is_prefix, overlap

from .model import Configuration, GatewaySection

_ANNOUNCED: Final = (CHANNELS[DocumentType.VESSEL], CHANNELS[DocumentType.EQUIPMENT])
"""Channels of the documents from which Home Assistant's entities and their states are derived."""
_ACKNOWLEDGED: Final = CHANNELS[DocumentType.ALARM]


def check_broker(table: Table, gateway: GatewaySection) -> None:
    """Report invalid values and combinations of keys in the section of a gateway of kind `mqtt`.

    The topic prefixes must be valid and must not overlap, and the keys for Home Assistant need
    `home_assistant = true`.
    """
    options, faulty = gateway.mqtt, table.faulty
    for key in ("prefix", "discovery_prefix"):
        prefix = getattr(options, key)
        if key not in faulty and not is_prefix(prefix):
            table.complain(
                key,
                f"{shown(prefix)} cannot be the beginning of a topic",
                f"Use up to {LONGEST_PREFIX} letters, digits and . _ ~ - with / between the levels.",
            )
    for key in ("acknowledge", "configuration_url"):
        if getattr(options, key) and not options.home_assistant and "home_assistant" not in faulty:
            table.complain(key, "this key needs home_assistant = true", "Add: home_assistant = true")
    if "configuration_url" not in faulty and not is_web_address(options.configuration_url):
        table.complain(
            "configuration_url",
            f"{shown(options.configuration_url)} is not a web address",
            'Write the whole address, such as "https://club.example.org/argo".',
        )
    if not {"prefix", "discovery_prefix"} & faulty and overlap(options.prefix, options.discovery_prefix):
        table.complain(
            "prefix" if "prefix" in table.data else "discovery_prefix",
            f"prefix {shown(options.prefix)} and discovery_prefix {shown(options.discovery_prefix)} overlap",
            "Remove this key, or choose a prefix that is not part of the other.",
        )


def is_web_address(address: str) -> bool:
    """Return True if Home Assistant accepts an address, which may be '' or a complete http or https URL.

    Home Assistant ignores the whole discovery message if it does not accept the address.
    """
    if not address:
        return True
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return False
    is_plain = address.isascii() and address.isprintable() and " " not in address
    return is_plain and parts.scheme in {"http", "https"} and bool(parts.hostname)


def incomplete_policies(file: TomlFile, configuration: Configuration) -> Iterator[FileProblem]:
    """Yield a problem for each gateway whose policies together omit documents that Home Assistant needs.

    Only new files are rejected. A file in use may have contained such policies for years.
    """
    for number, gateway in enumerate(configuration.gateways):
        sent = {channel for entry in gateway.policy for channel in entry.channels}
        needed = (*_ANNOUNCED, *((_ACKNOWLEDGED,) if gateway.mqtt.acknowledge else ()))
        missing = [f'"{channel}"' for channel in needed if channel not in sent]
        is_whole = not sent or any(channel.startswith("vessel.") for channel in sent)
        if gateway.mqtt.home_assistant and missing and not is_whole:
            yield FileProblem(
                file.path,
                file.line(("gateway", number, "policy")),
                "policy",
                f"home_assistant needs documents that the policy does not send: {', '.join(missing)}",
                f"Add {', '.join(missing)} to the channels of an entry.",
                table=f'gateway "{gateway.name}"',
                refuses_only_new=True,
            )
