"""The data printed on a part can be entered as keys, which are checked and converted exactly."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioning.overlays.kernel_settings import kernel_configuration
from sensors.config.loader import load_sensors
from sensors.driver_context import DriverContext
from sensors.registry import make_driver
from sensors.sample import Sample
from sensors.senders import NtcCurve, PullUp
from sensors.state import SensorState
from sensors.toml.toml_file import ConfigurationError
from services.config.check import check
from services.config.understood import understood
from tests.sensors.fakes import FakeClock, read_once
from tests.sensors.sysfs import Sysfs

OIL = "propulsion.main.oilPressure"
COOLANT = "propulsion.main.coolantTemperature"
TANK = "tanks.fuel.main.currentVolume"
LEVEL = "tanks.fuel.main.currentLevel"
CURRENT = "electrical.batteries.house.current"
RUDDER = "steering.rudderAngle"

VDO = 'sender = [["10 ohm", "0 bar"], ["180 ohm", "10 bar"]]\npull_up = "180 ohm"\n'
NTC = 'beta = 3950\nr25 = "10 kohm"\npull_up = "10 kohm"\n'
LOOP = 'sender = [["4 mA", "0 bar"], ["20 mA", "10 bar"]]\nloop_resistor = "150 ohm"\n'
RATIOMETRIC = 'sender = [["0.5 V", "0 bar"], ["4.5 V", "12 bar"]]\ndivider = 1.5\n'
SHUNT = 'shunt = "500 A / 50 mV"\n'


def table(keys: str, path: str, *, chip: str = "mcp3208", channel: str = "0", name: str = "a") -> str:
    return (
        f'[[sensor]]\nid = "{name}"\nkind = "analog"\nchip = "{chip}"\nchannel = {channel}\n'
        f'path = "{path}"\n{keys}'
    )


class Vessel:
    """Configuration and kernel of a vessel with one converter."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file = root / "sensors.toml"
        self.sysfs = Sysfs(root)
        self.directory: Path | None = None

    def lines(self, text: str) -> tuple[str, ...]:
        self.file.write_text(text)
        return kernel_configuration(load_sensors(self.file)).lines

    def problems(self, text: str) -> list[str]:
        """Return the problems with a new file, without their positions."""
        self.file.write_text(text)
        checked = check(self.file)
        return [f"{each.key}: {each.text}. {each.remedy}" for each in (*checked.problems, *checked.warnings)]

    def facts(self, text: str) -> dict[str, str]:
        self.file.write_text(text)
        examined = check(self.file).examined
        assert examined is not None
        (sensor,) = understood(examined)
        return dict(sensor.facts)

    def read(self, text: str, **attributes: object) -> Sample:
        """Read a sensor whose converter has these attributes in sysfs."""
        self.file.write_text(text)
        (sensor,) = load_sensors(self.file)
        if self.directory is None:
            is_spi = 'chip = "mcp' in text
            name = text.partition('chip = "')[2].partition('"')[0] if is_spi else "ads1015"
            self.directory = self.sysfs.iio(name, "spi0/spi0.0" if is_spi else "i2c-1/1-0048")
        for attribute, value in attributes.items():
            (self.directory / attribute.replace("__", "-")).write_text(f"{value}\n")
        return read_once(make_driver(sensor, context=DriverContext(FakeClock(), root=self.root)))

    def mcp(self, text: str, volts: float) -> Sample:
        """Return the reading of a sensor on an MCP3208 with the given voltage at its input."""
        return self.read(text, in_voltage0_raw=min(round(volts / 3.3 * 4096), 4095))

    def ads(self, text: str, volts: float, *, full_scale_v: float, channel: str = "voltage0") -> Sample:
        """Return the reading of a sensor on an ADS1115 with the given voltage at its input."""
        code = max(min(round(volts / full_scale_v * 32768), 32767), -32768)
        name = channel.replace("-", "__")
        return self.read(text, **{f"in_{name}_raw": code, f"in_{name}_scale": full_scale_v * 1000 / 32768})


@pytest.fixture
def vessel(tmp_path: Path) -> Vessel:
    return Vessel(tmp_path)


