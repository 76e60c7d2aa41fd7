"""A DHT22 yields temperature and humidity. Failed or doubtful readings are skipped, then reported."""

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.overlays.kernel_settings import kernel_configuration
from sensors.chips import sysfs as reader
from sensors.config.loader import load_sensors
from sensors.driver import Driver, DriverError
from sensors.driver_context import DriverContext
from sensors.kinds.dht22 import MEASUREMENTS, Dht22Options
from sensors.registry import make_driver
from sensors.sample import Totals
from sensors.settings import SensorSettings
from sensors.state import SensorState
from sensors.toml.toml_file import ConfigurationError
from tests.sensors.fakes import Collector, FakeClock, read_once, sensor
from tests.sensors.sysfs import UNREADABLE, Sysfs


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    return Sysfs(tmp_path)


def dht22(sysfs: Sysfs, measure: str, pin: int = 22, offset: float = 0.0) -> Driver:
    settings = sensor(Dht22Options(pin=pin, measure=measure), kind="dht22", interval_s=10.0, offset=offset)
    return make_driver(settings, context=DriverContext(FakeClock(), root=sysfs.root))


def chip(sysfs: Sysfs, temperature: object, humidity: object, *, pin: int = 22, number: int = 0) -> Path:
    """Create a DHT22 whose attributes have these contents, in m°C and m%."""
    name = f"dht11@{pin:x}"
    attributes = {"in_temp_input": temperature, "in_humidityrelative_input": humidity}
    return sysfs.iio(name, name, attributes, number=number)


