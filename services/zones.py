"""A vessel's time zone."""

from datetime import UTC, tzinfo


def zone_of(name: str) -> tzinfo:
    """The zone of this name; UTC where it is not known, which `config check` tells."""
    if name == "UTC":  # it needs no table of zones, which takes long to load
        return UTC
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