class TestResistiveSenders:
    @pytest.mark.parametrize(("ohm", "bar"), [(10, 0), (44, 2), (95, 5), (180, 10), (7, 0), (250, 10)])
    def test_pressure_is_proportional_to_the_resistance(self, vessel: Vessel, ohm: float, bar: float) -> None:
        sample = vessel.mcp(table(VDO, OIL), PullUp(180, 3.3).volts(ohm))
        assert sample.state is SensorState.GOOD
        assert sample.value == pytest.approx(bar * 1e5, abs=0.5e4)

    @pytest.mark.parametrize(
        ("ohm", "state"),
        [(1e9, "open"), (280, "open"), (4, "short"), (0, "short")],
    )
    def test_broken_and_grounded_wires_are_faults(self, vessel: Vessel, ohm: float, state: str) -> None:
        sample = vessel.mcp(table(VDO, OIL), PullUp(180, 3.3).volts(ohm))
        assert (sample.value, sample.state) == (None, state)

    @pytest.mark.parametrize(("ohm", "litres"), [(240, 0), (195, 20), (150, 40), (91.5, 80), (33, 120)])
    def test_tank_of_irregular_shape_is_interpolated_in_ohm(
        self, vessel: Vessel, ohm: float, litres: float
    ) -> None:
        keys = 'sender = [["240 ohm", "0 l"], ["150 ohm", "40 l"], ["33 Ω", "120 l"]]\npull_up = "240 Ω"\n'
        sample = vessel.mcp(table(keys, TANK), PullUp(240, 3.3).volts(ohm))
        assert sample.value == pytest.approx(litres / 1000, abs=0.3e-3)

    def test_pairs_can_be_in_any_order(self, vessel: Vessel) -> None:
        keys = (
            'sender = [["150 ohm", "40 l"], ["33 ohm", "120 l"], ["240 ohm", "0 l"]]\npull_up = "240 ohm"\n'
        )
        assert vessel.facts(table(keys, TANK))["sender"] == "33 ohm -> 120 l, 150 ohm -> 40 l, 240 ohm -> 0 l"

    def test_rudder_angle_is_negative_on_one_side(self, vessel: Vessel) -> None:
        keys = 'sender = [["10 ohm", "-45 °"], ["180 ohm", "45 °"]]\npull_up = "180 ohm"\n'
        sample = vessel.mcp(table(keys, RUDDER), PullUp(180, 3.3).volts(10))
        assert sample.value == pytest.approx(-0.7854, abs=0.005)

    def test_supply_can_differ_from_the_reference(self, vessel: Vessel) -> None:
        keys = VDO.replace('180 ohm"\n', '1 kohm"\n') + 'supply = "12 V"\n'
        sample = vessel.mcp(table(keys, OIL), PullUp(1000, 12).volts(95))
        assert sample.value == pytest.approx(5e5, abs=0.5e4)

    def test_range_can_be_written_in_ohm(self, vessel: Vessel) -> None:
        text = table(VDO + 'valid = ["1 ohm", "400 ohm"]\n', OIL)
        assert vessel.mcp(text, PullUp(180, 3.3).volts(390)).value == 1e6
        assert vessel.mcp(text, PullUp(180, 3.3).volts(410)).state is SensorState.OPEN

    def test_sender_that_reaches_0_ohm_cannot_be_short(self, vessel: Vessel) -> None:
        text = table('sender = [["0 ohm", "0 %"], ["90 ohm", "100 %"]]\npull_up = "90 ohm"\n', LEVEL)
        assert vessel.mcp(text, 0.0).value == 0
        assert "short is not detected" in vessel.facts(text)["fault"]

    @pytest.mark.parametrize("part", [0.0, 0.25, 0.5, 0.9, 1.0])
    def test_mcp3008_and_ads1115_agree_to_the_resolution_of_the_coarser_one(
        self, tmp_path: Path, part: float
    ) -> None:
        volts = PullUp(180, 3.3).volts(10 + 170 * part)
        (tmp_path / "spi").mkdir()
        (tmp_path / "i2c").mkdir()
        coarse = table(VDO, OIL, chip="mcp3008")
        one = Vessel(tmp_path / "spi").read(coarse, in_voltage0_raw=round(volts / 3.3 * 1024))
        two = Vessel(tmp_path / "i2c").ads(table(VDO, OIL, chip="ads1115"), volts, full_scale_v=2.048)
        step_bar = float(Vessel(tmp_path).facts(coarse)["converter"].partition("at most ")[2].split()[0])
        assert step_bar < 0.05
        assert two.value == pytest.approx(part * 1e6, abs=200)
        assert one.value == pytest.approx(two.value, abs=step_bar * 1e5 / 2 + 200)


