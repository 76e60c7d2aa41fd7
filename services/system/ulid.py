"""ULIDs: ids for documents that have no number, which sort by time of creation.

They have 26 characters of Crockford's base 32: 48 bits of milliseconds since 1970, then 80 random bits
(https://github.com/ulid/spec).
"""

import os
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH: Final = 26


def ulid(utc: float, *, random: bytes | None = None) -> str:
    """Return a new id.

    `utc` is the time in seconds since 1970. `random` contains ten bytes, by default from the operating
    system.
    """
    moment = min(max(round(utc * 1000), 0), 2**48 - 1)
    number = moment << 80 | int.from_bytes(os.urandom(10) if random is None else random)
    return "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(LENGTH)))
