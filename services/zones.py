"""A vessel's time zone."""

import zoneinfo
from datetime import UTC, tzinfo


def zone_of(name: str) -> tzinfo:
    """The zone of this name; UTC where it is not known, which `config check` tells."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