class Bench:
    """Sensor that is polled every 10 s on a simulated clock. The test sets what its chip returns."""

    def __init__(self, sysfs: Sysfs, measure: str = "relativeHumidity") -> None:
        self.device = chip(sysfs, 20_000, 60_000)
        self.clock = FakeClock()
        self.said = Collector()
        self.driver = dht22(sysfs, measure)
        self.driver.open(self.said, resume=Totals())

    def poll(self, times: int = 1) -> None:
        for _ in range(times):
            self.driver.poll(self.clock.advance(10))

    def read(self, millidegrees: int, millipercent: int, times: int = 1) -> None:
        (self.device / "in_temp_input").write_text(f"{millidegrees}\n")
        (self.device / "in_humidityrelative_input").write_text(f"{millipercent}\n")
        self.poll(times)

    def fail(self, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make each read fail with an error of the kernel's driver."""

        def refuse(attribute: Path) -> str:  # no ordinary file raises ETIMEDOUT when it is read
            raise reader.UnreadableError(f"{attribute.name} cannot be read", number)

        monkeypatch.setattr(reader, "read_text", refuse)


class TestReading:
    @pytest.mark.parametrize(("measure", "value"), [("temperature", 297.65), ("relativeHumidity", 0.638)])
    def test_readings_are_in_kelvin_and_ratio(self, sysfs: Sysfs, measure: str, value: float) -> None:
        chip(sysfs, 24_500, 63_800)
        assert read_once(dht22(sysfs, measure)).value == value

    @given(tenths=st.integers(-400, 800), permille=st.integers(0, 1000))
    def test_every_value_of_the_chip_is_converted(self, tenths: int, permille: int) -> None:
        kelvin = MEASUREMENTS["temperature"].range.reading(MEASUREMENTS["temperature"].to_si(tenths * 100))
        ratio = MEASUREMENTS["relativeHumidity"].range.reading(
            MEASUREMENTS["relativeHumidity"].to_si(permille * 100)
        )
        assert (kelvin.state, ratio.state) == (SensorState.GOOD, SensorState.GOOD)
        assert kelvin.value == pytest.approx(tenths / 10 + 273.15)
        assert ratio.value == pytest.approx(permille / 1000)

    def test_offset_corrects_the_value(self, sysfs: Sysfs) -> None:
        chip(sysfs, 24_500, 63_800)
        assert read_once(dht22(sysfs, "temperature", offset=-0.5)).value == 297.15

    def test_each_pin_is_a_lane(self, sysfs: Sysfs) -> None:
        assert dht22(sysfs, "temperature", 22).lane == "dht22-22"
        assert dht22(sysfs, "relativeHumidity", 22).lane == "dht22-22"
        assert dht22(sysfs, "temperature", 23).lane == "dht22-23"


class TestFinding:
    @pytest.mark.parametrize(("pin", "value"), [(4, 293.15), (17, 294.15), (27, 295.15)])
    def test_chip_is_found_by_its_pin(self, sysfs: Sysfs, pin: int, value: float) -> None:
        chip(sysfs, 20_000, 50_000, pin=4, number=0)
        chip(sysfs, 22_000, 50_000, pin=27, number=1)
        chip(sysfs, 21_000, 50_000, pin=17, number=2)
        sysfs.iio("bme280", "i2c-1/1-0076", number=3)
        assert read_once(dht22(sysfs, "temperature", pin)).value == value

    def test_error_names_the_missing_line_of_config_txt(self, sysfs: Sysfs) -> None:
        with pytest.raises(
            DriverError, match=r"no DHT22 on GPIO22; add this line .*dtoverlay=dht11,gpiopin=22"
        ):
            read_once(dht22(sysfs, "temperature"))

    def test_error_names_the_pin_of_another_chip(self, sysfs: Sysfs) -> None:
        chip(sysfs, 20_000, 50_000, pin=27)
        with pytest.raises(DriverError, match="no DHT22 on GPIO22, but one on GPIO27; set pin accordingly"):
            read_once(dht22(sysfs, "temperature"))


class TestFaults:
    def test_single_failed_read_is_skipped(self, sysfs: Sysfs) -> None:
        bench = Bench(sysfs)
        bench.poll()
        attribute = bench.device / "in_temp_input"
        attribute.unlink()
        attribute.symlink_to(UNREADABLE)
        bench.poll(3)
        attribute.unlink()
        bench.read(20_000, 60_000)
        assert bench.said.values == [0.6, 0.6]

    @pytest.mark.parametrize(
        ("number", "why"),
        [
            (errno.ETIMEDOUT, "does not answer; check its wires, its supply, and the resistor"),
            (errno.EIO, "data of the DHT22 are damaged; shorten the cable"),
            (errno.EAGAIN, "cannot be read"),
        ],
    )
    def test_reads_that_keep_failing_are_a_fault_with_its_cause(
        self, sysfs: Sysfs, monkeypatch: pytest.MonkeyPatch, number: int, why: str
    ) -> None:
        bench = Bench(sysfs)
        bench.poll()
        bench.fail(number, monkeypatch)
        bench.poll(3)
        with pytest.raises(DriverError, match=f"no good reading for 30 s: .*{why}"):
            bench.poll()
        assert bench.said.values == [0.6]

    @pytest.mark.parametrize(
        ("millidegrees", "millipercent", "why"),
        [
            (0, 0, "only zeros were read"),
            (80_100, 60_000, "temperature is impossible: .* check the data wire"),
            (-40_100, 60_000, "temperature is impossible"),
            (-3_276_700, 60_000, "temperature is impossible"),
            (20_000, 100_100, "relativeHumidity is impossible"),
        ],
    )
    @pytest.mark.parametrize("measure", MEASUREMENTS)
    def test_impossible_reading_has_no_value(
        self, sysfs: Sysfs, measure: str, millidegrees: int, millipercent: int, why: str
    ) -> None:
        bench = Bench(sysfs, measure)
        bench.poll()
        with pytest.raises(DriverError, match=why):
            bench.read(millidegrees, millipercent, times=4)
        assert len(bench.said) == 1

    def test_freezing_air_is_not_a_fault(self, sysfs: Sysfs) -> None:
        chip(sysfs, 0, 60_000)
        assert read_once(dht22(sysfs, "temperature")).value == 273.15

    def test_single_wrong_value_is_skipped(self, sysfs: Sysfs) -> None:
        bench = Bench(sysfs)
        bench.poll()
        bench.read(20_000, 99_000)
        bench.read(20_000, 60_000)
        bench.read(20_000, 61_000)
        assert bench.said.values == [0.6, 0.61]

    def test_wrong_value_of_the_other_quantity_is_skipped(self, sysfs: Sysfs) -> None:
        bench = Bench(sysfs)
        bench.poll()
        bench.read(50_000, 61_000)
        assert bench.said.values == [0.6]

    def test_fast_change_is_recorded_when_the_next_reading_confirms_it(self, sysfs: Sysfs) -> None:
        bench = Bench(sysfs)
        bench.poll()
        bench.read(20_000, 90_000, times=2)
        assert bench.said.values == [0.6, 0.9]

    def test_values_that_never_agree_are_a_fault(self, sysfs: Sysfs) -> None:
        bench = Bench(sysfs)
        bench.poll()
        for millipercent in (10_000, 90_000, 30_000):
            bench.read(20_000, millipercent)
        with pytest.raises(DriverError, match=r"relativeHumidity differs too much .*; check the data wire"):
            bench.read(20_000, 70_000)
        assert bench.said.values == [0.6]


class TestConfiguration:
    SENSOR = (
        '[[sensor]]\nid = "{0}"\nkind = "dht22"\npin = {1}\nmeasure = "{2}"\n'
        'path = "environment.inside.{0}.{2}"\n'
    )
    SWITCH = '[[sensor]]\nid = "float"\nkind = "switch"\npin = 22\npath = "bilge.main.highWater"\n'

    def load(self, folder: Path, *sensors: str) -> tuple[SensorSettings, ...]:
        file = folder / "sensors.toml"
        file.write_text("\n".join(sensors))
        return tuple(load_sensors(file))

    def test_two_quantities_of_one_chip_share_a_pin_and_an_overlay(self, tmp_path: Path) -> None:
        sensors = self.load(
            tmp_path,
            self.SENSOR.format("a", 22, "temperature"),
            self.SENSOR.format("b", 22, "relativeHumidity"),
            self.SENSOR.format("c", 23, "temperature"),
        )
        assert [each.unit for each in sensors] == ["K", "ratio", "K"]
        assert kernel_configuration(sensors).lines == (
            "dtoverlay=dht11,gpiopin=22",
            "dtoverlay=dht11,gpiopin=23",
        )

    def test_same_quantity_on_the_same_pin_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r'22 is already used by sensor "a" .* same'):
            self.load(
                tmp_path,
                self.SENSOR.format("a", 22, "temperature"),
                self.SENSOR.format("b", 22, "temperature"),
            )

    @pytest.mark.parametrize("is_first", [True, False])
    def test_pin_of_another_sensor_is_refused(self, tmp_path: Path, is_first: bool) -> None:
        both = [self.SENSOR.format("a", 22, "temperature"), self.SWITCH]
        with pytest.raises(ConfigurationError, match="22 is already used by sensor"):
            self.load(tmp_path, *(both if is_first else reversed(both)))

    def test_pin_of_a_bus_is_refused(self, tmp_path: Path) -> None:
        thermometer = '[[sensor]]\nid = "t"\nkind = "ds18b20"\npath = "environment.inside.t.temperature"\n'
        with pytest.raises(ConfigurationError, match="4 belongs to bus w1"):
            self.load(tmp_path, thermometer, self.SENSOR.format("a", 4, "temperature"))

    def test_interval_shorter_than_the_kernels_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"2000 ms|2 s"):
            self.load(tmp_path, self.SENSOR.format("a", 22, "temperature") + 'every = "1 s"\n')

    def test_missing_pin_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="pin"):
            self.load(tmp_path, self.SENSOR.format("a", 22, "temperature").replace("pin = 22\n", ""))
