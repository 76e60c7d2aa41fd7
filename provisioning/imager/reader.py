"""Reads all files that Raspberry Pi Imager, or a user, may have written, and combines their settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sensors.toml.toml_file import FileProblem, unforeseen

from . import commandline, customtoml, networkconfig, script, userdata
from .requested_settings import NO_CHECKS, Checks, Customisation, SettingsSheet

MOST_BYTES: Final = 64_000
"""Maximum size of a file, in bytes; Imager's own files have a few thousand bytes.

Reading a YAML file needs a thousand times as much memory as the file has bytes.
"""


@dataclass(frozen=True, slots=True)
class ImagerReading:
    """Settings that all the files request, and the problems found in them."""

    asked: Customisation
    """All settings that were understood, from all files together."""
    problems: tuple[FileProblem, ...]
    """Problems with entries that were not understood, each with its file and line."""
    understood: tuple[str, ...]
    """Names of the files that request settings and were understood completely; they may be removed."""
    notes: tuple[FileProblem, ...] = ()
    """Requests that were understood, but that Logboat does not fulfil."""


def read(files: Mapping[str, bytes], checks: Checks = NO_CHECKS) -> ImagerReading:
    """Read Imager's files; `files` maps names from `FILES` to contents.

    If two files request the same setting, the file that is later in `FILES` takes precedence. This function
    raises no exception: a failure to read a file becomes a problem in the result.
    """
    values: dict[str, Any] = {}
    problems: list[FileProblem] = []
    understood: list[str] = []
    notes: list[FileProblem] = []
    for name, reader in _READERS.items():
        if name not in files:
            continue
        sheet = SettingsSheet(name, checks)
        try:
            reader(files[name], sheet)
        except Exception as error:  # noqa: BLE001  # any failure to read a file is a problem of that file
            sheet.leave_unread("", None, *unforeseen(error))
        values |= sheet.values
        problems += sheet.problems
        notes += sheet.notes
        if (sheet.values or sheet.notes) and not sheet.problems and name not in _KEPT:
            understood.append(name)
    return ImagerReading(Customisation(**values), tuple(problems), tuple(understood), tuple(notes))


def _as_text(reader: Callable[[str, SettingsSheet], None]) -> Callable[[bytes, SettingsSheet], None]:
    def read_text(content: bytes, sheet: SettingsSheet) -> None:
        if len(content) > MOST_BYTES:
            sheet.leave_unread("", None, f"the file is too long: more than {MOST_BYTES // 1000} kB")
            return
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            sheet.leave_unread("", line, "the file is not UTF-8 text", "Save the file as UTF-8.")
            return
        reader(text.replace("\r\n", "\n"), sheet)

    return read_text


_READERS: Final[Mapping[str, Callable[[bytes, SettingsSheet], None]]] = {
    "cmdline.txt": _as_text(commandline.read),
    "firstrun.sh": _as_text(script.read),
    "custom.toml": customtoml.read,
    "rpi-preseed.toml": customtoml.read,
    "user-data": _as_text(userdata.read),
    "network-config": _as_text(networkconfig.read),
}
_KEPT: Final = frozenset({"cmdline.txt"})
"""Files that stay on the card. They contain no secret, and other programs may need them."""
FILES: Final = tuple(_READERS)
