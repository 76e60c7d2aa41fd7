"""Removes secrets from text.

Secrets are recognised in two ways: by format (keys, hashes, anything after `password`), and by value. A
secret from the vessel's own files is removed wherever it occurs, including in log lines.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote

from sensors.plaintext import clean

REMOVED: Final = "(removed)"
_LEAST: Final = 4
"""Minimum length, in characters, of a secret to remove by value. Shorter ones would match harmless text."""
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
"""Lengths to which values are truncated in messages (`sensors.units.shown`) and logs, in characters."""


def _forms_of(value: str) -> Iterator[str]:
    """Yield the forms in which a secret may appear in logs, JSON, URLs and messages, in full or truncated."""
    for whole in (value, clean(value)):
        for cut in (whole, *(whole[:length] for length in _CUT if len(whole) > length)):
            yield cut
            yield json.dumps(cut)[1:-1]
            yield json.dumps(cut, ensure_ascii=False)[1:-1]
            yield repr(cut)[1:-1]
            yield quote(cut.encode(errors="replace"), safe="")


class Remover:
    """A filter that removes secrets from text."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        """Create a filter that removes `values` as well as secrets with a known format."""
        forms = {form for value in values for form in _forms_of(value.strip())}
        self._values = sorted((value for value in forms if len(value) >= _LEAST), key=len, reverse=True)

    def clean(self, text: str) -> str:
        """Return `text` with all secrets removed."""
        for form in _FORMS:
            text = form.sub(REMOVED, text)
        text = _NAMED.sub(lambda match: f'{match[1]}"{REMOVED}"', text)
        for value in self._values:
            text = text.replace(value, REMOVED)
        return text