class TestThermistors:
    @pytest.mark.parametrize("celsius", [-20, 0, 25, 80, 120])
    def test_temperature_follows_the_beta_equation(self, vessel: Vessel, celsius: float) -> None:
        ohm = NtcCurve(3950, 10_000).ohm(273.15 + celsius)
        sample = vessel.ads(
            table(NTC, COOLANT, chip="ads1115"), PullUp(10_000, 3.3).volts(ohm), full_scale_v=4.096
        )
        assert sample.value == pytest.approx(273.15 + celsius, abs=0.05)

    @pytest.mark.parametrize("chip", ["mcp3208", "ads1115"])
    @pytest.mark.parametrize(
        ("volts", "state"), [(3.3, "open"), (3.23, "open"), (0, "short"), (0.06, "short")]
    )
    def test_open_and_short_are_beyond_plausible_temperatures(
        self, vessel: Vessel, chip: str, volts: float, state: str
    ) -> None:
        text = table(NTC, COOLANT, chip=chip)
        sample = vessel.mcp(text, volts) if chip == "mcp3208" else vessel.ads(text, volts, full_scale_v=4.096)
        assert (sample.value, sample.state) == (None, state)

    def test_b_value_can_have_its_unit(self, vessel: Vessel) -> None:
        facts = vessel.facts(table(NTC.replace("3950", '"3950 K"').replace("kohm", "kΩ"), COOLANT))
        assert facts["thermistor"] == "10 kohm at 25 °C, B value 3950 K"
        assert facts["fault"] == (
            "short below 200 ohm (0.0646 V, 150.0 °C), open above 402 kohm (3.22 V, -40.0 °C)"
        )


class TestCurrentLoops:
    @pytest.mark.parametrize(
        ("milliamperes", "bar", "state"),
        [(0, None, "open"), (3.5, None, "open"), (3.7, 0, "good"), (4, 0, "good"), (12, 5, "good"),
         (20, 10, "good"), (20.9, 10, "good"), (21.2, None, "short")],
    )  # fmt: skip
    def test_limits_are_those_of_namur_ne_43(
        self, vessel: Vessel, milliamperes: float, bar: float | None, state: str
    ) -> None:
        sample = vessel.mcp(table(LOOP, OIL), milliamperes * 0.15)
        assert sample.state == state
        assert sample.value == (None if bar is None else pytest.approx(bar * 1e5, abs=400))


class TestVoltages:
    @pytest.mark.parametrize(
        ("volts", "bar", "state"),
        [(0.0, None, "open"), (0.2, None, "open"), (0.3, 0, "good"), (0.5, 0, "good"), (2.5, 6, "good"),
         (4.5, 12, "good"), (4.7, 12, "good"), (4.8, None, "short")],
    )  # fmt: skip
    def test_voltages_are_those_before_the_divider(
        self, vessel: Vessel, volts: float, bar: float | None, state: str
    ) -> None:
        sample = vessel.mcp(table(RATIOMETRIC, OIL), volts / 1.5)
        assert sample.state == state
        assert sample.value == (None if bar is None else pytest.approx(bar * 1e5, abs=400))

    def test_broken_wire_can_be_at_the_high_end(self, vessel: Vessel) -> None:
        text = table(RATIOMETRIC + "open_is_high = true\n", OIL)
        assert vessel.mcp(text, 4.9 / 1.5).state is SensorState.OPEN


