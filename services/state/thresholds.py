"""Limits at which the lights, `status` and the doctor report a condition."""

from typing import Final

DURABLE_WITHIN_S: Final = 8.0
"""Maximum age of the last durable write while recording, in seconds.

A recorder commits every second, or every 5 s if there are no samples (`group_commit.HEARTBEAT_MS`).
"""
NEARLY_FULL: Final = 0.05
"""Fraction of the card's size below which free space is low. Retention normally leaves more free space."""
EXPIRES_SOON_S: Final = 30 * 86_400.0
"""Time before a certificate's expiry at which warnings begin, in seconds."""


def is_nearly_full(*, free: float, total: float) -> bool:
    """Return True if free space on the card is low. `free` and `total` are in bytes."""
    return free < NEARLY_FULL * total


def expires_soon(expires: float | None, *, utc: float) -> bool:
    """Return True if a certificate has expired or expires within `EXPIRES_SOON_S`.

    `expires` and `utc` are in seconds since 1970. `expires` is None if there is no certificate.
    """
    return expires is not None and expires - utc < EXPIRES_SOON_S
