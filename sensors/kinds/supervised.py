"""Kind `supervised`: a contact whose cable ends in a resistor, at an ADC.

`sensors.end_of_line` contains the arithmetic of the circuit, and `sensors.chips.adc` reads the voltage. The
driver emits a sample when the contact or the state of the cable changes. A sensor whose cable has a fault
never has a value.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, replace
from pathlib import Path
from typing import Any, Final

from sensors.analog.options import LEAST_OPEN
from sensors.chips.adc import BITS, CHIPS, AdcInput, AdsInput, ads_full_scale, ads_gain, find_input
from sensors.chips.adc_keys import AdcOptions, check_channel, check_place
from sensors.chips.chip_keys import wiring_of_chip
from sensors.chips.kernel_driver import BusReading, KernelDriver
from sensors.driver import DriverError, Emit, options_of
from sensors.end_of_line import LoopState, SupervisedCircuit
from sensors.kind import SensorDraft, SensorKind
from sensors.sample import Totals
from sensors.settings import Fact, SensorSettings
from sensors.signalk_paths import CONTACT
from sensors.state import SensorState
from sensors.toml.declarations import from_values, key, section
from sensors.toml.schema import Table, choice, quantity
from sensors.units import parse
from sensors.wiring_picture import Picture, Wire

_LEAST_SHARE: Final = 0.05
"""Smallest difference between the voltages of two states, as a fraction of the supply voltage.

Smaller differences are within the tolerance of 5 % resistors and the noise on a long cable.
"""
_USUAL_V: Final = 3.3
_LEAST_OHM: Final = "100 ohm"
_MOST_OHM: Final = "1 Mohm"


@section
class SupervisedOptions(AdcOptions):
    """Options of the kind `supervised`."""

    _: KW_ONLY
    pull_up_ohm: float = key(
        quantity("ohm", _LEAST_OHM, _MOST_OHM),
        name="pull_up",
        example='"10 kohm"',
        meaning="Resistor at the converter, from the input to the supply.",
    )
    end_of_line_ohm: float = key(
        quantity("ohm", _LEAST_OHM, _MOST_OHM),
        name="end_of_line",
        example='"10 kohm"',
        meaning="Resistor at the far end of the cable, parallel to the contact and its resistor.",
    )
    in_series_ohm: float | None = key(
        quantity("ohm", _LEAST_OHM, _MOST_OHM),
        name="in_series",
        default=None,
        without="none; a short circuit of the cable then looks like a closed contact",
        example='"2.2 kohm"',
        meaning="Resistor at the far end, in series with the contact.",
    )
    active: str = key(
        choice(LoopState.CLOSED, LoopState.OPEN),
        default=str(LoopState.CLOSED),
        example='"open"',
        meaning="State of the contact when the equipment is active. A normally closed contact opens: `open`.",
    )
    reference_v: float = key(
        quantity("V", "0.5 V", "6 V"),
        name="reference",
        default=_USUAL_V,
        example='"5 V"',
        meaning="Reference voltage of an MCP3008 or MCP3208.",
    )
    supply_v: float | None = key(
        quantity("V", "0.5 V", "6 V"),
        name="supply",
        default=None,
        example='"5 V"',
        meaning="Voltage of the supply to which `pull_up` is connected.",
        without="`reference` of an MCP3008 or MCP3208, or 3.3 V",
    )

    @property
    def circuit(self) -> SupervisedCircuit:
        """Circuit that these options describe."""
        usual_v = self.reference_v if self.chip in BITS else _USUAL_V
        return SupervisedCircuit(
            pull_up_ohm=self.pull_up_ohm,
            end_of_line_ohm=self.end_of_line_ohm,
            in_series_ohm=self.in_series_ohm,
            supply_v=usual_v if self.supply_v is None else self.supply_v,
        )

    @property
    def is_ratiometric(self) -> bool:
        """True if the supply of the pull-up is the reference, so that its tolerance has no effect."""
        return self.chip in BITS and self.circuit.supply_v == self.reference_v

    @property
    def chip_inputs(self) -> tuple[AdsInput, ...]:
        """The input of an ADS1115; empty for the other chips, which have no gain."""
        if self.chip in BITS:
            return ()
        return (AdsInput(self.channel, ads_full_scale(self.circuit.supply_v)),)


def _check(draft: SensorDraft) -> None:
    """Report keys that do not suit the converter, and resistors whose voltages are too similar."""
    table, chip = draft.table, draft.valid_value("chip")
    check_channel(table, chip, draft.valid_value("channel"))
    check_place(table, draft.values, chip)
    if "reference" in table.data and chip is not None and chip not in BITS:
        table.complain(
            "reference",
            f"the {CHIPS[chip].title} has its own reference",
            "Remove reference. To set the supply of the pull-up, write supply.",
        )
    if table.faulty.isdisjoint({"chip", "pull_up", "end_of_line", "in_series", "reference", "supply"}):
        options = from_values(SupervisedOptions, draft.values)
        if chip in BITS and options.circuit.supply_v > options.reference_v:
            table.complain(
                "supply",
                f"a cut cable has {options.circuit.supply_v:g} V, but the {CHIPS[chip].title} measures only"
                f" up to {options.reference_v:g} V",
                "Connect pull_up to the reference voltage, and correct supply or reference.",
            )
        _check_resistors(table, options)


def _check_resistors(table: Table, options: SupervisedOptions) -> None:
    """Report states whose voltages are too close to each other."""
    circuit = options.circuit
    low, high, difference = circuit.closest
    if difference < _LEAST_SHARE * circuit.supply_v:
        text = (
            f"these resistors do not distinguish {_NAMES[low]} from {_NAMES[high]}: the voltages differ by"
            f" only {difference * 1000:.3g} mV"
        )
        best_ohm = circuit.best_pull_up_ohm
    elif not _detects_cut(circuit, options):
        limit_v = circuit.volts(circuit.limits_ohm[LoopState.OPEN])
        text = (
            f"the limit for a cut cable ({limit_v:.3g} V) is so close to the supply ({circuit.supply_v:g} V)"
            " that a cut cable would look like an open contact if the supply is a little lower"
        )
        best_ohm = max(circuit.best_pull_up_ohm, circuit.limits_ohm[LoopState.OPEN] * (1 / LEAST_OPEN - 1))
    else:
        return
    written = _ohms(best_ohm)
    better = replace(circuit, pull_up_ohm=parse(written, "ohm"))
    is_enough = (
        parse(_LEAST_OHM, "ohm") <= better.pull_up_ohm <= parse(_MOST_OHM, "ohm")
        and better.closest[2] >= _LEAST_SHARE * circuit.supply_v
        and _detects_cut(better, options)
    )
    table.complain(
        "pull_up" if is_enough else "end_of_line",
        text,
        f"Use a pull_up of about {written}."
        if is_enough
        else 'Write, for example, end_of_line = "10 kohm", in_series = "2.2 kohm" and pull_up = "10 kohm".',
    )


def _detects_cut(circuit: SupervisedCircuit, options: SupervisedOptions) -> bool:
    """Return True if the voltage of a cut cable exceeds its limit, whatever the tolerance of the supply."""
    limit_v = circuit.volts(circuit.limits_ohm[LoopState.OPEN])
    return options.is_ratiometric or limit_v <= LEAST_OPEN * circuit.supply_v


_NAMES: Final = {
    LoopState.SHORTED: "a short circuit",
    LoopState.CLOSED: "a closed contact",
    LoopState.OPEN: "an open contact",
    LoopState.CUT: "a cut cable",
}


def read_contact(volts: float, options: SupervisedOptions) -> BusReading:
    """Return whether a voltage across the cable means that the equipment is active, or the cable's fault."""
    circuit = options.circuit
    state = circuit.state(volts)
    if state is LoopState.CUT:
        limit = circuit.volts(circuit.limits_ohm[LoopState.OPEN])
        text = f"the cable is cut or unplugged: {volts:.3g} V is above {limit:.3g} V"
        return BusReading(None, SensorState.OPEN, text)
    if state is LoopState.SHORTED:
        limit = circuit.volts(circuit.limits_ohm[LoopState.SHORTED])
        text = f"the wires of the cable touch each other or ground: {volts:.3g} V is at most {limit:.3g} V"
        return BusReading(None, SensorState.SHORT, text)
    return BusReading(state == options.active)


