"""The sources from which the system clock can get its time, from worst to best."""

from enum import StrEnum


class TimeSource(StrEnum):
    """Source of the current time."""

    FLOOR = "floor"
    RTC = "rtc"
    NETWORK = "network"
    GNSS = "gnss"

    @property
    def rank(self) -> int:
        """Rank of the source, from 0 for the floor (worst) to 3 for GNSS (best)."""
        return list(TimeSource).index(self)

    @property
    def is_external(self) -> bool:
        """True if the source is another clock: a time server, or satellites."""
        return self in (TimeSource.NETWORK, TimeSource.GNSS)
