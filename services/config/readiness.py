"""Finds problems of a valid configuration: missing files, example values, and unusable radio channels.

The daemons do not run these checks, because a file in use must stay in use despite such a problem. Only new
files are rejected (see `FileProblem.refuses_only_new`).
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from provisioning.bundle.contents import MOST_BYTES_OF_OTHERS
from sensors.toml.toml_file import EMPTIED, FileProblem, TomlFile, is_empty

from .model import Configuration, GatewaySection

EXAMPLE_SSH_KEY: Final = "AAAAC3NzaC1lZDI1NTE5AAAAIExample"
"""Public SSH key in the template of vessel.toml. No one has its private key."""
EXAMPLE_HASH: Final = f"scrypt$8192$8$1${'A' * 22}${'A' * 43}"
"""Password hash in the template of vessel.toml, which matches no password."""
_PEM: Final = b"-----BEGIN "


def files_of_gateways(file: TomlFile, configuration: Configuration) -> Iterator[FileProblem]:
    """Yield a problem for each unusable file to which a gateway's settings refer."""
    for number, gateway in enumerate(configuration.gateways):
        for key, name in _files_of(gateway).items():
            path = file.path.parent / name
            if is_file(path):
                yield from emptied([path])
                yield from _mistakes_in(path, key, gateway.name)
                continue
            yield FileProblem(
                file.path,
                file.line(("gateway", number, key)),
                key,
                *missing(key, name),
                table=f'gateway "{gateway.name}"',
                refuses_only_new=True,
            )


def names_of_gateways_files(configuration: Configuration) -> tuple[str, ...]:
    """Return the names of all files to which the settings of gateways refer."""
    return tuple(name for gateway in configuration.gateways for name in _files_of(gateway).values())


def _files_of(gateway: GatewaySection) -> Mapping[str, str]:
    names = {
        "password_file": gateway.password_file,
        "session_file": gateway.session_file,
        "ca": gateway.ca,
        "certificate": gateway.certificate,
        "key": gateway.certificate_key,
    }
    return {key: name for key, name in names.items() if name is not None}


def emptied(paths: Iterable[Path]) -> Iterator[FileProblem]:
    """Yield a problem for each of the files that is empty, perhaps because of a power cut."""
    for path in paths:
        try:
            content = path.read_bytes() if path.stat().st_size <= MOST_BYTES_OF_OTHERS else b"-"
        except OSError:  # reported by the checks that need the file
            continue
        if is_empty(content):
            what, remedy = EMPTIED
            yield FileProblem(path, None, "", what, remedy.partition(". ")[0] + ".", refuses_only_new=True)


def placeholders(file: TomlFile, configuration: Configuration) -> Iterator[FileProblem]:
    """Yield a problem for each placeholder from the template that is still in the configuration."""
    if any(EXAMPLE_SSH_KEY in key for key in configuration.network.ssh_keys):
        yield FileProblem(
            file.path,
            file.line(("network", "ssh_keys")),
            "ssh_keys",
            "this is still the template's example value, which nobody can use to log in",
            "Replace it with the single line of your .pub file.",
            table="[network]",
            refuses_only_new=True,
        )
    for number, user in enumerate(configuration.users):
        if user.password_hash == EXAMPLE_HASH:
            yield FileProblem(
                file.path,
                file.line(("user", number, "password_hash")),
                "password_hash",
                "this is still the template's example value, which nobody can use to log in",
                "Replace it with the output of `logboat fleet password`.",
                table=f'user "{user.name}"',
                refuses_only_new=True,
            )


_RADAR_CHANNELS: Final = range(52, 145)
"""Channels that a network must leave if it detects radar (ETSI EN 301 893, 47 CFR 15.407)."""
_WITHOUT_HIGH_CHANNELS: Final = frozenset({"US", "CA"})
"""Countries whose 2.4 GHz band ends at channel 11 (47 CFR 15.247, RSS-247)."""


def radio_channel(file: TomlFile, configuration: Configuration) -> Iterator[FileProblem]:
    """Yield a problem if no adapter can use the channel configured for the vessel-to-vessel radio."""
    network = configuration.network
    channel = network.vessel_radio.channel
    found = None
    if network.vessel_radio.mode == "off":
        return
    if channel in _RADAR_CHANNELS:
        found = (
            f"channel {channel} requires radar detection, of which the radio between vessels is not capable",
            "Choose a channel from 1 to 11, 36 to 48, or 149 to 165.",
        )
    elif network.country in _WITHOUT_HIGH_CHANNELS and channel in (12, 13):
        found = (
            f"channel {channel} is not allowed in the country {network.country}",
            "Choose a channel from 1 to 11.",
        )
    if found is not None:
        line = file.line(("network", "vessel_radio", "channel")) or file.line(("network", "vessel_radio"))
        yield FileProblem(file.path, line, "vessel_radio", *found, table="[network]", refuses_only_new=True)


_ENDS: Final = {"password_file": ".password", "session_file": ".password", "key": ".key"}
"""Extensions of files that are copied to a card, by the key that refers to the file; `.pem` for other keys.
"""


def missing(key: str, name: str) -> tuple[str, str]:
    """Return a message that states that a file does not exist, and the remedy.

    `key` is the key that names it.
    """
    if Path(name).is_absolute():
        return (
            f"there is no file {name}",
            "Create it, or put it beside this file, and write its name only.",
        )
    return (
        f'there is no file "{name}" in the same folder',
        f"Add the file; its name must end with {_ENDS.get(key, '.pem')}.",
    )


def _mistakes_in(path: Path, key: str, gateway: str) -> Iterator[FileProblem]:
    """Yield a problem if the content of a file is invalid for a gateway's key. Empty files are ignored."""
    try:
        with path.open("rb") as opened:
            content = opened.read(MOST_BYTES_OF_OTHERS)
    except OSError:  # only root may read it, or the medium fails
        return
    if is_empty(content):
        return
    found = None
    if key not in _ENDS or key == "key":
        if _PEM not in content:
            found = (
                f'this is not a PEM file, as {key} of gateway "{gateway}" needs it',
                "Write the file again.",
            )
    else:
        try:
            if not content.decode().splitlines()[0].strip():
                found = (
                    f'the first line is empty, but {key} of gateway "{gateway}" refers to this line',
                    "Remove the empty line.",
                )
        except UnicodeDecodeError:
            found = "the file is not UTF-8 text", "Save the file with the encoding UTF-8."
    if found is not None:
        yield FileProblem(path, None, "", *found, refuses_only_new=True)


def is_file(path: Path) -> bool:
    """Return True if a path is a file, or if that cannot be determined."""
    try:
        return path.is_file()
    except PermissionError:  # only root can see whether the file exists
        return True
    except (OSError, ValueError):  # a name that no file can have
        return False
