"""Finds values that were copied from the documentation's examples, which do not work on a vessel.

A file with such a value is valid, because the examples themselves must pass the check. But the values are
useless: no one has the SSH key's private key, no server has the host name, and the password is public. So
`logboat config check` and `logboat fleet card` remind the user to replace the values.
"""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from sensors.plaintext import clean
from sensors.toml.toml_file import FileProblem, TomlFile
from sensors.toml.toml_lines import Place

from .loader import Configuration

PASSWORDS: Final = frozenset({"correct horse", "change this password", "change this one too"})
"""WPA passwords that are used in the documentation, the templates and `examples/`."""
SSH_KEY: Final = "AAAAC3NzaC1lZDI1NTE5AAAAIB0Jb9hVVXSPpCqMq2oGq8mJ2Bq7Qx1rWZ7o0i0QmM9k"
"""Public SSH key that is used in the documentation and in `examples/`. No one has its private key."""
PASSWORD_HASHES: Final = frozenset(
    {
        "scrypt$8192$8$1$cQv5wvzFlGCK8Rqa9BCF2g$CDaYbf0o/ZuDR4CWzvF/DO4xMz0mhpXv7698J6aktbg",
        "scrypt$8192$8$1$MsjBwboa7XvqkwzVNktD7Q$PgzH2bPw7EYi6u0nTV22xUTFLGOE4dV3mlRrp8gtz7U",
    }
)
"""Password hashes of users that are used in the documentation and in `examples/`."""
_EXAMPLE_DOMAINS: Final = ("example", "example.com", "example.net", "example.org")
"""Domains that are reserved for documentation: RFC 2606, sections 2 and 3."""
_PUBLIC: Final = "the password is from the documentation's examples, so anyone can know it"


def example_values(file: TomlFile, configuration: Configuration) -> Iterator[FileProblem]:
    """Yield a reminder for each value of a valid file that was copied from an example."""
    network = configuration.network
    for number, wifi in enumerate(network.wifi):
        if wifi.password in PASSWORDS:
            yield _reminder(
                file,
                ("network", "wifi", number),
                f'the password of "{clean(wifi.ssid)}" is from the documentation\'s examples',
                "Write the name and the password of your own network.",
            )
    if network.access_point is not None and network.access_point.password in PASSWORDS:
        yield _reminder(file, ("network", "access_point"), _PUBLIC, "Choose another password.")
    if any(SSH_KEY in key for key in network.ssh_keys):
        yield _reminder(
            file,
            ("network", "ssh_keys"),
            "a key is from the documentation's examples, and nobody can log in with it",
            "Replace it with the single line of your file whose name ends with .pub.",
        )
    for number, user in enumerate(configuration.users):
        if user.password_hash in PASSWORD_HASHES:
            yield _reminder(
                file,
                ("user", number, "password_hash"),
                _PUBLIC,
                "Replace the hash with the output of `logboat fleet password`.",
                table=f'user "{user.name}"',
            )
    for url in configuration.mesh.static:
        if _is_example(url):
            yield _reminder(file, ("mesh", "static"), _no_server(url), "Write the address of the vessel.")
    for number, gateway in enumerate(configuration.gateways):
        if _is_example(gateway.url):
            yield _reminder(
                file,
                ("gateway", number, "url"),
                _no_server(gateway.url),
                "Write the address of your server.",
                table=f'gateway "{gateway.name}"',
            )


def _reminder(
    file: TomlFile, place: Place, text: str, remedy: str, *, table: str | None = None
) -> FileProblem:
    return FileProblem(
        file.path,
        file.line(place),
        next(part for part in reversed(place) if isinstance(part, str)),
        text,
        remedy,
        table=f"[{place[0]}]" if table is None else table,
    )


def _is_example(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return any(host == domain or host.endswith(f".{domain}") for domain in _EXAMPLE_DOMAINS)


def _no_server(url: str) -> str:
    return f"no server has the name {urlsplit(url).hostname}, which is from an example"
