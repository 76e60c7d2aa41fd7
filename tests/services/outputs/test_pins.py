"""The level of each output is read back, and every difference and every failure is reported."""

from sensors.outputs import OutputSettings
from services.outputs.pins import OutputPins


class Pin:
    """Fake output device whose level can differ from the level that was set."""

    level: bool | None = False
    """Level that is read; None if reading fails."""
    is_writable = True
    is_closed = False

    @property
    def value(self) -> bool:
        if self.level is None:
            raise OSError("Input/output error")
        return self.level

    @value.setter
    def value(self, level: bool) -> None:
        if not self.is_writable:
            raise OSError("Input/output error")
        self.level = level

    def off(self) -> None:
        self.value = False

    def close(self) -> None:
        self.is_closed = True
        if not self.is_writable:
            raise OSError("No such device")


class Lost:
    """Pin factory of a header that no longer works."""

    def __call__(self) -> None:
        raise OSError("No such device")


def pins_with(pin: Pin) -> OutputPins:
    pins = OutputPins([OutputSettings(id="siren", name="Siren", pin=23)], Lost())
    pins._devices["siren"] = pin
    return pins


def test_pin_that_cannot_be_turned_off_is_released_all_the_same() -> None:
    pin = Pin()
    pins = pins_with(pin)
    pin.is_writable = False
    pins.close()
    assert pin.is_closed


def test_pin_that_can_be_neither_written_nor_released_is_a_fault_and_no_crash() -> None:
    pin = Pin()
    pins = pins_with(pin)
    pin.is_writable = False
    pins.show({"siren": True}, 0.0)
    assert pins.faults["siren"] == "Input/output error"
    pins.close()


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
