"""Error replies: their properties, BLIP's own codes, and reading those of a peer."""

import re
from enum import IntEnum
from typing import Final

from sync.blip.errors import UnsendableMessageError

BLIP_DOMAIN: Final = "BLIP"
"""Of errors that say no other."""
HTTP_DOMAIN: Final = "HTTP"
"""Whose codes are HTTP's status codes; what Sync Gateway and the replication protocol use."""
ERROR_DOMAIN: Final = "Error-Domain"
ERROR_CODE: Final = "Error-Code"

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,10}", re.ASCII)
_LOWEST: Final = -(2**31)
_HIGHEST: Final = 2**31 - 1


class Code(IntEnum):
    """BLIP's own codes (BLIP protocol, section 1.2)."""

    BAD_REQUEST = 400
    FORBIDDEN = 403
    NOT_FOUND = 404
    BAD_RANGE = 416
    HANDLER_FAILED = 501
    UNSPECIFIED = 599


def error_properties(code: int, domain: str) -> dict[str, str]:
    """The properties of an error reply; UnsendableMessageError if the code is no signed 32-bit integer."""
    if not _LOWEST <= code <= _HIGHEST:
        msg = f"error code {code} does not fit 32 bits"
        raise UnsendableMessageError(msg)
    return {ERROR_DOMAIN: domain, ERROR_CODE: str(int(code))}


def parse_code(text: str) -> int:
    """The code that a peer gave; 0 if it is none."""
    if not _INTEGER.fullmatch(text):
        return 0
    code = int(text)
    return code if _LOWEST <= code <= _HIGHEST else 0
