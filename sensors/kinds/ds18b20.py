"""Kind `ds18b20`: a thermometer on the 1-wire bus, through the kernel's `w1_therm`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from sensors.chips.kernel_driver import BusReading, KernelDriver, Range, range_fact
from sensors.chips.sysfs import Chip, Wiring, config_line, read_text
from sensors.driver import DriverError, options_of
from sensors.header_pins import bus_on_header
from sensors.kind import SensorKind
from sensors.settings import Fact, Options, SensorSettings
from sensors.state import SensorState
from sensors.toml.declarations import key, section
from sensors.toml.schema import choice
from sensors.toml.value_forms import ValueForm, parses
from sensors.units import ZERO_CELSIUS, InputError, format_duration, shown
from sensors.wiring_picture import Picture, Wire

CHIP: Final = Chip(
    title="DS18B20", wiring=Wiring.ONE_WIRE, addresses=range(0), overlay=lambda _bus, _address: "w1-gpio"
)


READ_S: Final = 0.8
"""Time in seconds for one read: 750 ms for a conversion with 12 bits, and two transfers over the bus.

Source: DS18B20 data sheet. A transfer takes about 10 ms.
"""


@parses(ValueForm("text", limits="28- followed by 12 hexadecimal digits"))
def parse_address(raw: Any) -> str:
    """Parse the name of a DS18B20 on the 1-wire bus, such as `28-0316a2795cff`."""
    name = raw.lower() if isinstance(raw, str) else ""
    family, _, serial = name.partition("-")
    if family == "28" and len(serial) == 12 and set(serial) <= set("0123456789abcdef"):
        return name
    raise InputError(
        f"{shown(raw)} is not the address of a DS18B20",
        "Write 28- followed by 12 digits or letters a to f, as in /sys/bus/w1/devices.",
    )


@section
class Ds18b20Options(Options):
    """Options of the kind `ds18b20`."""

    address: str | None = key(
        parse_address,
        default=None,
        example='"28-0316a2795cff"',
        meaning="Name of the thermometer on the bus, as in `/sys/bus/w1/devices`.",
        without="the only thermometer on the bus",
    )
    measure: str = key(
        choice("temperature"), default="temperature", example='"temperature"', meaning="Quantity to record."
    )


def find_thermometer(root: Path, address: str | None) -> Path:
    """Return the directory of the DS18B20 with this address (`28-0316a2…`).

    The address None selects the only DS18B20 on the bus. Raises `DriverError` if the thermometer is missing,
    or if there are several and the address is None.
    """
    folder = root / "sys/bus/w1/devices"
    if not folder.is_dir():
        raise DriverError(f"there is no 1-wire bus ({folder} does not exist); {config_line('w1-gpio')}")
    there = sorted(path.name for path in folder.glob("28-*"))
    if address is None:
        if len(there) > 1:
            raise DriverError(
                f"there are {len(there)} thermometers on the 1-wire bus ({', '.join(there)}); set address"
            )
        if not there:
            raise DriverError("no DS18B20 answers on the 1-wire bus; check its wires and the 4.7 kΩ pull-up")
        return folder / there[0]
    if address not in there:
        others = f"; others that answer: {', '.join(there)}" if there else "; no other thermometer answers"
        raise DriverError(f"{address} does not answer on the 1-wire bus{others}; check its wires")
    return folder / address


@dataclass(frozen=True, slots=True)
class Scratchpad:
    """The nine bytes that a DS18B20 sent, as `w1_therm` prints them."""

    data: bytes
    crc_good: bool
    millidegrees: int
    """Temperature in thousandths of a degree Celsius."""


_SCRATCHPAD: Final = re.compile(r"((?:[0-9a-f]{2} ){9}): crc=[0-9a-f]{2} (YES|NO)\s.*?\bt=(-?\d+)", re.DOTALL)


def parse_scratchpad(text: str) -> Scratchpad | None:
    """Parse the text of the attribute `w1_slave`; return None if it has a different form.

    The text is empty if a conversion failed.
    """
    match = _SCRATCHPAD.match(text)
    if match is None:
        return None
    return Scratchpad(bytes.fromhex(match[1]), match[2] == "YES", int(match[3]))


def doubt(scratchpad: Scratchpad, *, previous: float | None) -> str:
    """Return the reason to reject a reading, or '' if the reading is plausible.

    `previous` is the last good reading in kelvin, or None if there is no recent one.

    The chip's register contains 85 °C from power-up until the first conversion ends. On the manufacturer's
    own chips byte 6 distinguishes the two cases: 0x0C after power-up, 0x10 after a conversion to 85 °C
    (w1_therm uses bit 0 of `features` for the same check). Clones have other values in byte 6. Their 85.0 °C
    is accepted only if the previous reading differs by less than 5 K. Nine zero bytes pass the CRC, but byte
    4 of a real chip is never 0.
    """
    if not scratchpad.crc_good:
        return "the CRC is wrong; check the length of the wire, and keep it away from sources of interference"
    if not any(scratchpad.data):
        return "only zeros were read; check whether the data wire is shorted to ground"
    power_up, converted = 0x0C, 0x10
    mark = scratchpad.data[6]
    if mark == power_up and scratchpad.data[:2] == b"\xff\x07":
        return "127.94 °C, because the supply is too weak for a conversion"
    if scratchpad.millidegrees == 85_000 and mark != converted:
        near = previous is not None and abs(previous - (85 + ZERO_CELSIUS)) < 5
        if mark == power_up or not near:
            return "85 °C, because the sensor was just reset or powered up; check its supply wire"
    return ""


class ThermometerDriver(KernelDriver):
    """Driver of a DS18B20 through `w1_therm`; one read takes `READ_S`.

    1-wire sensors briefly stop answering at times, so an unreadable or implausible reading is skipped. The
    driver reports a fault when there has been no good reading for `PATIENCE_NS` or three intervals, whichever
    is longer, and in at least `PATIENCE_READS` reads. The number of reads is needed because one round on a
    bus with many sensors can take longer than 10 s.
    """

    PATIENCE_NS: ClassVar[int] = 10_000_000_000
    PATIENCE_READS: ClassVar[int] = 3
    RANGE: ClassVar[Range] = Range(-55 + ZERO_CELSIUS, 125 + ZERO_CELSIUS, "K")

    def __init__(self, settings: SensorSettings, *, root: Path) -> None:
        super().__init__(settings, root=root, lane="w1")
        self._patience_ns = self.patience_ns(settings)
        self._address = options_of(settings, Ds18b20Options).address
        self._previous: float | None = None
        self._good_ns: int | None = None
        self._bad_reads = 0
        """Number of consecutive reads without a plausible value."""

    @classmethod
    def patience_ns(cls, settings: SensorSettings) -> int:
        """Return the time in nanoseconds without a good reading after which a sensor is `failed`."""
        return max(cls.PATIENCE_NS, 3 * round(settings.interval_s * 1e9))

    def find(self) -> Path:
        """Find the thermometer by its address, or the only thermometer on the bus if no address is set."""
        self._good_ns, self._bad_reads = None, 0
        return find_thermometer(self._root, self._address)

    def read(self, directory: Path, now_ns: int) -> BusReading | None:
        """Return a temperature in kelvin, or None while a failure is too recent to count as a fault."""
        if self._good_ns is None:
            self._good_ns = now_ns  # the time without a good reading counts from the first read
        try:
            if not directory.is_dir():  # the sensor disappeared: it may have returned, or been replaced
                directory = self._directory = find_thermometer(self._root, self._address)
            reading = self._measure(directory)
        except DriverError as error:
            self._bad_reads += 1
            silent_ns = now_ns - self._good_ns
            if silent_ns <= self._patience_ns or self._bad_reads < self.PATIENCE_READS:
                return None
            self._previous = None
            raise DriverError(f"no good reading for {self._patience_ns / 1e9:g} s: {error}") from error
        self._good_ns, self._bad_reads = now_ns, 0
        self._previous = None if reading.value is None else float(reading.value)
        return reading

    def _measure(self, directory: Path) -> BusReading:
        text = read_text(directory / "w1_slave")
        scratchpad = parse_scratchpad(text)
        if scratchpad is None:
            raise DriverError("the conversion failed" if not text else f"w1_slave contains {text[:40]!r}")
        doubts = doubt(scratchpad, previous=self._previous)
        if doubts:
            raise DriverError(doubts)
        return self.RANGE.reading(scratchpad.millidegrees / 1000 + ZERO_CELSIUS)


def _facts(settings: SensorSettings, _written: Mapping[str, Any]) -> Iterator[Fact]:
    address = options_of(settings, Ds18b20Options).address
    which = address or "the only thermometer"
    yield "wiring", f"{which} on the 1-wire bus; {bus_on_header(CHIP.wiring.lane(None))}"
    subject, beyond = range_fact(ThermometerDriver.RANGE, settings)
    patience = format_duration(ThermometerDriver.patience_ns(settings) / 1e9)
    yield subject, f"{beyond}; {SensorState.FAILED} after {patience} without a good reading"


KIND: Final = SensorKind(
    name="ds18b20",
    title="Thermometer: DS18B20",
    measures="temperatures from -55 to 125 °C",
    description="""\