class TestShunts:
    @pytest.mark.parametrize("amperes", [0, 1, -1, 100, -250, 500, -700])
    def test_current_flows_in_both_directions(self, vessel: Vessel, amperes: float) -> None:
        text = table(SHUNT, CURRENT, chip="ads1115", channel='"0-1"')
        sample = vessel.ads(text, amperes * 1e-4, full_scale_v=0.256, channel="voltage0-voltage1")
        assert sample.state is SensorState.GOOD
        assert sample.value == pytest.approx(amperes, abs=0.04)

    def test_negative_current_is_read_at_a_single_input_too(self, vessel: Vessel) -> None:
        sample = vessel.ads(table(SHUNT, CURRENT, chip="ads1115"), -0.01, full_scale_v=0.256)
        assert sample.value == pytest.approx(-100, abs=0.04)

    @pytest.mark.parametrize("volts", [0.08, -0.08, 0.3, -0.3])
    def test_more_than_the_overload_is_out_of_range(self, vessel: Vessel, volts: float) -> None:
        text = table(SHUNT, CURRENT, chip="ads1115", channel='"2-3"')
        sample = vessel.ads(text, volts, full_scale_v=0.256, channel="voltage2-voltage3")
        assert (sample.value, sample.state) == (None, SensorState.OUT_OF_RANGE)

    def test_resistance_without_a_rating_is_accepted(self, vessel: Vessel) -> None:
        text = table('shunt = "100 uohm"\n', CURRENT, chip="ads1115", channel='"0-1"')
        assert vessel.facts(text)["fault"] == "out-of-range below -2500 A, above 2500 A"


class TestOverlays:
    def test_line_of_an_ads1115_has_each_input_with_its_gain(self, vessel: Vessel) -> None:
        text = "\n".join(
            [
                table(NTC, COOLANT, chip="ads1115", channel="1", name="ntc"),
                table(VDO, OIL, chip="ads1115", channel="0", name="oil"),
                table(SHUNT, CURRENT, chip="ads1115", channel='"2-3"', name="current"),
            ]
        )
        assert vessel.lines(text) == (
            "dtparam=i2c_arm=on",
            "dtoverlay=ads1115,addr=0x48,cha_enable,cha_cfg=3,cha_gain=5,chb_enable,chb_cfg=4,chb_gain=2",
            "dtparam=chc_enable,chc_cfg=5,chc_gain=1",
        )

    def test_no_line_is_longer_than_the_firmware_reads(self, vessel: Vessel) -> None:
        text = "\n".join(
            table(
                VDO, f"propulsion.{each}.oilPressure", chip="ads1115", channel=str(each % 4), name=f"a{each}"
            )
            + f"bus = {1 if each < 4 else 3}\n"
            for each in range(8)
        )
        lines = vessel.lines(text)
        assert max(map(len, lines)) <= 98
        for bus in ("", ",i2c3"):
            whole = "dtoverlay=ads1115,addr=0x48," + ",".join(
                f"ch{letter}_enable,ch{letter}_cfg={number},ch{letter}_gain=2"
                for number, letter in enumerate("abcd", start=4)
            )
            assert f"{whole}{bus}" in ",".join(lines).replace(",dtparam=", ",")

    def test_gain_can_be_written(self, vessel: Vessel) -> None:
        text = table(VDO + 'gain = "6.144 V"\n', OIL, chip="ads1115") + "address = 0x49\nbus = 3\n"
        assert vessel.lines(text)[1] == "dtoverlay=ads1115,addr=0x49,cha_enable,cha_cfg=4,cha_gain=0,i2c3"

    def test_a_calibration_gets_the_gain_that_covers_it(self, vessel: Vessel) -> None:
        keys = 'calibration = [[0.5, "0 bar"], [2.5, "5 bar"]]\nvalid = [0.3, 3.0]\n'
        assert vessel.lines(table(keys, OIL, chip="ads1115"))[1].endswith("cha_cfg=4,cha_gain=1")

    def test_fifth_input_of_a_chip_is_refused(self, vessel: Vessel) -> None:
        inputs = ["0", "1", "2", "3", '"0-1"']
        text = "\n".join(
            table(VDO, f"propulsion.{number}.oilPressure", chip="ads1115", channel=each, name=f"a{number}")
            for number, each in enumerate(inputs)
        )
        (said,) = vessel.problems(text)
        assert "sets at most 4 inputs of one ADS1115" in said

    def test_input_with_too_high_a_gain_is_an_error_of_the_driver(self, vessel: Vessel) -> None:
        text = table(NTC, COOLANT, chip="ads1115")
        with pytest.raises(Exception, match=r"measures up to 2\.048 V.*restart.*_gain=1 is 4\.096 V"):
            vessel.ads(text, 1.0, full_scale_v=2.048)


