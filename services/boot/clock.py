"""Estimates the current time at boot, on a machine whose clock may be wrong."""

import contextlib
from datetime import UTC, datetime
from pathlib import Path

from services.system import machine


def now(data: Path, *, utc: float) -> datetime:
    """Return the latest of the clock's time, the image's date, and the times when the stores last changed."""
    times = [utc, machine.image_epoch()]
    for name in ("samples.db", "log.db"):
        with contextlib.suppress(OSError):
            times.append((data / name).stat().st_mtime)
    return datetime.fromtimestamp(max(times), UTC)
