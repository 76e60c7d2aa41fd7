"""Finds what a valid configuration still lacks: missing files, and placeholders that must be replaced.

`logboat config check`, `logboat fleet card` and the boot use this check, so that all of them accept the same
files. A daemon does not use it, because it runs with the configuration in use.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sensors.toml.toml_file import FileProblem, TomlFile

from .loader import Configuration

EXAMPLE_SSH_KEY: Final = "AAAAC3NzaC1lZDI1NTE5AAAAIExample"
"""Key in the template of vessel.toml, which belongs to nobody."""
EXAMPLE_HASH: Final = f"scrypt$8192$8$1${'A' * 22}${'A' * 43}"
"""Password hash in the template of vessel.toml, which matches no password."""


def missing_files(file: TomlFile, configuration: Configuration) -> Iterator[FileProblem]:
    """Yield a problem for each file that a gateway's settings refer to but that does not exist."""
    for number, gateway in enumerate(configuration.gateways):
        name = gateway.password_file
        if name is not None and not _is_file(file.path.parent / name):
            yield FileProblem(
                file.path,
                file.line(("gateway", number, "password_file")),
                "password_file",
                f'there is no file "{name}" in the same folder',
                "Add the file; its name must end with .password.",
                table=f'gateway "{gateway.name}"',
            )


def placeholders(file: TomlFile, configuration: Configuration) -> Iterator[FileProblem]:
    """Yield a problem for each placeholder from the template. Only new files are rejected for these."""
    if any(EXAMPLE_SSH_KEY in key for key in configuration.network.ssh_keys):
        yield FileProblem(
            file.path,
            file.line(("network", "ssh_keys")),
            "ssh_keys",
            "this is the example of the template, with which nobody can log in",
            "Replace it with the single line of your file whose name ends with .pub.",
            table="[network]",
            refuses_only_new=True,
        )
    for number, user in enumerate(configuration.users):
        if user.password_hash == EXAMPLE_HASH:
            yield FileProblem(
                file.path,
                file.line(("user", number, "password_hash")),
                "password_hash",
                "this is the example of the template, with which nobody can log in",
                "Replace it with what `logboat fleet password` prints.",
                table=f'user "{user.name}"',
                refuses_only_new=True,
            )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except PermissionError:  # whether the file exists is known only to root
        return True
    except (OSError, ValueError):  # a name that no file can have
        return False
