"""Reads all files that Raspberry Pi Imager, or a person, may have left, and combines their settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sensors.toml.toml_file import FileProblem, unforeseen

from . import customtoml, networkconfig, script, userdata
from .requested_settings import NO_CHECKS, Checks, Customisation, SettingsSheet

MOST_BYTES: Final = 64_000
"""Most bytes of a file; Imager's have a few thousand.

Reading YAML takes a thousand times as much memory.
"""


@dataclass(frozen=True, slots=True)
class ImagerReading:
    """Result of reading the files."""

    asked: Customisation
    """All settings that were understood."""
    problems: tuple[FileProblem, ...]
    """Problems for everything else, each with its file and line."""
    understood: tuple[str, ...]
    """Names of files that request something and were understood completely; they need not stay."""


def read(files: Mapping[str, bytes], checks: Checks = NO_CHECKS) -> ImagerReading:
    """Read the contents of `FILES`, by name.

    Of two files that request the same setting, the later one in `FILES` wins. Raises nothing: a failure to
    read is a problem.
    """
    values: dict[str, Any] = {}
    problems: list[FileProblem] = []
    understood: list[str] = []
    for name, reader in _READERS.items():
        if name not in files:
            continue
        sheet = SettingsSheet(name, checks)
        try:
            reader(files[name], sheet)
        except Exception as error:  # noqa: BLE001  # any failure to read the file is its problem
            sheet.leave_unread("", None, *unforeseen(error))
        values |= sheet.values
        problems += sheet.problems
        if sheet.values and not sheet.problems:
            understood.append(name)
    return ImagerReading(Customisation(**values), tuple(problems), tuple(understood))


def _as_text(reader: Callable[[str, SettingsSheet], None]) -> Callable[[bytes, SettingsSheet], None]:
    def read_text(content: bytes, sheet: SettingsSheet) -> None:
        if len(content) > MOST_BYTES:
            sheet.leave_unread("", None, f"the file is too long: more than {MOST_BYTES // 1000} kB")
            return
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            sheet.leave_unread("", line, "the file is not UTF-8 text", "Save it with the encoding UTF-8.")
            return
        reader(text.replace("\r\n", "\n"), sheet)

    return read_text


_READERS: Final[Mapping[str, Callable[[bytes, SettingsSheet], None]]] = {
    "firstrun.sh": _as_text(script.read),
    "custom.toml": customtoml.read,
    "user-data": _as_text(userdata.read),
    "network-config": _as_text(networkconfig.read),
}
FILES: Final = tuple(_READERS)
