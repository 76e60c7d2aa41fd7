"""GPIO lines that several sensors of one process use at the same time.

The kernel grants a line only once. So the first sensor on a pin requests the line, and further sensors with
the same electrical settings share it. The line is released when no sensor uses it. If a line fails, each of
its sensors reports the error at its next poll. The first sensor that is opened again then requests the line.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from sensors.driver import DriverError

from .pin_keys import Pull


@dataclass(frozen=True, slots=True)
class ElectricalSettings:
    """Settings of a line that must be the same for all sensors that use it."""

    pull: Pull
    active_low: bool
    debounce_s: float
    """Time in seconds of the kernel's debounce; 0 for none."""


class SharedLine(Protocol):
    """Interface of a line that sensors can share."""

    settings: ElectricalSettings
    users: int
    """Number of sensors that use the line; only `SharedLines` changes it."""
    broken: OSError | None
    """Error that made the line fail; None while the line works."""

    def close(self) -> None:
        """Release the line; safe to call twice."""
        ...


Line = TypeVar("Line", bound=SharedLine)


class SharedLines(Generic[Line]):
    """The requested lines of one type, by pin. It can be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[int, Line] = {}

    def join(self, pin: int, settings: ElectricalSettings, request: Callable[[], Line]) -> Line:
        """Return the line of a pin. For the first sensor on the pin, call `request` to request the line.

        Raises `DriverError` if the line is in use with other settings, and any error of `request`.
        """
        with self._lock:
            line = self._lines.get(pin)
            if line is not None and line.broken is not None:
                del self._lines[pin]
                line.close()
                line = None
            if line is None:
                line = self._lines[pin] = request()
            elif line.settings != settings:
                raise DriverError(
                    f"GPIO{pin} is already used by another sensor with other electrical settings; write the"
                    " same pull, active and debounce for all sensors on this pin"
                )
            line.users += 1
            return line

    def leave(self, pin: int, line: Line) -> None:
        """Remove one user of a line that `join` returned, and release the line if no user is left."""
        with self._lock:
            line.users -= 1
            if line.users > 0:
                return
            if self._lines.get(pin) is line:
                del self._lines[pin]
            line.close()
