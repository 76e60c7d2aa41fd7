"""The severities of alarms, as documents state them."""

from typing import Final

SEVERITIES: Final = ("nominal", "normal", "alert", "warn", "alarm", "emergency")
"""Signal K's alarm states, in ascending order of severity."""