class SupervisedDriver(KernelDriver):
    """Driver of the kind `supervised`."""

    def __init__(self, settings: SensorSettings, *, root: Path) -> None:
        self._options = options_of(settings, SupervisedOptions)
        self._chip = CHIPS[self._options.chip]
        super().__init__(settings, root=root, lane=self._chip.wiring.lane(self._options.bus))
        self._input: AdcInput | None = None
        self._said: BusReading | None = None

    def open(self, emit: Emit, *, resume: Totals) -> None:
        """Find the converter; the first poll emits the state of the contact."""
        self._said = None
        super().open(emit, resume=resume)

    def find(self) -> Path:
        """Find the converter by its bus and address.

        Raises `DriverError` if the chip is missing, or if it cannot measure the voltage of a cut cable.
        """
        options = self._options
        self._input = found = find_input(
            self._root,
            options.chip,
            options.channel,
            bus=options.bus,
            address=options.address,
            reference_v=options.reference_v,
        )
        cut_v = options.circuit.volts(options.circuit.limits_ohm[LoopState.OPEN])
        if found.full_v <= cut_v:
            full_scale_v = ads_full_scale(options.circuit.supply_v)
            raise DriverError(
                f"{self._chip.title} measures up to {found.full_v:.4g} V, so a cut cable, with more than"
                f" {cut_v:.3g} V, could be mistaken for a contact; set the channel's gain in its overlay"
                f" (…_gain={ads_gain(full_scale_v)} is {full_scale_v} V)"
            )
        return found.attribute.parent

    def read(self, directory: Path, now_ns: int) -> BusReading | None:  # noqa: ARG002
        """Return the state of the contact if it has changed since the last read, or else None."""
        assert self._input is not None
        reading = read_contact(self._input.read().volts, self._options)
        last, self._said = self._said, reading
        if last is not None and (last.value, last.state) == (reading.value, reading.state):
            return None
        return reading


