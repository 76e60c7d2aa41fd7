"""The level of each output is read back, and every difference and every failure is reported."""

from sensors.outputs import OutputSettings
from services.outputs.pins import OutputPins


class Pin:
    """Fake output device whose level can differ from the level that was set."""

    level: bool | None = False
    """Level that is read; None if reading fails."""

    @property
    def value(self) -> bool:
        if self.level is None:
            raise OSError("Input/output error")
        return self.level


def test_level_that_differs_or_cannot_be_read_is_a_fault_until_it_is_right() -> None:
    pins, pin = OutputPins([OutputSettings(id="siren", name="Siren", pin=23)], lambda: None), Pin()
    pins._devices["siren"] = pin
    for level, fault in [
        (False, None),
        (True, "pin 23 is on, but was turned off"),
        (None, "pin 23 cannot be read: Input/output error"),
        (False, None),
    ]:
        pin.level = level
        pins.check()
        assert pins.faults.get("siren") == fault
