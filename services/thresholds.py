"""From when on something is told: one figure for lights, `status` and doctor, so that they say the same."""

from typing import Final

DURABLE_WITHIN_S: Final = 8.0
"""Age of the last durable write. A recorder commits every second, and without samples every 5 s
(`recording.HEARTBEAT_MS`)."""
NEARLY_FULL: Final = 0.05
"""Share of the card below which free room is short; retention leaves more, unless others take it."""
EXPIRES_SOON_S: Final = 30 * 86_400.0
"""Before a certificate's end."""
