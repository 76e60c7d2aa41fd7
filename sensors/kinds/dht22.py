"""Kind `dht22`: air temperature and relative humidity from a DHT22, through the kernel's `dht11`."""

import errno
import re
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Any, ClassVar, Final

from sensors.chips.dropout_driver import DropoutDriver
from sensors.chips.kernel_driver import BusReading, Measurement, Range, range_fact
from sensors.chips.sysfs import Subsystem, UnreadableError, config_line
from sensors.driver import DriverError, options_of
from sensors.driver_context import DriverContext
from sensors.gpio.pin_keys import parse_pin
from sensors.header_pins import on_header
from sensors.kind import SensorKind
from sensors.settings import Fact, Options, SensorSettings
from sensors.state import SensorState
from sensors.toml.declarations import key, section
from sensors.toml.schema import choice
from sensors.units import ZERO_CELSIUS, format_duration
from sensors.wiring_picture import Picture, Wire

MEASUREMENTS: Final = {
    "temperature": Measurement(
        "in_temp_input", lambda m: m / 1000 + ZERO_CELSIUS, Range(233.15, 353.15, "K"), "K"
    ),
    "relativeHumidity": Measurement(
        "in_humidityrelative_input", lambda m: m / 100_000, Range(0.0, 1.0, "of 1"), "ratio"
    ),
}
"""Quantities that the key `measure` can select, by its values.

The kernel's units are m°C and m% (`drivers/iio/humidity/dht11.c`); the ranges are from Aosong's data sheet
for the AM2302.
"""
LARGEST_STEPS: Final = {"temperature": 5.0, "relativeHumidity": 0.15}
"""Largest difference from the previous reading, in K or as a ratio, that needs no second reading.

The checksum is a sum of four bytes, and the kernel tries it at several offsets. So a wrong reading can pass.
"""


@section
class Dht22Options(Options):
    """Options of the kind `dht22`."""

    _: KW_ONLY
    pin: int = key(
        parse_pin, example="22", meaning="BCM number of the line, not the position of its pin on the header."
    )
    measure: str = key(
        choice(*MEASUREMENTS),
        example='"relativeHumidity"',
        meaning="Quantity to record. Each sensor records one quantity. Two sensors can have the same pin.",
    )


def overlay(options: Options) -> str:
    """Return the overlay for the pin of a sensor (`/boot/firmware/overlays/README`)."""
    assert isinstance(options, Dht22Options)
    return f"dht11,gpiopin={options.pin}"


_DEVICE: Final = re.compile(r"dht11@([0-9a-f]+)")
"""Name of the device that the overlay creates: the pin is a hexadecimal number."""


def find_dht22(root: Path, options: Dht22Options) -> Path:
    """Return the directory of the DHT22 on a pin; raise `DriverError` if the kernel has none there."""
    others = []
    for directory in sorted((root / Subsystem.IIO.folder).glob(Subsystem.IIO.pattern)):
        match = _DEVICE.fullmatch(directory.resolve().parent.name)
        if match is None:
            continue
        pin = int(match[1], 16)
        if pin == options.pin:
            return directory
        others.append(f"GPIO{pin}")
    elsewhere = f", but one on {', '.join(others)}; set pin accordingly, or" if others else ";"
    raise DriverError(
        f"the kernel has no DHT22 on GPIO{options.pin}{elsewhere} {config_line(overlay(options))}"
    )


class Dht22Driver(DropoutDriver):
    """Driver of a DHT22 through `dht11`.

    The chip has no address and a weak checksum, and the kernel measures times of microseconds, so some reads
    fail while the machine is busy. Both quantities are read each time: the second is in the kernel's cache.
    Readings are skipped if one of the two is impossible, if both are 0, or if a value differs from the
    previous one by more than `LARGEST_STEPS` and the next reading does not confirm it.
    """

    PATIENCE_NS: ClassVar[int] = 30_000_000_000

    def __init__(self, settings: SensorSettings, *, root: Path) -> None:
        self._options = options_of(settings, Dht22Options)
        super().__init__(settings, root=root, lane=f"dht22-{self._options.pin}")
        self._previous: dict[str, float] = {}
        """Values of the last read, even an unconfirmed one, by quantity; empty if there are none."""

    def locate(self) -> Path:
        """Find the device on the sensor's pin."""
        self.forget()
        return find_dht22(self._root, self._options)

    def forget(self) -> None:
        """Discard the last reading."""
        self._previous = {}

    def measure(self, directory: Path, now_ns: int) -> BusReading:  # noqa: ARG002
        """Return the value of the sensor's quantity; raise `DriverError` if it is doubtful."""
        try:
            readings = {name: each.read(directory) for name, each in MEASUREMENTS.items()}
        except UnreadableError as error:
            raise DriverError(_why(error)) from error
        values: dict[str, float] = {}
        for name, reading in readings.items():
            if reading.value is None:
                raise DriverError(f"{name} is impossible: {reading.detail}; check the data wire")
            values[name] = float(reading.value)
        if values["temperature"] == ZERO_CELSIUS and values["relativeHumidity"] == 0:
            raise DriverError("only zeros were read; check the data wire, and its pull-up resistor to 3.3 V")
        previous, self._previous = self._previous, values
        for name, step in LARGEST_STEPS.items():
            if previous and abs(values[name] - previous[name]) > step:
                raise DriverError(
                    f"{name} differs too much from one reading to the next; check the data wire, and"
                    " shorten it"
                )
        return readings[self._options.measure]