A DS18B20 is a thermometer on the 1-wire bus. Several thermometers can share the three wires, and each of
them then needs an `address`. To find the address of a thermometer, connect it alone, and list
`/sys/bus/w1/devices`. The thermometers on a bus are read one after the other, which takes 0.8 s each. With
the usual interval of 10 s, a bus can have 12 of them. For more thermometers, set a longer interval with
`every`.

Connect all three wires. Without the supply wire, the voltage can be too low for a conversion. Readings with
a wrong checksum are skipped, and so is the value 85 °C, which the chip reports after a loss of power. If
there is no good reading for 10 s, or for three intervals, the sensor is `failed`.""",
    options=Ds18b20Options,
    driver=lambda settings, context: ThermometerDriver(settings, root=context.root),
    facts=_facts,
    chips={"ds18b20": CHIP},
    unit=lambda values: "K" if values["measure"] else None,
    interval_s=10.0,
    fastest_hz=1.0,
    read_s=READ_S,
    wiring=Picture(
        "DS18B20",
        (
            Wire("3V3", "VDD", bridge="4.7 kΩ"),
            Wire("GPIO4", "DQ"),
            Wire("GND", "GND"),
        ),
    ),
    example="""\
[[sensor]]
id = "exhaust"
name = "Exhaust elbow"
kind = "ds18b20"
address = "28-0316a2795cff"
path = "propulsion.main.exhaustTemperature"
alarm = { above = "75 °C", for = "20 s", severity = "alarm", text = "The exhaust is hot" }
""",
)
