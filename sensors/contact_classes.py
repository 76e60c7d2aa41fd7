"""Home Assistant's device classes of contacts, according to their Signal K paths.

Source: home-assistant.io, "Binary sensor", "Device class". For each of these classes, `on` is the state that
an active contact has in Logboat: open, wet, detected, running or faulty.
"""

import re
from typing import Final

_CLASSES: Final = (
    ("smoke", "smoke fire"),
    ("carbon_monoxide", "co carbonmonoxide"),
    ("gas", "gas lpg propane"),
    ("moisture", "flood leak wet highwater"),
    ("tamper", "tamper"),
    ("motion", "motion pir"),
    ("vibration", "vibration"),
    ("window", "window porthole portlight"),
    ("door", "door companionway"),
    ("opening", "hatch lid locker cover"),
    ("battery_charging", "charging"),
    ("power", "available"),
)
"""Device classes with the words of the paths to which they apply. The first matching class applies."""
_PATTERNS: Final = (
    (re.compile(r"security\..*"), "opening"),
    (re.compile(r"notifications\..*"), "problem"),
    (re.compile(r"propulsion\.[^.]+\.state"), "running"),
    (re.compile(r".*\.(pump|fan|blower|compressor|generator|watermaker|heater)\.state"), "running"),
    (re.compile(r".*\.running"), "running"),
)
"""Patterns of paths with their device classes, for paths without any of the words."""
_BY_WORD: Final = {
    word: (rank, name) for rank, (name, words) in enumerate(_CLASSES) for word in words.split()
}
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def contact_class(path: str) -> str | None:
    """Return the device class of a contact with this path, or None if the path does not imply one."""
    words = {text.casefold() for text in (*path.split("."), *_WORD.findall(path))}
    found = [_BY_WORD[word] for word in words if word in _BY_WORD]
    if found:
        return min(found)[1]
    return next((name for pattern, name in _PATTERNS if pattern.fullmatch(path)), None)
