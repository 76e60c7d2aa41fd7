"""Answers to requests of Raspberry Pi Imager that Logboat understands, but does not fulfil.

The readers of all file formats use the same answers. Logboat writes the answers to PROBLEMS.txt.
"""

from .requested_settings import SettingsSheet

TIMEZONE_KEYS = frozenset({"timezone", "set_timezone"})
"""Keys with which the files request a time zone."""


def timezone(sheet: SettingsSheet, key: str, line: int | None, name: str) -> None:
    """Answer a request for a time zone, which only the vessel's configuration sets."""
    sheet.set_value("timezone", name, key=key, line=line)
    text, remedy = (
        "the time zone is not taken from Raspberry Pi Imager",
        f'Write below [vessel] in logboat/vessel.toml: timezone = "{name}".',
    )
    sheet.note(key, line, text, remedy)


def keyboard(sheet: SettingsSheet, key: str, line: int | None) -> None:
    """Answer a request for a keyboard layout."""
    sheet.note(key, line, "the keyboard layout is not set, because nobody logs in with a keyboard")


def locale(sheet: SettingsSheet, key: str, line: int | None) -> None:
    """Answer a request for a language."""
    sheet.note(key, line, "the language is not set, because all programs use English")


def passwordless_sudo(sheet: SettingsSheet, key: str, line: int | None) -> None:
    """Answer a request that a user need not enter a password for sudo."""
    text = "sudo asks this user for the password, and cannot be used without one"
    sheet.note(key, line, text, "Set a password for the user, or log in as skipper, who needs none.")


def groups(sheet: SettingsSheet, key: str, line: int | None) -> None:
    """Answer a request for the groups of a user."""
    sheet.note(key, line, "the user is added only to the groups sudo, logboat and adm")


def connect(sheet: SettingsSheet, key: str, line: int | None) -> None:
    """Answer a request for Raspberry Pi Connect."""
    text = "Raspberry Pi Connect is not installed, so the token is not used"
    sheet.note(key, line, text, "Log in by SSH instead.")


def usb_gadget(sheet: SettingsSheet, key: str, line: int | None) -> None:
    """Answer a request for the network over the USB cable."""
    text = "the network over a USB cable (USB gadget mode) is not supported"
    sheet.note(key, line, text, "Use Ethernet or Wi-Fi.")


def bus(sheet: SettingsSheet, key: str, line: int | None) -> None:
    """Answer a request to enable I2C, SPI or 1-wire."""
    text = "sensors.toml determines which buses are enabled"
    sheet.note(key, line, text, "Describe the sensors in logboat/sensors.toml; their buses are then enabled.")


def serial(sheet: SettingsSheet, key: str, line: int | None) -> None:
    """Answer a request for the serial port."""
    sheet.note(key, line, "the serial port is not changed", "Enable it in config.txt if you need it.")
