"""Reader of `cmdline.txt` on the card's first partition, in which Raspberry Pi Imager writes the country.

The firmware does not read this copy, because the systems have partitions of their own. If only the country
was requested and no network, it is in no other file.
"""

import re
from typing import Final

from .requested_settings import SettingsSheet

_COUNTRY: Final = re.compile(r"(?:^|\s)cfg80211\.ieee80211_regdom=(\S*)")


def read(text: str, sheet: SettingsSheet) -> None:
    """Record the country that the file requests."""
    for match in _COUNTRY.finditer(text):
        line = text[: match.start(1)].count("\n") + 1
        sheet.set_value("country", match[1], key="cfg80211.ieee80211_regdom", line=line)
