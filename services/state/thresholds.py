"""Limits at which conditions are reported, shared by lights, `status` and doctor so that they agree."""

from typing import Final

DURABLE_WITHIN_S: Final = 8.0
"""Maximum age of the last durable write while recording, in seconds.

A recorder commits every second, and without samples every 5 s (`group_commit.HEARTBEAT_MS`).
"""
NEARLY_FULL: Final = 0.05
"""Share of the card below which free space is short; retention leaves more, unless others take it."""
EXPIRES_SOON_S: Final = 30 * 86_400.0
"""Seconds before a certificate's expiry from which it is reported."""