REFUSED = [
    ("", OIL, "no key says how the voltage becomes a value. Add sender with pull_up"),
    ('r25 = "10 kohm"\n', COOLANT, "no key says how the voltage becomes a value"),
    (VDO + "calibration = [[0.5, 0], [1, 1]]\n", OIL, "calibration and sender are both set"),
    (NTC + RATIOMETRIC, COOLANT, "sender and beta are both set"),
    (VDO.partition("\n")[0] + "\n", OIL, 'sender in ohm needs this key. Add, for example: pull_up = "240'),
    (LOOP.partition("\n")[0] + "\n", OIL, "sender in mA needs this key. Add, for example: loop_resistor ="),
    (NTC.replace("r25", "# r25"), COOLANT, 'beta needs this key. Add, for example: r25 = "10 kohm"'),
    ('calibration = [[0.5, "0 bar"], [1, "1 bar"]]\n', OIL, "calibration needs this key. Add, for example:"),
    (VDO + "open_is_high = true\n", OIL, "this key does not go with sender in ohm. Remove it. These keys go"),
    (VDO + 'loop_resistor = "150 ohm"\n', OIL, "does not go with sender in ohm"),
    (LOOP + 'supply = "5 V"\n', OIL, "does not go with sender in mA"),
    (RATIOMETRIC + 'pull_up = "1 kohm"\n', OIL, "does not go with sender in volts"),
    (NTC + 'valid = ["1 ohm", "1 kohm"]\n', COOLANT, "does not go with beta"),
    (VDO.replace('"10 ohm"', "10"), OIL, '10 has no unit. Write a quantity with its unit, such as "10 ohm"'),
    (VDO.replace('"180 ohm", "10', '"20 mA", "10'), OIL, "a current follows a resistance"),
    (VDO.replace('["180 ohm", "10', '["10 ohm", "10'), OIL, '"10 ohm" is written twice'),
    (VDO.replace('["10 ohm", "0 bar"]', '["0 bar", "10 ohm"]'), OIL, 'swapped. Write ["10 ohm", "0 bar"].'),
    (
        VDO.replace('"0 bar"], ["180 ohm", "10 bar"]', '0], ["180 ohm", 10]'),
        OIL,
        "10 without a unit means",
    ),
    (VDO.replace("10 ohm", "-10 ohm"), OIL, '"-10 ohm" is below 0'),
    (VDO.replace("10 ohm", "10 m"), OIL, '"10 m" is not a resistance, a current or a voltage'),
    (VDO.replace("10 bar", "200 %"), OIL, "is a unit for a percentage, but this is a pressure"),
    ('sender = "10-180 ohm"\npull_up = "180 ohm"\n', OIL, "is not a list of pairs. Write, for example, [["),
    ('sender = [["10 ohm", "0 bar"]]\npull_up = "180 ohm"\n', OIL, "the list has 1 entry. Write at least 2."),
    (VDO + "valid = [0.1, 2]\n", OIL, '0.1 has no unit. Write "0.1 ohm".'),
    (VDO + 'valid = ["200 ohm", "300 ohm"]\n', OIL, "(10 ohm to 180 ohm) is outside the valid range"),
    (VDO + 'valid = ["300 ohm", "5 ohm"]\n', OIL, "is not below 5 ohm. Write the lower resistance first."),
    (VDO.replace("]]", '], ["100 ohm", "20 bar"]]'), OIL, '"10 bar" at 180 ohm follows "20 bar" at 100 ohm'),
    (VDO + 'supply = "12 V"\n', OIL, "(7.2 V) is more than the chip can measure (3.3 V). Use a larger"),
    (LOOP.replace("150", "165"), OIL, "(3.465 V) is more than the chip can measure"),
    (RATIOMETRIC.replace("divider = 1.5\n", ""), OIL, "4.75 V is more than the chip can measure (3.3 V)"),
    (VDO + 'gain = "4.096 V"\n', OIL, "the MCP3208 has no gain"),
    (SHUNT, CURRENT, "the voltage across a shunt is too low for the MCP3208"),
    (NTC, OIL, "this sensor measures in K, but propulsion.main.oilPressure is in Pa"),
    (NTC.replace("3950", "39"), COOLANT, "39.0 is too low"),
    ('calibration = [["10 ohm", "0 bar"], ["180 ohm", "10 bar"]]\nvalid = [0.1, 2]\n', OIL, "Rename the key"),
]


@pytest.mark.parametrize(("keys", "path", "expected"), REFUSED)
def test_error_says_what_to_write(vessel: Vessel, keys: str, path: str, expected: str) -> None:
    said = vessel.problems(table(keys, path))
    assert any(expected in each for each in said), said
    assert len(said) == 1


