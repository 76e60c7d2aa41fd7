"""Lookup of a vessel's time zone by its name."""

from datetime import UTC, tzinfo


def zone_of(name: str) -> tzinfo:
    """Return the time zone with this name, or UTC if the name is unknown.

    `config check` reports such names.
    """
    if name == "UTC":  # UTC does not need the table of zones, which is slow to load
        return UTC
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
