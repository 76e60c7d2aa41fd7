"""Takes secrets out of texts. Pure.

Two ways at once: by form (keys, hashes, whatever stands behind `password`), and by value: what the vessel's
own files have as secrets is taken out wherever it stands, in a log line, too.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote

from sensors.plaintext import clean

REMOVED: Final = "(removed)"
_LEAST: Final = 4
"""A secret that is shorter would take away half of every text."""
_FORMS: Final = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"scrypt\$[^\s\"',}]+"),
    re.compile(r"(?<=://)[^/\s@\"']+:[^/\s@\"']+(?=@)"),
    re.compile(r"(?<=SyncGatewaySession=)[^;\s\"']+"),
    re.compile(r"(?i)(?<=authorization: )(basic|bearer) [^\s\"']+"),
)
_NAMED: Final = re.compile(
    r"(?im)([\"']?\b(?:password|password_hash|passwd|passphrase|wpa_passphrase|psk|wpa-psk|secret|session|token|key-mgmt-key"
    r"|sae_password)\b"
    r"[\"']?\s*[=:]\s*)(\"(?:[^\"\\\n]|\\.)*(?:\"|$)|'[^'\n]*(?:'|$)|[^\s,}\]\n]+)"
)


_CUT: Final = (40, 80)
"""Characters after which messages cut what they quote (`sensors.quantities.shown`, and logs)."""


def _forms_of(value: str) -> Iterator[str]:
    """Return a secret as logs, JSON, addresses and messages have it, whole or cut."""
    for whole in (value, clean(value)):
        for cut in (whole, *(whole[:length] for length in _CUT if len(whole) > length)):
            yield cut
            yield json.dumps(cut)[1:-1]
            yield json.dumps(cut, ensure_ascii=False)[1:-1]
            yield repr(cut)[1:-1]
            yield quote(cut.encode(errors="replace"), safe="")


class Remover:
    """Takes out what is secret."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        """`values`: secrets of this vessel."""
        found = {form for value in values for form in _forms_of(value.strip())}
        self._values = sorted((value for value in found if len(value) >= _LEAST), key=len, reverse=True)

    def clean(self, text: str) -> str:
        """The text without them."""
        for form in _FORMS:
            text = form.sub(REMOVED, text)
        text = _NAMED.sub(lambda match: f'{match[1]}"{REMOVED}"', text)
        for value in self._values:
            text = text.replace(value, REMOVED)
        return text
