"""Kind `analog`: the voltage at an ADC, converted to the quantity that a sender measures.

A sensor outside its electrical range never has a value: its state is `open` or `short`. `sensors.chips.adc`
reads the voltage, `sensors.senders` contains the arithmetic, and `sensors.analog` defines the keys.
"""

from pathlib import Path
from typing import Final

from sensors.analog.checks import check
from sensors.analog.facts import facts
from sensors.analog.options import AnalogOptions
from sensors.chips.adc import ADS_FULL_SCALES_V, CHIPS, AdcInput, ads_full_scale, ads_gain, find_input
from sensors.chips.kernel_driver import BusReading, KernelDriver
from sensors.driver import DriverError, options_of
from sensors.kind import SensorKind, Values
from sensors.senders import Conversion
from sensors.settings import SensorSettings
from sensors.state import SensorState
from sensors.wiring_picture import Picture, Wire


def measure(volts: float, conversion: Conversion) -> BusReading:
    """Convert `volts` at the sender to a value in the path's unit, or to a wiring fault."""
    state = conversion.state(volts)
    if state is SensorState.GOOD:
        return BusReading(conversion.value(volts))
    return BusReading(None, state, conversion.fault(volts))


class AnalogDriver(KernelDriver):
    """Driver of the kind `analog`."""

    def __init__(self, settings: SensorSettings, *, root: Path) -> None:
        self._options = options_of(settings, AnalogOptions)
        self._chip = CHIPS[self._options.chip]
        self._conversion = self._options.conversion
        super().__init__(settings, root=root, lane=self._chip.wiring.lane(self._options.bus))
        self._input: AdcInput | None = None

    def find(self) -> Path:
        """Find the converter by its bus and address.

        Raises `DriverError` if the chip is missing, or if it cannot measure the whole electrical range.
        """
        options = self._options
        self._input = found = find_input(
            self._root,
            options.chip,
            options.channel,
            bus=options.bus,
            address=options.address,
            reference_v=options.reference_v,
            is_signed=options.is_signed,
        )
        full_v = found.full_v * options.divider
        high_v = options.highest_v
        if high_v > full_v * (1 + 1e-6):
            remedy = "lower valid"
            if options.full_scale_v is not None:
                gain = ads_gain(ads_full_scale(high_v / options.divider))
                full = f"…_gain={gain} is {ADS_FULL_SCALES_V[gain]} V"
                remedy = f"restart, so that the chip's line in config.txt takes effect ({full})"
            raise DriverError(
                f"{self._chip.title} measures up to {full_v:.4g} V, but a working sender can have up to"
                f" {high_v:.4g} V, so a broken wire could be mistaken for a value; {remedy}"
            )
        return found.attribute.parent

    def read(self, directory: Path, now_ns: int) -> BusReading | None:  # noqa: ARG002
        """Return the value on the channel, or the fault of its wires."""
        assert self._input is not None
        measured = self._input.read()
        volts = measured.volts * self._options.divider
        if not measured.is_beyond:
            return measure(volts, self._conversion)
        state = self._conversion.above if volts > 0 else self._conversion.below
        return BusReading(None, state, f"the {self._chip.title} reads the end of its range, {volts:.4g} V")


def _unit(values: Values) -> str | None:
    """Return the SI unit that the keys imply; None if they can describe any quantity."""
    if values.get("beta") is not None:
        return "K"
    return "A" if values.get("shunt") is not None else None


KIND: Final = SensorKind(
    name="analog",
    title="Analog sender: MCP3008, MCP3208 or ADS1115",
    measures="levels, pressures, temperatures, angles and currents from senders, thermistors, 4-20 mA"
    " transmitters, voltages and shunts",
    description="""\
The Raspberry Pi cannot measure voltages. An analog-to-digital converter (ADC) measures the voltage at a
sender. The MCP3008 has 8 inputs with 10 bits, the MCP3208 8 inputs with 12 bits, and the ADS1115 4 inputs
with 15 bits.

Write the values from the sender or from its data sheet. Logboat computes the resistance, the current or
the voltage at each sample, and from it the value. It also computes the voltages of a working sender. Any
other voltage is recorded as `open` or `short`, never as a number. `logboat config check` shows these
voltages, so that you can compare them with a multimeter.

Each sensor has one of the keys `sender`, `beta`, `shunt` and `calibration`:

| part | keys |
| --- | --- |
| resistive sender | `sender` in ohm, and `pull_up` |
| 4-20 mA transmitter | `sender` in mA, and `loop_resistor` |
| sender with a voltage output | `sender` in V, and usually `divider` |
| NTC thermistor | `beta`, `r25` and `pull_up` |
| shunt | `shunt` |
| any other | `calibration` in V, and `valid` |

[Analog senders](../senders.md) shows a circuit and a complete configuration for each part. For any other
circuit, measure the voltage at several known values, and write these pairs as `calibration`.

Each input of an ADS1115 has a full scale of its own. Logboat selects the smallest one that covers the range
of the sender, and writes it into `config.txt`. To select another one, set `gain`, such as
`gain = "4.096 V"`. At most 4 inputs of one ADS1115 can be read, including differential inputs.""",
    options=AnalogOptions,
    driver=lambda settings, context: AnalogDriver(settings, root=context.root),
    unit=_unit,
    check=check,
    facts=facts,
    chips=CHIPS,
    wiring=Picture(
        "MCP3008",
        (
            Wire("3V3", "VDD, VREF"),
            Wire("GPIO11 (SCLK)", "CLK"),
            Wire("GPIO9 (MISO)", "DOUT"),
            Wire("GPIO10 (MOSI)", "DIN"),
            Wire("GPIO8 (CE0)", "CS"),
            Wire("GND", "AGND, DGND"),
        ),
        next=Picture(
            "tank sender", (Wire("VDD", "", bridge="240 Ω"), Wire("CH0", "signal"), Wire("AGND", "ground"))
        ),
    ),
    example="""\
[[sensor]]
id = "fuel-level"
name = "Fuel"
kind = "analog"
chip = "mcp3008"
channel = 0
sender = [["240 ohm", "0 %"], ["33 ohm", "100 %"]]
pull_up = "240 ohm"             # resistor from the sender to 3.3 V
path = "tanks.fuel.main.currentLevel"
every = "10 s"
alarm = { below = 0.15, for = "5 min", severity = "warn", text = "Fuel is low" }
""",
)
