"""A voltage at an ADC yields a value within the electrical range, and state `open` or `short` outside it."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.analog.options import AnalogOptions
from sensors.driver import DriverError
from sensors.kinds.analog import AnalogDriver, measure
from sensors.sample import Sample
from sensors.senders import PullUp, SenderCircuit, current_loop, divider, interpolate, resistive_sender
from sensors.state import SensorState
from tests.sensors.fakes import read_once, sensor
from tests.sensors.sysfs import UNREADABLE, Sysfs

CURVE = ((0.94, 0.0), (1.72, 0.5), (2.41, 1.0))
VALID = (0.5, 2.9)
FUEL = AnalogOptions(
    chip="mcp3008",
    channel=2,
    bus=0,
    address=0,
    calibration=CURVE,
    valid=VALID,
)

points = (
    st.lists(st.floats(0, 30), min_size=1, max_size=12, unique=True)
    .map(sorted)
    .flatmap(
        lambda volts: st.tuples(
            st.just(volts), st.lists(st.floats(-1e6, 1e6), min_size=len(volts), max_size=len(volts))
        )
    )
    .map(lambda pair: tuple(zip(*pair, strict=True)))
)


class TestCalibration:
    def test_between_two_points_the_value_is_linear(self) -> None:
        assert interpolate(CURVE, (0.94 + 1.72) / 2) == pytest.approx(0.25)

    @given(points=points)
    def test_value_at_a_calibration_point_is_that_of_the_point(
        self, points: tuple[tuple[float, float], ...]
    ) -> None:
        for volts, value in points:
            assert interpolate(points, volts) == pytest.approx(value)

    @given(points=points, volts=st.floats(-5, 40))
    def test_every_value_is_within_the_calibrated_values(
        self, points: tuple[tuple[float, float], ...], volts: float
    ) -> None:
        values = [value for _, value in points]
        margin = 1e-9 * (max(values) - min(values))
        assert min(values) - margin <= interpolate(points, volts) <= max(values) + margin

    @given(points=points, beyond=st.floats(0, 10))
    def test_value_beyond_an_end_is_that_of_the_end(
        self, points: tuple[tuple[float, float], ...], beyond: float
    ) -> None:
        assert interpolate(points, points[0][0] - beyond) == points[0][1]
        assert interpolate(points, points[-1][0] + beyond) == points[-1][1]


class TestElectricalRange:
    @given(volts=st.floats(-1, 6), high=st.booleans())
    def test_there_is_a_value_only_inside_the_range(self, volts: float, high: bool) -> None:
        reading = measure(volts, replace(FUEL, open_is_high=high).conversion)
        inside = VALID[0] <= volts <= VALID[1]
        assert (reading.state is SensorState.GOOD) is inside
        assert (reading.value is not None) is inside

    @pytest.mark.parametrize(
        ("volts", "open_is_high", "state"),
        [
            (0.49, True, SensorState.SHORT),
            (0.5, True, SensorState.GOOD),
            (2.9, True, SensorState.GOOD),
            (2.91, True, SensorState.OPEN),
            (0.49, False, SensorState.OPEN),
            (2.91, False, SensorState.SHORT),
        ],
    )
    def test_which_end_is_open_depends_on_the_wiring(
        self, volts: float, open_is_high: bool, state: SensorState
    ) -> None:
        assert replace(FUEL, open_is_high=open_is_high).conversion.state(volts) is state

    def test_fault_states_the_measured_voltage(self) -> None:
        assert measure(2.97, FUEL.conversion).detail == "2.97 V is above 2.9 V"
        assert measure(0.1, FUEL.conversion).detail == "0.1 V is below 0.5 V"


def options(sender: SenderCircuit, **more: object) -> AnalogOptions:
    return replace(
        FUEL,
        calibration=sender.calibration,
        valid=sender.valid,
        open_is_high=sender.open_is_high,
        **more,  # type: ignore[arg-type]
    )


class TestResistiveSenders:
    @pytest.mark.parametrize(("empty_ohm", "full_ohm"), [(240.0, 33.0), (10.0, 180.0)])
    @pytest.mark.parametrize("pull_up_ohm", [100.0, 240.0, 1000.0])
    @given(part=st.floats(0, 1))
    def test_the_level_follows_the_resistance(
        self, empty_ohm: float, full_ohm: float, pull_up_ohm: float, part: float
    ) -> None:
        sender = resistive_sender(empty_ohm, full_ohm, pull_up_ohm=pull_up_ohm, supply_v=3.3)
        ohm = empty_ohm + (full_ohm - empty_ohm) * part
        volts = PullUp(pull_up_ohm, 3.3).volts(ohm)
        assert measure(volts, options(sender).conversion).value == pytest.approx(part, abs=0.006)

    @pytest.mark.parametrize(("empty_ohm", "full_ohm"), [(240.0, 33.0), (10.0, 180.0)])
    @pytest.mark.parametrize(("ohm", "state"), [(1e9, SensorState.OPEN), (0.5, SensorState.SHORT)])
    def test_broken_wire_is_open_and_grounded_wire_is_short(
        self, empty_ohm: float, full_ohm: float, ohm: float, state: SensorState
    ) -> None:
        sender = resistive_sender(empty_ohm, full_ohm, pull_up_ohm=240, supply_v=3.3)
        volts = PullUp(240, 3.3).volts(ohm)
        reading = measure(volts, options(sender).conversion)
        assert (reading.value, reading.state) == (None, state)

    def test_a_sender_can_measure_anything(self) -> None:
        oil = resistive_sender(10, 180, pull_up_ohm=180, supply_v=3.3, empty=0.0, full=1_000_000.0)
        half = PullUp(180, 3.3).volts(95)
        assert measure(half, options(oil).conversion).value == pytest.approx(500_000, rel=0.001)


class TestCurrentLoops:
    @pytest.mark.parametrize(
        ("milliamperes", "value", "state"),
        [
            (0.0, None, SensorState.OPEN),
            (3.59, None, SensorState.OPEN),
            (3.6, 0.0, SensorState.GOOD),
            (4.0, 0.0, SensorState.GOOD),
            (12.0, 2.5, SensorState.GOOD),
            (20.0, 5.0, SensorState.GOOD),
            (21.0, 5.0, SensorState.GOOD),
            (21.1, None, SensorState.SHORT),
        ],
    )
    def test_failures_are_distinguished_from_values_as_in_namur_ne_43(
        self, milliamperes: float, value: float | None, state: SensorState
    ) -> None:
        loop = current_loop(150, at_4_ma=0.0, at_20_ma=5.0)
        reading = measure(milliamperes * 150 / 1000, options(loop).conversion)
        assert reading.state is state
        assert reading.value == (None if value is None else pytest.approx(value))


def test_divider_is_volts_at_the_sender_per_volt_at_the_chip() -> None:
    assert divider(10_000, 3_300) == pytest.approx(13.3 / 3.3)


class TestChips:
    @pytest.fixture
    def sysfs(self, tmp_path: Path) -> Sysfs:
        return Sysfs(tmp_path)

    def read(self, sysfs: Sysfs, options: AnalogOptions) -> Sample:
        return read_once(AnalogDriver(sensor(options, kind="analog", unit="ratio"), root=sysfs.root))

    @pytest.mark.parametrize(("chip", "code"), [("mcp3008", 512), ("mcp3208", 2048)])
    def test_code_of_an_mcp_is_a_fraction_of_its_reference(self, sysfs: Sysfs, chip: str, code: int) -> None:
        sysfs.iio(chip, "spi0/spi0.0", {"in_voltage2_raw": code})
        sample = self.read(sysfs, replace(FUEL, chip=chip))
        assert sample.value == pytest.approx(interpolate(CURVE, 1.65), abs=1e-6)

    def test_a_code_of_an_ads1115_is_scaled_by_the_kernel(self, sysfs: Sysfs) -> None:
        attributes = {"in_voltage2_raw": 13200, "in_voltage2_scale": "0.125000000"}
        sysfs.iio("ads1015", "i2c-1/1-0048", attributes)
        sample = self.read(sysfs, replace(FUEL, chip="ads1115", bus=1, address=0x48))
        assert sample.value == pytest.approx(interpolate(CURVE, 1.65), abs=1e-6)

    def test_voltage_before_a_divider_is_computed(self, sysfs: Sysfs) -> None:
        sysfs.iio("mcp3008", "spi0/spi0.0", {"in_voltage2_raw": 512})
        battery = replace(FUEL, calibration=((0, 0), (20, 20)), valid=(5, 16), divider=8.0)
        assert self.read(sysfs, battery).value == pytest.approx(13.2)

    @pytest.mark.parametrize(("code", "state"), [(1023, "open"), (0, "short"), (512, "good")])
    def test_wiring_fault_is_a_state(self, sysfs: Sysfs, code: int, state: str) -> None:
        sysfs.iio("mcp3008", "spi0/spi0.0", {"in_voltage2_raw": code})
        sample = self.read(sysfs, FUEL)
        assert sample.state == state
        assert (sample.value is None) is (state != "good")

    def test_offset_below_ground_is_not_a_short(self, sysfs: Sysfs) -> None:
        attributes = {"in_voltage2_raw": -3, "in_voltage2_scale": 0.125}
        sysfs.iio("ads1015", "i2c-1/1-0048", attributes)
        sample = self.read(sysfs, replace(FUEL, chip="ads1115", bus=1, address=0x48, valid=(0.0, 2.9)))
        assert (sample.value, sample.state) == (0.0, SensorState.GOOD)

    def test_range_that_the_chip_cannot_measure_is_refused(self, sysfs: Sysfs) -> None:
        attributes = {"in_voltage2_raw": 13200, "in_voltage2_scale": 0.0625}
        sysfs.iio("ads1015", "i2c-1/1-0048", attributes)
        with pytest.raises(
            DriverError, match=r"measures up to 2\.048 V, but a working sender can have up to 2\.9 V"
        ):
            self.read(sysfs, replace(FUEL, chip="ads1115", bus=1, address=0x48))

    @pytest.mark.parametrize(
        ("scales", "scale", "codes", "last"),
        [
            ("0.1875 0.125 0.0625 0.03125 0.015625 0.007813", 0.125, 32768, 32767),
            ("0.1875 0.125 0.0625 0.03125 0.015625 0.007813", 0.125, 32768, 32752),  # 12-bit chip
            ("0.125000000 0.250000000 0.500000000 1.000000000 2.000000000 3.000000000", 2, 2048, 2047),
            ("3 2 1 0.5 0.25 0.125", 0.125, 2048, 2047),
            (None, 0.125, 32768, 32767),
            (None, 3, 2048, 2047),
        ],
    )
    def test_end_of_the_range_is_a_fault_even_inside_the_valid_range(
        self, sysfs: Sysfs, scales: str | None, scale: float, codes: int, last: int
    ) -> None:
        full_v = codes * scale / 1000
        highest = last - 1 if codes == 2048 else 32751
        device = sysfs.iio("ads1015", "i2c-1/1-0048", {"in_voltage2_scale": scale})
        if scales is not None:
            (device / "scale_available").write_text(f"{scales}\n")
        high = replace(FUEL, chip="ads1115", bus=1, address=0x48, valid=(0.0, full_v))
        for code, open_is_high, state in (
            (last, True, SensorState.OPEN),
            (last, False, SensorState.SHORT),
            (-codes, True, SensorState.SHORT),
            (-codes, False, SensorState.OPEN),
            (highest, True, SensorState.GOOD),
        ):
            (device / "in_voltage2_raw").write_text(f"{code}\n")
            sample = self.read(sysfs, replace(high, open_is_high=open_is_high))
            assert (sample.state, sample.value is None) == (state, state is not SensorState.GOOD)

    def test_full_scale_of_a_12_bit_chip_is_not_16_times_too_high(self, sysfs: Sysfs) -> None:
        attributes = {
            "in_voltage2_raw": 500,
            "in_voltage2_scale": 1,
            "scale_available": "3 2 1 0.5 0.25 0.125",
        }
        sysfs.iio("ads1015", "i2c-1/1-0048", attributes)
        with pytest.raises(
            DriverError, match=r"measures up to 2\.048 V, but a working sender can have up to 2\.9 V"
        ):
            self.read(sysfs, replace(FUEL, chip="ads1115", bus=1, address=0x48))
        low = replace(FUEL, chip="ads1115", bus=1, address=0x48, valid=(0.1, 2.0))
        assert self.read(sysfs, low).value == pytest.approx(interpolate(CURVE, 0.5))

    def test_range_up_to_the_reference_is_accepted(self, sysfs: Sysfs) -> None:
        sysfs.iio("mcp3008", "spi0/spi0.0", {"in_voltage2_raw": 1023})
        assert self.read(sysfs, replace(FUEL, valid=(0.0, 3.3))).value == 1.0

    def test_chip_that_does_not_answer_is_an_error(self, sysfs: Sysfs) -> None:
        sysfs.iio("mcp3008", "spi0/spi0.0", {"in_voltage2_raw": UNREADABLE})
        with pytest.raises(DriverError, match="in_voltage2_raw cannot be read"):
            self.read(sysfs, FUEL)

    def test_error_for_an_unbound_chip_names_the_missing_line_of_config_txt(self, sysfs: Sysfs) -> None:
        with pytest.raises(DriverError, match="dtoverlay=mcp3008,spi0-0-present"):
            self.read(sysfs, FUEL)
