"""The settings that Imager's files can request, and the collector for the settings of one file.

Every entry of a file is either accepted, or known to have no effect here, or recorded as a problem. A file
with a problem stays on the card. Values are checked by parsers that the caller supplies.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from sensors.toml.toml_file import FileProblem
from sensors.units import InputError

Checks = Mapping[str, Callable[[Any], Any]]
"""Parsers that check values, by setting; a parser raises InputError for a wrong value.

The settings are `host_name`, `user`, `password_hash`, `ssh_key`, `ssid`, `wifi_password` and `country`. A
setting without a parser is accepted unchanged.
"""
NO_CHECKS: Final[Checks] = {}
NOTHING_TO_DO: Final = "You need not do anything."
CHANGE_IT: Final = "Change or remove it. Until then, this file stays on the card."


@dataclass(frozen=True, slots=True)
class RequestedWifi:
    """A Wi-Fi network to join."""

    ssid: str
    """Name of the network; bytes that are not UTF-8 are lone surrogates (`provisioning.networks.ssid`)."""
    password: str = field(default="", repr=False)
    """Passphrase, or the 64 hexadecimal digits derived from it; empty for an open network."""
    hidden: bool = False
    """True if the access point does not broadcast its SSID."""
    security: str = ""
    """Security type as in vessel.toml; empty for the default type of a network with or without a password."""


@dataclass(frozen=True, slots=True)
class Customisation:
    """Requested settings; a setting that was not requested is empty."""

    host_name: str = ""
    user: str = ""
    password_hash: str = field(default="", repr=False)
    """Hash of the password, in the format of `/etc/shadow`."""
    ssh_keys: tuple[str, ...] = ()
    wifi: tuple[RequestedWifi, ...] = ()
    country: str = ""
    timezone: str = ""


class SettingsSheet:
    """Collector of the settings that one file requests, and of the problems in that file."""

    def __init__(self, file: str, checks: Checks) -> None:
        self.file = file
        self.values: dict[str, Any] = {}
        """Values by the name of their field in `Customisation`."""
        self.problems: list[FileProblem] = []
        self.notes: list[FileProblem] = []
        """Requests that are understood, but cannot be fulfilled."""
        self._checks = checks

    def set_value(self, field_name: str, raw: Any, *, key: str, line: int | None) -> None:
        """Record the value of a field that has a single value; an empty value is ignored."""
        value = self.checked(field_name, raw, key=key, line=line)
        if value:
            self.values[field_name] = value

    def add_key(self, raw: Any, *, key: str, line: int | None) -> None:
        """Record an SSH key with which the user may log in."""
        ssh_key = self.checked("ssh_key", raw, key=key, line=line)
        if ssh_key:
            self.values["ssh_keys"] = (*self.values.get("ssh_keys", ()), ssh_key)

    def join(self, point: RequestedWifi, *, key: str, line: int | None) -> None:
        """Record a Wi-Fi network to join."""
        known: tuple[RequestedWifi, ...] = self.values.get("wifi", ())
        ssid = self.checked("ssid", point.ssid, key=key, line=line)
        password = self.checked("wifi_password", point.password, key=key, line=line)
        if ssid is None or password is None:
            return
        if any(other.ssid == ssid for other in known):
            self.leave_unread(key, line, "this network is listed twice", "Keep one of them.")
            return
        self.values["wifi"] = (*known, replace(point, ssid=ssid, password=password))

    def checked(self, what: str, raw: Any, *, key: str, line: int | None) -> Any:
        """Return the parsed value; if the value cannot be used, record a problem and return None."""
        try:
            return self._checks[what](raw) if what in self._checks else raw
        except InputError as error:
            self.leave_unread(key, line, error.text, error.remedy)
            return None

    def leave_unread(self, key: str, line: int | None, text: str, remedy: str = CHANGE_IT) -> None:
        """Record an entry that is not accepted, and the reason; the file then stays on the card."""
        self.problems.append(FileProblem(Path(self.file), line, key, text, remedy))

    def note(self, key: str, line: int | None, text: str, remedy: str = NOTHING_TO_DO) -> None:
        """Record a request that is understood but has no effect. It does not keep the file on the card."""
        self.notes.append(FileProblem(Path(self.file), line, key, text, remedy))

    def refuse_password_logins(self, key: str, line: int | None) -> None:
        """Record a request for SSH logins with a password: a problem if nobody could log in otherwise."""
        if "ssh_keys" in self.values:
            self.note(key, line, "SSH accepts only keys, and not the password", "Log in with the key.")
        else:
            text = "SSH does not accept passwords on this system"
            self.leave_unread(
                key, line, text, "Write the card again in Raspberry Pi Imager, with an SSH key."
            )

    def unknown(self, key: str, line: int | None) -> None:
        """Record a key that is not known in this file."""
        self.leave_unread(key, line, "this key is not supported")
