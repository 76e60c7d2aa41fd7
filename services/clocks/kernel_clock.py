"""Reads the state of the kernel's clock, and corrects the clock (`adjtimex`, linux/timex.h)."""

import ctypes
import math
import os
from dataclasses import dataclass
from typing import Final

STA_PLL: Final = 0x0001
"""Status bit: the phase-locked loop is enabled.

Time services set this bit while they discipline the clock.
"""
STA_UNSYNC: Final = 0x0040
"""Status bit that is set while no time service disciplines the clock."""
_ADJ_MAXERROR: Final = 0x0004
_ADJ_ESTERROR: Final = 0x0008
_ADJ_STATUS: Final = 0x0010
_ADJ_SETOFFSET: Final = 0x0100
_ADJ_NANO: Final = 0x2000
_ADJ_OFFSET_SINGLESHOT: Final = 0x8001
"""Mode: correct the clock gradually, by 0.5 ms per second. It cannot be combined with other modes."""


class _Timex(ctypes.Structure):
    """The C type `struct timex`, with padding in place of fields that are not used."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time_s", ctypes.c_long),
        ("time_fraction", ctypes.c_long),
        ("rest", ctypes.c_byte * 216),
    )


@dataclass(frozen=True, slots=True)
class KernelClock:
    """State of the kernel's clock."""

    is_synced: bool
    """True if a time service disciplines the clock."""
    max_error_s: float
    """Maximum error in seconds. Without corrections, the kernel increases it by 0.5 ms in each second."""


def read() -> KernelClock:
    """Return the state of the clock. Raise OSError if the kernel cannot be queried."""
    timex = _call(_Timex())
    return KernelClock(not timex.status & STA_UNSYNC, timex.maxerror / 1e6)


def step(by_s: float, *, uncertainty_s: float) -> None:
    """Set the clock forward or back by `by_s` seconds, and mark it as synchronised.

    Raise OSError if that fails.
    """
    timex = _synced(uncertainty_s)
    timex.modes |= _ADJ_SETOFFSET | _ADJ_NANO
    timex.time_s = math.floor(by_s)
    timex.time_fraction = min(round((by_s - math.floor(by_s)) * 1e9), 999_999_999)
    _call(timex)


def confirm(*, uncertainty_s: float) -> None:
    """Mark the clock as synchronised without changing its time. Raise OSError if that fails."""
    _call(_synced(uncertainty_s))


def slew(by_s: float, *, uncertainty_s: float) -> None:
    """Correct the clock gradually by `by_s` seconds, and mark it as synchronised.

    Raise OSError if that fails.
    """
    confirm(uncertainty_s=uncertainty_s)
    _call(_Timex(modes=_ADJ_OFFSET_SINGLESHOT, offset=round(by_s * 1e6)))


def _synced(uncertainty_s: float) -> _Timex:
    error = round(uncertainty_s * 1e6)
    return _Timex(
        modes=_ADJ_STATUS | _ADJ_MAXERROR | _ADJ_ESTERROR, status=STA_PLL, maxerror=error, esterror=error
    )


def _call(timex: _Timex) -> _Timex:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.adjtimex(ctypes.byref(timex)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return timex