@pytest.mark.parametrize(
    ("keys", "channel", "expected"),
    [
        (VDO + 'reference = "5 V"\n', "0", "the ADS1115 has its own reference. Remove reference."),
        (VDO + 'gain = "4 V"\n', "0", '"4 V" is not a full scale of an ADS1115. Use one of "6.144 V"'),
        (VDO + 'gain = "1.024 V"\n', "0", "is more than the chip can measure at the gain 1.024 V"),
        (VDO, '"0-2"', '"0-2" is not an input. Write a number, or one of "0-1"'),
        (VDO, '"2"', '"2" is text. Write 2, without quotes.'),
        (VDO, "4", "the ADS1115 has no channel 4"),
    ],
)
def test_error_about_an_ads1115_says_what_to_write(
    vessel: Vessel, keys: str, channel: str, expected: str
) -> None:
    (said,) = vessel.problems(table(keys, OIL, chip="ads1115", channel=channel))
    assert expected in said


def test_differential_input_of_an_mcp_is_refused(vessel: Vessel) -> None:
    (said,) = vessel.problems(table(VDO, OIL, channel='"0-1"'))
    assert "Logboat reads no differential inputs of an MCP3208" in said


@pytest.mark.parametrize(
    ("keys", "path", "expected"),
    [
        (VDO.replace('= "180 ohm"', '= "10 kohm"'), OIL, "Use a pull_up of about 180 ohm"),
        (NTC.replace('pull_up = "10 kohm"', 'pull_up = "1 Mohm"'), COOLANT, "pull_up of about 10 kohm"),
    ],
)
def test_poor_resolution_is_refused_in_a_new_file(
    vessel: Vessel, keys: str, path: str, expected: str
) -> None:
    (said,) = vessel.problems(table(keys, path, chip="mcp3008"))
    assert "one step of the MCP3008 changes the value by" in said
    assert expected.lower() in said.lower()
    assert load_sensors(vessel.file)  # a file in use stays in use


@pytest.mark.parametrize("keys", ["sender = {}\n", "calibration = {}\nvalid = [-1, 1]\n"])
def test_negative_voltages_need_a_differential_input(vessel: Vessel, keys: str) -> None:
    keys = keys.format('[["-1 V", "-45 °"], ["1 V", "45 °"]]')
    for chip in ("mcp3208", "ads1115"):
        (said,) = vessel.problems(table(keys, RUDDER, chip=chip))
        assert said.endswith(
            "the sender delivers -1 V, but the input reads every negative voltage as 0 V. Use a differential"
            ' input of an ADS1115, such as channel = "0-1".'
        )
        assert load_sensors(vessel.file)  # a file in use stays in use
    text = table(keys, RUDDER, chip="ads1115", channel='"0-1"')
    assert vessel.problems(text) == []
    sample = vessel.ads(text, -1, full_scale_v=2.048, channel="voltage0-voltage1")
    assert sample.value == pytest.approx(-math.pi / 4, abs=0.001)


@pytest.mark.parametrize(
    ("low", "fault"),
    [
        ("0", "open is not detected, because a working sender can have 0 V, short above 5.3125 V"),
        ("0.5", "open below 0.21875 V, short above 5.28125 V"),
    ],
)
def test_facts_say_that_a_broken_wire_is_not_detected_at_0_v(vessel: Vessel, low: str, fault: str) -> None:
    keys = f'sender = [["{low} V", "0 bar"], ["5 V", "10 bar"]]\ndivider = 2\n'
    assert vessel.facts(table(keys, OIL))["fault"] == fault


BELOW_GROUND = 'calibration = [[0.5, "0 %"], [2.5, "100 %"]]\nvalid = [-10, 3.0]\n'
"""Keys with a low limit that has no effect: an unsigned converter reads every negative voltage as 0."""


def test_range_that_begins_far_below_ground_is_accepted_and_measured(vessel: Vessel) -> None:
    text = table(BELOW_GROUND, LEVEL)
    assert vessel.problems(text) == []
    assert vessel.mcp(text, 1.5).value == pytest.approx(0.5, abs=0.01)


