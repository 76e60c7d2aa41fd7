"""Takes secrets out of texts. Pure.

Two ways at once: by form (keys, hashes, whatever stands behind `password`), and by value: what the vessel's
own files have as secrets is taken out wherever it stands, in a log line, too.
"""

import re
from collections.abc import Iterable
from typing import Final

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
    r"(?im)([\"']?\b(?:password|password_hash|passphrase|psk|wpa-psk|secret|session|token|key-mgmt-key|sae_password)\b"
    r"[\"']?\s*[=:]\s*)(\"[^\"\n]*\"|'[^'\n]*'|[^\s,}\]\n]+)"
)


class Remover:
    """Takes out what is secret."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        """`values`: secrets of this vessel."""
        found = {value.strip() for value in values}
        self._values = sorted((value for value in found if len(value) >= _LEAST), key=len, reverse=True)

    def clean(self, text: str) -> str:
        """The text without them."""
        for form in _FORMS:
            text = form.sub(REMOVED, text)
        text = _NAMED.sub(lambda match: f'{match[1]}"{REMOVED}"', text)
        for value in self._values:
            text = text.replace(value, REMOVED)
        return text
