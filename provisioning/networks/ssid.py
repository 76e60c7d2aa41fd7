"""Conversion of the names of Wi-Fi networks (SSIDs) between bytes and text.

An SSID consists of up to 32 bytes of any value (IEEE 802.11, 9.4.2.2). Most access points use UTF-8. In text,
each byte that is not part of UTF-8 becomes a lone surrogate (PEP 383), so any SSID can be converted to text
and back.
"""

from typing import Final

MOST_BYTES: Final = 32
"""Maximum length of an SSID (IEEE 802.11, 9.4.2.2)."""


def name_of(octets: bytes) -> str:
    """Return an SSID as text."""
    return octets.decode(errors="surrogateescape")


def octets_of(name: str) -> bytes:
    """Return the bytes of an SSID that is given as text."""
    return name.encode(errors="surrogateescape")
