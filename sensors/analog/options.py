"""Options of the kind `analog`, and the conversion of voltages that they describe."""

from dataclasses import KW_ONLY
from typing import Any, Final

from sensors.chips.adc import AdsInput, Channel, ads_full_scale
from sensors.chips.adc_keys import AdcOptions
from sensors.senders import (
    LOOP_VALID_A,
    SHUNT_OVERLOAD,
    Circuit,
    Conversion,
    Direct,
    Identity,
    NtcCurve,
    PointCurve,
    PullUp,
    SeriesResistor,
    conversion,
    resistive_range,
    voltage_range,
)
from sensors.shunts import Shunt
from sensors.state import SensorState
from sensors.toml.declarations import key, section
from sensors.toml.schema import boolean, list_of, number, quantity
from sensors.toml.value_forms import ValueForm, parsed_later

from .parsers import (
    SENDER_EXAMPLE,
    SenderPoints,
    parse_beta,
    parse_channel,
    parse_gain,
    parse_pair,
    parse_rated_shunt,
)

_USUAL_SUPPLY_V: Final = 3.3
LEAST_OPEN: Final = 0.96
"""Lowest voltage of an open circuit, as a fraction of the nominal supply voltage.

A 3.3 V supply is accurate to 3 %.
"""
_UNRATED_SHUNT_V: Final = 0.25
"""Voltage across a shunt of unknown rating, in volts, above which a reading counts as a fault."""


@section
class AnalogOptions(AdcOptions):
    """Options of the kind `analog`: a voltage at an ADC, converted to the path's unit."""

    _: KW_ONLY
    channel: Channel = key(
        parse_channel,
        example="0",
        meaning=(
            "Input of the converter. An ADS1115 has the inputs 0 to 3, and the differential inputs"
            ' `"0-1"`, `"0-3"`, `"1-3"` and `"2-3"`.'
        ),
    )
    sender: SenderPoints | None = key(
        parsed_later(ValueForm("a list", limits="at least 2 entries", item=ValueForm("a pair"))),
        default=None,
        example=SENDER_EXAMPLE,
        meaning=(
            "Pairs of the sender's own quantity (a resistance, a current or a voltage) and the value. The"
            " values must only rise, or only fall. Values between two pairs are interpolated linearly."
            " Outside the first and the last pair, the value of the nearest pair is used."
        ),
        without="`beta`, `shunt` or `calibration` is needed",
    )
    pull_up_ohm: float | None = key(
        quantity("ohm", "1 ohm", "10 Mohm"),
        name="pull_up",
        default=None,
        example='"240 ohm"',
        meaning="Resistor between the supply and a resistive sender or a thermistor.",
        without="required with `sender` in ohm, and with `beta`",
    )
    supply_v: float | None = key(
        quantity("V", "0.5 V", "60 V"),
        name="supply",
        default=None,
        example='"5 V"',
        meaning="Voltage of the supply to which `pull_up` is connected.",
        without="`reference` of an MCP3008 or MCP3208, or 3.3 V",
    )
    loop_resistor_ohm: float | None = key(
        quantity("ohm", "1 ohm", "10 kohm"),
        name="loop_resistor",
        default=None,
        example='"150 ohm"',
        meaning="Resistor to ground through which the current of a 4-20 mA transmitter flows.",
        without="required with `sender` in mA",
    )
    beta_k: float | None = key(
        parse_beta,
        name="beta",
        default=None,
        example="3950",
        meaning="B value of an NTC thermistor in K, from its data sheet.",
        without="`sender`, `shunt` or `calibration` is needed",
    )
    r25_ohm: float | None = key(
        quantity("ohm", "1 ohm", "10 Mohm"),
        name="r25",
        default=None,
        example='"10 kohm"',
        meaning="Resistance of the thermistor at 25 °C.",
        without="required with `beta`",
    )
    shunt: Shunt | None = key(
        parse_rated_shunt,
        default=None,
        example='"500 A / 50 mV"',
        meaning="Rating or resistance of a shunt, whose current an ADS1115 measures.",
        without="`sender`, `beta` or `calibration` is needed",
    )
    calibration: tuple[tuple[float, float], ...] | None = key(
        list_of(parse_pair, least=2),
        default=None,
        example="[[0.5, 0.0], [2.5, 1.0]]",
        meaning=(
            "Pairs of volts and value, in order of rising volts, instead of `sender`. The rules for the"
            " values are the same."
        ),
        without="`sender`, `beta` or `shunt` is needed",
    )
    valid: tuple[float, float] | None = key(
        parsed_later(ValueForm("a pair of resistances, currents or voltages")),
        default=None,
        example="[0.3, 3.0]",
        meaning=(
            "Lowest and highest quantity of a working sender, in the unit of `sender`, or in volts. Anything"
            " else is a wiring fault."
        ),
        without="computed from `sender`; required with `calibration`",
    )
    open_is_high: bool | None = key(
        boolean,
        default=None,
        example="false",
        meaning=(
            "True if a broken wire causes a voltage above `valid`, as with a resistive sender and a pull-up."
            " False if it causes a voltage below `valid`. Only for `calibration`, and for `sender` in volts."
        ),
        without="true with `calibration`, false with `sender`",
    )
    reference_v: float = key(
        quantity("V", "0.5 V", "6 V"),
        name="reference",
        default=3.3,
        example='"5 V"',
        meaning="Reference voltage of an MCP3008 or MCP3208.",
    )
    gain_v: float | None = key(
        parse_gain,
        name="gain",
        default=None,
        example='"4.096 V"',
        meaning="Full scale of the input of an ADS1115.",
        without="the smallest full scale that covers `valid`",
    )
    divider: float = key(
        number(1.0, 10_000.0),
        default=1.0,
        example="5.7",
        meaning="Volts at the sender per volt at the converter, if there is a voltage divider.",
    )

    @property
    def conversion(self) -> Conversion:
        """Conversion of volts at the sender to values, as the keys describe it."""
        return _conversion(self)

    @property
    def full_scale_v(self) -> float | None:
        """Full scale of an ADS1115's input, in volts at the converter; None for the other chips."""
        if self.chip != "ads1115":
            return None
        if self.gain_v is not None:
            return self.gain_v
        return ads_full_scale(self.highest_v / self.divider)

    @property
    def highest_v(self) -> float:
        """Highest voltage of a working sender, in either direction, that the converter must measure.

        Without a sign, the converter reads every negative voltage as 0, so the lower limit does not matter.
        """
        low_v, high_v = self.conversion.valid_v
        return max(high_v, -low_v) if self.is_signed else high_v

    @property
    def chip_inputs(self) -> tuple[AdsInput, ...]:
        """Input of an ADS1115; empty for the other chips, which have no adjustable gain."""
        full_scale_v = self.full_scale_v
        return () if full_scale_v is None else (AdsInput(self.channel, full_scale_v),)

    @property
    def conversion_record(self) -> dict[str, Any]:
        """Electrical data of the sender, containing only the keys that are in use."""
        record = {
            "pull_up_ohm": self.pull_up_ohm,
            "supply_v": None if self.pull_up_ohm is None else self.pull_up_supply_v,
            "loop_resistor_ohm": self.loop_resistor_ohm,
            "beta_k": self.beta_k,
            "r25_ohm": self.r25_ohm,
            "shunt_ohm": None if self.shunt is None else self.shunt.ohm,
        }
        sender = self.sender
        return {
            **({} if sender is None else {"sender": {"unit": sender.unit, "points": sender.points}}),
            **{name: value for name, value in record.items() if value is not None},
        }

    @property
    def pull_up_supply_v(self) -> float:
        """Voltage of the supply to which the pull-up is connected."""
        if self.supply_v is not None:
            return self.supply_v
        return _USUAL_SUPPLY_V if self.chip == "ads1115" else self.reference_v

    @property
    def is_ratiometric(self) -> bool:
        """True if the supply of the pull-up is also the converter's reference.

        The tolerance of the supply voltage then has no effect.
        """
        return self.chip != "ads1115" and self.pull_up_supply_v == self.reference_v

    @property
    def is_signed(self) -> bool:
        """True if the voltage can be negative."""
        return self.shunt is not None or isinstance(self.channel, str)