def _why(error: UnreadableError) -> str:
    """Return an explanation of an error of the kernel's driver."""
    if error.errno == errno.ETIMEDOUT:
        return "the DHT22 does not answer; check its wires, its supply, and the resistor from DATA to 3.3 V"
    if error.errno == errno.EIO:
        return "the data of the DHT22 are damaged; shorten the cable, and keep it away from interference"
    return str(error)


def _driver(settings: SensorSettings, context: DriverContext) -> Dht22Driver:
    return Dht22Driver(settings, root=context.root)


def _facts(settings: SensorSettings, _written: Mapping[str, Any]) -> Iterator[Fact]:
    options = options_of(settings, Dht22Options)
    yield "wiring", f"DHT22, DATA at {on_header(options.pin)}"
    subject, beyond = range_fact(MEASUREMENTS[options.measure].range, settings)
    patience = format_duration(Dht22Driver.patience_ns(settings) / 1e9)
    beyond = beyond.removeprefix(f"{SensorState.OUT_OF_RANGE} ")
    yield (
        subject,
        f"readings {beyond} are skipped; {SensorState.FAILED} after {patience} without a good reading",
    )


KIND: Final = SensorKind(
    name="dht22",
    title="Climate: DHT22 (AM2302)",
    measures="the temperature and relative humidity of the air",
    description="""\
A DHT22, also sold as AM2302, measures the temperature (-40 to 80 °C) and the relative humidity of the air. It
needs a GPIO pin of its own. Write one `[[sensor]]` for each quantity, both with the same `pin`. No other
sensor can use this pin.

The chip is simple, and some of its readings fail, for example while the Raspberry Pi is busy. Failed readings
are skipped. A value that differs from the previous one by more than 5 K or 15 % is skipped too, until the
next reading confirms it. If there is no good reading for 30 s, or for three intervals, the sensor is
`failed`. The chip measures at most once every 2 s. For a long cable, or in a place where a value must
not be missing, use a `bme280` or `sht3x` instead.

Many boards have the resistor from `DATA` to 3.3 V already. Connect the supply to 3.3 V and not to 5 V: a
resistor to 5 V damages the pin.

Logboat was tested with a simulation of this chip, not yet with a real one.""",
    options=Dht22Options,
    driver=_driver,
    facts=_facts,
    pin_overlay=overlay,
    faults=(
        (
            "the kernel has no DHT22 on GPIO…",
            "Restart: Logboat adds the line to `config.txt`. If the message names a pin, write it.",
        ),
        (
            "the DHT22 does not answer",
            "Check the three wires, the resistor from `DATA` to 3.3 V, and that `pin` is the BCM number.",
        ),
        (
            "the data of the DHT22 are damaged",
            "Shorten the cable, and keep it away from interference. Set a longer interval with `every`.",
        ),
        ("only zeros were read", "Check the data wire and its resistor."),
        (
            "… differs too much from one reading to the next",
            "The readings never agree. Shorten the cable; if this does not help, replace the chip.",
        ),
    ),
    unit=lambda values: each.unit if (each := MEASUREMENTS.get(values["measure"] or "")) else None,
    interval_s=10.0,
    fastest_hz=0.5,  # the kernel reads the chip every 2 s at most (`DHT11_DATA_VALID_TIME`)
    wiring=Picture(
        "DHT22",
        (
            Wire("3V3", "VDD", bridge="4.7 kΩ"),
            Wire("GPIO22", "DATA"),
            Wire("GND", "GND"),
        ),
    ),
    example="""\
[[sensor]]
id = "locker-humidity"
name = "Humidity in the chart locker"
kind = "dht22"
pin = 22
measure = "relativeHumidity"
path = "environment.inside.chartLocker.relativeHumidity"
every = "1 min"
alarm = { above = "80 %", for = "1 h", severity = "warn", text = "The chart locker is damp" }
""",
)
