"""Interface through which an application defines how Home Assistant and Signal K show quantities.

This package contains no table of quantities. The application passes a `Presenter` to the gateway.
"""

from collections.abc import Callable
from typing import Protocol


class Presentation(Protocol):
    """Unit and number format in which a quantity is shown."""

    @property
    def factor(self) -> float:
        """Factor in the conversion: SI value = shown number * factor + offset."""

    @property
    def offset(self) -> float:
        """Offset in the conversion: SI value = shown number * factor + offset."""

    @property
    def decimals(self) -> int | None:
        """Number of decimal places to show; None if the quantity has no usual number."""

    @property
    def home_assistant_unit(self) -> str | None:
        """Unit of the shown number as Home Assistant spells it; None for a number without a unit."""

    @property
    def device_class(self) -> str | None:
        """Home Assistant's device class of the quantity; None if Home Assistant has none."""

    @property
    def state_class(self) -> str:
        """Home Assistant's state class of the quantity."""

    @property
    def signalk_unit(self) -> str | None:
        """Unit of the SI value as Signal K writes it; None if Signal K does not define the unit."""


Presenter = Callable[[str, str], Presentation | None]
"""Function that returns the presentation of a quantity, given its SI unit and path.

If the function returns None, the quantity is published as it is stored.
"""


ContactClass = Callable[[str], str | None]
"""Function that returns Home Assistant's device class for the contact with a given path.

If Home Assistant has no suitable class, the function returns None.
"""


def as_stored(_unit: str, _path: str) -> Presentation | None:
    """Return None for every quantity, so that a gateway without a table publishes SI values."""
    return None


def no_class(_path: str) -> str | None:
    """Return None for every contact, so that a gateway without a table announces no device classes."""
    return None