def _conversion(options: AnalogOptions) -> Conversion:
    """Return the conversion. The options must contain one of the key sets."""
    if options.shunt is not None:
        return _shunt(options, options.shunt)
    if options.beta_k is not None:
        assert options.r25_ohm is not None
        return _thermistor(options, NtcCurve(options.beta_k, options.r25_ohm))
    if options.sender is not None:
        return _sender(options, options.sender)
    assert options.calibration is not None
    assert options.valid is not None
    is_high = options.open_is_high is not False
    return conversion(Direct(), PointCurve(options.calibration), options.valid, open_is_high=is_high)


def _sender(options: AnalogOptions, sender: SenderPoints) -> Conversion:
    first, last = sender.points[0][0], sender.points[-1][0]
    circuit: Circuit = Direct()
    is_high = options.open_is_high is True
    if sender.unit == "ohm":
        circuit, valid, is_high = _pull_up(options), resistive_range(first, last), True
    elif sender.unit == "A":
        assert options.loop_resistor_ohm is not None
        circuit, valid = SeriesResistor(options.loop_resistor_ohm), LOOP_VALID_A
    else:
        valid = voltage_range(first, last)
    return conversion(circuit, PointCurve(sender.points), options.valid or valid, open_is_high=is_high)


def _thermistor(options: AnalogOptions, curve: NtcCurve) -> Conversion:
    circuit = _pull_up(options)
    low, high = curve.valid
    if not options.is_ratiometric:
        # with a broken wire, the voltage can be below the nominal voltage of the supply
        high = min(high, circuit.quantity(LEAST_OPEN * circuit.supply_v))
    return conversion(circuit, curve, (low, high), open_is_high=True)


def _pull_up(options: AnalogOptions) -> PullUp:
    assert options.pull_up_ohm is not None
    return PullUp(options.pull_up_ohm, options.pull_up_supply_v)


def _shunt(options: AnalogOptions, shunt: Shunt) -> Conversion:
    if shunt.rating is not None:
        most = shunt.rating.amperes * SHUNT_OVERLOAD
    else:
        most = (_UNRATED_SHUNT_V if options.gain_v is None else options.gain_v * 0.97) / shunt.ohm
    beyond = SensorState.OUT_OF_RANGE
    return Conversion(SeriesResistor(shunt.ohm), Identity((-most, most)), (-most, most), beyond, beyond)