def test_range_that_begins_far_below_ground_does_not_change_the_gain(vessel: Vessel) -> None:
    text = table(BELOW_GROUND, LEVEL, chip="ads1115")
    assert vessel.problems(text) == []
    assert vessel.ads(text, 1.5, full_scale_v=4.096).value == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("chip", "more", "expected"),
    [
        ("mcp3208", 'supply = "12 V"\n', "but the MCP3208 tolerates only 3.3 V. Connect pull_up to"),
        ("ads1115", 'supply = "12 V"\n', "but the ADS1115 tolerates only 5.5 V"),
        ("ads1115", 'supply = "12 V"\ndivider = 2\n', "but the ADS1115 tolerates only 11 V"),
        ("ads1115", 'supply = "12 V"\ndivider = 4\n', None),
        ("ads1115", 'supply = "5 V"\n', None),
    ],
)
def test_supply_that_would_damage_the_converter_is_refused_in_a_new_file(
    vessel: Vessel, chip: str, more: str, expected: str | None
) -> None:
    keys = VDO.replace('= "180 ohm"', '= "1 kohm"') + more
    said = vessel.problems(table(keys, OIL, chip=chip))
    assert said == [] if expected is None else expected in said[0]


def test_pull_up_with_which_a_broken_wire_is_not_recognized_is_refused_in_a_new_file(vessel: Vessel) -> None:
    keys = VDO.replace('= "180 ohm"', '= "10 ohm"')
    (said,) = vessel.problems(table(keys, OIL, chip="ads1115"))
    assert "270 ohm (3.18 V) is so close to the supply (3.3 V)" in said
    assert vessel.problems(table(keys, OIL, chip="mcp3208")) == []


KEYS: list[tuple[str, Callable[[st.DataObject], str]]] = [
    (
        "sender",
        lambda data: data.draw(st.sampled_from(['[["1 ohm", 0], ["2 ohm", 1]]', "[[1]]", "1"])),
    ),
    ("pull_up", lambda data: data.draw(st.sampled_from(['"240 ohm"', "240", '"1 V"']))),
    ("loop_resistor", lambda data: data.draw(st.sampled_from(['"150 ohm"', "true"]))),
    ("beta", lambda data: data.draw(st.sampled_from(["3950", '"3950 K"', '"°C"']))),
    ("r25", lambda data: data.draw(st.sampled_from(['"10 kohm"', "[]"]))),
    ("shunt", lambda data: data.draw(st.sampled_from(['"500 A / 50 mV"', '"A/V"']))),
    ("calibration", lambda data: data.draw(st.sampled_from(["[[0, 0], [1, 1]]", '[["1 ohm", 0], [1, 1]]']))),
    ("valid", lambda data: data.draw(st.sampled_from(["[0, 1]", '["1 ohm", "2 ohm"]', '["1 mA"]', "{}"]))),
    ("open_is_high", lambda _data: "true"),
    ("divider", lambda data: data.draw(st.sampled_from(["1", "2.5", '"x"']))),
    ("gain", lambda data: data.draw(st.sampled_from(['"4.096 V"', "1"]))),
    ("supply", lambda data: data.draw(st.sampled_from(['"5 V"', "3"]))),
    ("unit", lambda data: data.draw(st.sampled_from(['"Pa"', '"bool"', '"K"', '"x"']))),
]


@given(data=st.data(), names=st.sets(st.sampled_from(range(len(KEYS)))))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_no_combination_of_keys_causes_another_error_than_a_message(
    vessel: Vessel, data: st.DataObject, names: set[int]
) -> None:
    chip = data.draw(st.sampled_from(["mcp3008", "ads1115", "other"]))
    channel = data.draw(st.sampled_from(["0", '"0-1"', "7", '"x"']))
    path = data.draw(st.sampled_from([OIL, CURRENT, COOLANT, "my.own.path", "bilge.main.highWater"]))
    keys = "".join(f"{KEYS[each][0]} = {KEYS[each][1](data)}\n" for each in sorted(names))
    vessel.file.write_text(table(keys, path, chip=chip, channel=channel))
    try:
        (sensor,) = load_sensors(vessel.file)
    except ConfigurationError as refused:
        said = [str(each) for each in refused.problems]
    else:
        said = []
        make_driver(sensor, context=DriverContext(FakeClock(), root=vessel.root)).close()
        assert check(vessel.file).examined is None or vessel.facts(vessel.file.read_text())
    assert not any("cannot be processed" in each for each in said)
