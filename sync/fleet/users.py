"""The crew's password hashes in the configuration: `scrypt$<n>$<r>$<p>$<salt>$<hash>`, in unpadded base64.

    make_hash("…", os.urandom(16))      # "scrypt$8192$8$1$…$…"
    verify(stored, "…")                 # True

A check uses 8 MiB of memory, and takes about 20 ms on a laptop. A Raspberry Pi Zero 2 W is several times
slower. The parameters are part of the string, so that they can be raised later while old hashes stay valid.
"""

import base64
import binascii
import hashlib
import hmac
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from sync.fleet.errors import PasswordHashError

N: Final = 8192
R: Final = 8
P: Final = 1
"""Parallelisation parameter p of scrypt (RFC 7914).

With the parameters N and R, a check needs 128 · N · R bytes of memory (8 MiB), and its work is N · R · P.
"""
SALT_BYTES: Final = 16
HASH_BYTES: Final = 32
MOST_MEMORY: Final = 16 * 2**20
"""Maximum memory, in bytes, that checking a hash may use. The smallest appliance has 512 MiB."""
MOST_WORK: Final = 2**20
"""Maximum product N · r · p of a hash's parameters, so that checking a hash cannot overload the machine.

This is 16 times the product of the parameters in hashes that Logboat creates.
"""
SHORTEST: Final = 8
"""Minimum length of a password, in characters."""
LONGEST: Final = 1024


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """A password hash, parsed into its parts."""

    n: int
    r: int
    p: int
    salt: bytes = field(repr=False)
    hash: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"scrypt${self.n}${self.r}${self.p}${_encode(self.salt)}${_encode(self.hash)}"


def parse(stored: str) -> PasswordHash:
    """Parse a hash from the configuration. Raises PasswordHashError if it is invalid."""
    kind, *fields = stored.split("$")
    if kind != "scrypt" or len(fields) != 5:
        text = "the hash does not have the form scrypt$n$r$p$salt$hash"
        raise PasswordHashError(text)
    try:
        n, r, p = (_whole(number) for number in fields[:3])
        salt, digest = (_decode(encoded) for encoded in fields[3:])
    except ValueError:
        text = "the hash has invalid numbers or invalid base64"
        raise PasswordHashError(text) from None
    if n < 2 or n & (n - 1) or not (r and p) or 128 * r * n > MOST_MEMORY or n * r * p > MOST_WORK:
        text = (
            f"the hash has parameters that are not accepted here (at most {MOST_MEMORY >> 20} MiB of memory)"
        )
        raise PasswordHashError(text)
    if len(salt) < 8 or len(digest) != HASH_BYTES:
        text = "the salt or the hash is too short or too long; check that it was copied completely"
        raise PasswordHashError(text)
    return PasswordHash(n, r, p, salt, digest)


def make_hash(password: str, salt: bytes) -> str:
    """Return the hash of a password. `salt` is 16 random bytes.

    Raises PasswordHashError if the password is too short or too long, or contains characters that clients
    cannot send.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        text = f"the password must have {SHORTEST} to {LONGEST} characters"
        raise PasswordHashError(text)
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in password):
        text = "the password must not contain control characters"
        raise PasswordHashError(text)
    return str(PasswordHash(N, R, P, salt, _scrypt(password, N, R, P, salt)))


def verify(stored: str, password: str) -> bool:
    """Return True if the password is correct. Checking a wrong password of valid length takes the same time.

    The check is slow, and must not run in an event loop. Raises PasswordHashError if `stored` is not a hash.
    """
    parsed = parse(stored)
    if len(password) > LONGEST:
        return False
    return hmac.compare_digest(_scrypt(password, parsed.n, parsed.r, parsed.p, parsed.salt), parsed.hash)


def checker(hashes: Mapping[str, str]) -> Callable[[str, str], bool]:
    """Return a function that checks a user name and a password that a listener has received.

    `hashes` contains the password hashes by user name. Checking an unknown name takes as long as checking a
    known one. Raises PasswordHashError if a hash is invalid.
    """
    for stored in hashes.values():
        parse(stored)
    stranger = str(PasswordHash(N, R, P, bytes(SALT_BYTES), bytes(HASH_BYTES)))

    def ok(user: str, password: str) -> bool:
        return verify(hashes.get(user, stranger), password) and user in hashes

    return ok


def _scrypt(password: str, n: int, r: int, p: int, salt: bytes) -> bytes:
    # Normalised, because keyboards compose accents in different ways (RFC 8265, 4.2.2).
    normalized = unicodedata.normalize("NFC", password).encode(errors="surrogatepass")
    memory = 128 * r * (n + p + 2) + 2**20  # the memory that OpenSSL counts, plus a reserve
    return hashlib.scrypt(normalized, salt=salt, n=n, r=r, p=p, dklen=HASH_BYTES, maxmem=memory)


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ValueError
    return int(text)


def _encode(content: bytes) -> str:
    return base64.b64encode(content).decode().rstrip("=")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError from error
