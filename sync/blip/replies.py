"""Error replies: their properties, BLIP's own codes, and the parsing of a peer's codes."""

import re
from enum import IntEnum
from typing import Final

from sync.blip.errors import UnsendableMessageError

BLIP_DOMAIN: Final = "BLIP"
"""Default domain, for error replies that do not state one."""
HTTP_DOMAIN: Final = "HTTP"
"""Domain of HTTP status codes, which Sync Gateway and the replication protocol use."""
ERROR_DOMAIN: Final = "Error-Domain"
ERROR_CODE: Final = "Error-Code"

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,10}", re.ASCII)
_LOWEST: Final = -(2**31)
_HIGHEST: Final = 2**31 - 1


class Code(IntEnum):
    """The error codes of BLIP itself (BLIP protocol, section 1.2)."""

    BAD_REQUEST = 400
    FORBIDDEN = 403
    NOT_FOUND = 404
    BAD_RANGE = 416
    HANDLER_FAILED = 501
    UNSPECIFIED = 599


def error_properties(code: int, domain: str) -> dict[str, str]:
    """Return the properties of an error reply.

    Raises UnsendableMessageError if the code is not a signed 32-bit integer.
    """
    if not _LOWEST <= code <= _HIGHEST:
        msg = f"error code {code} does not fit in 32 bits"
        raise UnsendableMessageError(msg)
    return {ERROR_DOMAIN: domain, ERROR_CODE: str(int(code))}


def parse_code(text: str) -> int:
    """Parse a peer's error code. Return 0 if it is invalid."""
    if not _INTEGER.fullmatch(text):
        return 0
    code = int(text)
    return code if _LOWEST <= code <= _HIGHEST else 0