def _ohms(ohm: float) -> str:
    return f"{ohm / 1000:.3g} kohm" if ohm >= 1000 else f"{ohm:.3g} ohm"


def _at(circuit: SupervisedCircuit, ohm: float) -> str:
    return f"{_ohms(ohm)} ({circuit.volts(ohm):.3g} V)"


def _facts(settings: SensorSettings, _written: Mapping[str, Any]) -> Iterator[Fact]:
    options = options_of(settings, SupervisedOptions)
    chip, circuit = CHIPS[options.chip], options.circuit
    yield (
        "wiring",
        wiring_of_chip(chip, options.bus, options.address, detail=f"channel {options.channel}"),
    )
    expected = [
        f"{state} {_at(circuit, ohm)}" for state, ohm in circuit.expected_ohm.items() if not math.isinf(ohm)
    ]
    yield "resistance", ", ".join([*expected, f"cut ({circuit.supply_v:.3g} V)"])
    limits = circuit.limits_ohm
    yield "contact", f"closed up to {_at(circuit, limits[LoopState.CLOSED])}; active when {options.active}"
    cut = f"{SensorState.OPEN} above {_at(circuit, limits[LoopState.OPEN])}"
    if options.in_series_ohm is None:
        yield "fault", f"{cut}; a short circuit of the cable looks like a closed contact"
    else:
        yield "fault", f"{SensorState.SHORT} up to {_at(circuit, limits[LoopState.SHORTED])}, {cut}"


KIND: Final = SensorKind(
    name="supervised",
    title="Supervised contact: end-of-line resistor at a converter",
    measures="whether a contact is active, and whether its cable is cut or has a short circuit",
    description="""\
If the cable of a plain contact is cut, the contact looks open: a float switch then never reports water. A
supervised contact has a resistor at the far end of its cable. So a cut cable has a different voltage from an
open contact, and is recorded as the fault `open`.

- `end_of_line` is the resistor across the two wires at the far end, at the contact itself.
- `in_series` is a second resistor, in series with the contact. With it, a short circuit of the cable differs
  from a closed contact, and is recorded as the fault `short`. Without it, the contact connects the two wires
  directly.
- `pull_up` is the resistor from the input of the converter to its 3.3 V supply.

With 10 kΩ, 2.2 kΩ and 10 kΩ, as in the example, the voltages are: 0 V for a short circuit, 0.5 V for a closed
contact, 1.65 V for an open contact, and 3.3 V for a cut cable. The limits are between
these values, and `logboat config check` shows them. If two voltages are too close to each other, the file
is rejected.

Solder the resistors to the terminals of the contact, not to a terminal strip along the cable: only the part
of the cable between the converter and the resistors is supervised. A wet plug or salt water between the wires
lowers the resistance. For a damp place, use smaller resistors: 1 kΩ, 220 Ω and 1 kΩ.

For a smoke detector with a normally closed relay contact, write `active = "open"`: the contact opens when
the detector raises an alarm. The detector's own supply is separate from this contact.

A bilge float, whose cable is often damaged, closes when the water is high:

```toml
[[sensor]]
id = "bilge-float"
name = "Main bilge float switch"
kind = "supervised"
chip = "mcp3008"
channel = 2
pull_up = "10 kohm"
end_of_line = "10 kohm"
in_series = "2.2 kohm"
path = "bilge.main.highWater"
alarm = { when = "active", for = "10 s", severity = "alarm", text = "Water in the main bilge" }
```

The contact is read once a second, or as `rate` or `every` says. A change that is shorter than the interval
can be missed.""",
    options=SupervisedOptions,
    driver=lambda settings, context: SupervisedDriver(settings, root=context.root),
    check=_check,
    facts=_facts,
    chips=CHIPS,
    has_correction=False,
    unit=lambda _values: CONTACT,
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
            "end of the cable",
            (Wire("VDD", "", bridge="10 kΩ"), Wire("CH1", "1"), Wire("AGND", "2")),
            next=Picture(
                "contact", (Wire("1", "contact", part="2.2 kΩ", bridge="10 kΩ"), Wire("2", "contact"))
            ),
        ),
    ),
    example="""\
[[sensor]]
id = "smoke-engine-room"
name = "Smoke in the engine room"
kind = "supervised"
chip = "mcp3008"
channel = 1
pull_up = "10 kohm"
end_of_line = "10 kohm"
in_series = "2.2 kohm"
active = "open"                 # the detector's contact is normally closed
path = "engineRoom.smoke"
unit = "bool"
alarm = { when = "active", severity = "emergency", text = "Smoke in the engine room" }
""",
)
