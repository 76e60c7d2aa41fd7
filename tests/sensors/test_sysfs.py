"""Chips are found in sysfs and read in SI units, and a fault is never reported as a number."""

import errno
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.chips import sysfs as reader
from sensors.chips.kernel_driver import BusReading, KernelDriver
from sensors.chips.one_wire_driver import ThermometerDriver
from sensors.chips.scratchpad import parse_scratchpad
from sensors.chips.sysfs import SysfsChip, read_number, read_text
from sensors.driver import Driver, DriverError
from sensors.driver_context import DriverContext
from sensors.kinds.bme280 import Bme280Options
from sensors.kinds.ds18b20 import MODEL as DS18B20
from sensors.kinds.ds18b20 import Ds18b20Options
from sensors.kinds.ina219 import PowerOptions
from sensors.kinds.thermocouple import ThermocoupleOptions
from sensors.registry import all_kinds, make_driver
from sensors.sample import Sample, Totals
from sensors.sampling import Sampler
from sensors.settings import SensorSettings
from sensors.state import SensorState
from tests.sensors.fakes import SECOND, Collector, FakeClock, read_once, sensor
from tests.sensors.sysfs import UNREADABLE, Sysfs, w1_slave

ADDRESS = "28-0316a2f9b1ff"
ZEROS = f"{'00 ' * 9}: crc=00 YES\n{'00 ' * 9}t=0\n"
"""Scratchpad that is read while the data wire is shorted to ground. Its CRC is valid."""


CHIPS = {
    name: chip
    for kind in all_kinds().values()
    for name, chip in kind.chips.items()
    if isinstance(chip, SysfsChip)
}


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    return Sysfs(tmp_path)


def thermometer(sysfs: Sysfs, address: str | None = ADDRESS, interval_s: float = 1.0) -> ThermometerDriver:
    options = Ds18b20Options(address=address)
    return ThermometerDriver(
        sensor(options, kind="ds18b20", unit="K", interval_s=interval_s), DS18B20, root=sysfs.root
    )


def made(sysfs: Sysfs, settings: SensorSettings) -> Driver:
    """Return the driver of a sensor on a machine whose sysfs contains these chips."""
    return make_driver(settings, context=DriverContext(FakeClock(), root=sysfs.root))


def thermocouple(sysfs: Sysfs, bus: int = 0, address: int | None = 0) -> Driver:
    return made(sysfs, sensor(ThermocoupleOptions(bus=bus, address=address), kind="thermocouple", unit="K"))


def monitor(
    sysfs: Sysfs,
    measure: str,
    kind: str = "ina226",
    shunt_ohm: float | None = None,
    address: int | None = 0x40,
    *,
    invert: bool = False,
) -> Driver:
    options = PowerOptions(bus=1, address=address, measure=measure, shunt_ohm=shunt_ohm, invert=invert)
    return made(sysfs, sensor(options, kind=kind))


def climate(sysfs: Sysfs, measure: str, bus: int = 1, address: int | None = 0x76) -> Driver:
    options = Bme280Options(bus=bus, address=address, measure=measure)
    return made(sysfs, sensor(options, kind="bme280"))


class TestFinding:
    def test_chip_is_found_by_name_bus_and_address(self, sysfs: Sysfs) -> None:
        sysfs.iio("bmp280", "i2c-1/1-0076", number=0)
        sysfs.iio("bme280", "i2c-3/3-0076", number=1)
        sysfs.iio("bme280", "i2c-1/1-0077", number=2)
        wanted = sysfs.iio("bme280", "i2c-11/11-0076", number=3)
        assert CHIPS["bme280"].find(sysfs.root, bus=11, address=0x76) == wanted

    def test_error_names_a_chip_found_at_another_address(self, sysfs: Sysfs) -> None:
        sysfs.iio("bme280", "i2c-1/1-0077")
        with pytest.raises(DriverError, match="no BME280 on i2c-1, 0x76, but one is on i2c-1, 0x77; set bus"):
            CHIPS["bme280"].find(sysfs.root, bus=1, address=0x76)

    def test_single_chip_needs_no_address(self, sysfs: Sysfs) -> None:
        sysfs.iio("bme280", "i2c-1/1-0077", {"in_temp_input": 20_000})
        assert read_once(climate(sysfs, "temperature", address=None)).value == 293.15

    def test_two_chips_need_an_address(self, sysfs: Sysfs) -> None:
        sysfs.iio("bme280", "i2c-1/1-0076", number=0)
        sysfs.iio("bme280", "i2c-1/1-0077", number=1)
        with pytest.raises(
            DriverError, match=r"2 BME280 chips \(i2c-1, 0x76; i2c-1, 0x77\); set bus and address"
        ):
            CHIPS["bme280"].find(sysfs.root, bus=None, address=None)

    def test_chip_is_found_again_under_another_number(self, sysfs: Sysfs) -> None:
        driver = climate(sysfs, "temperature")
        first = sysfs.iio("bme280", "i2c-1/1-0076", {"in_temp_input": 20_000}, number=0)
        assert read_once(driver).value == 293.15
        first.unlink()
        sysfs.iio("bme280", "i2c-1/1-0076", {"in_temp_input": 21_000}, number=7)
        assert read_once(driver).value == 294.15

    @pytest.mark.parametrize(
        ("chip", "bus", "address", "line"),
        [
            ("mcp3008", 0, 1, "dtoverlay=mcp3008,spi0-1-present"),
            ("mcp3208", 1, 0, 'dtoverlay=anyspi,spi1-0,dev="microchip,mcp3208"'),
            (
                "ads1115",
                1,
                0x49,
                "these lines, in this order, to /boot/firmware/config.txt and restart: dtov",
            ),
            ("ads1115", 1, 0x49, "dtoverlay=ads1115,addr=0x49,cha_enable"),
            ("ads1115", 1, 0x49, "chb_gain=1; dtparam=chc_enable,chc_cfg=6,chc_gain=1,chd_enable"),
            ("thermocouple", 0, 0, "dtoverlay=maxtherm,spi0-0,max31855k"),
            ("max6675", 0, 1, "dtoverlay=maxtherm,spi0-1,max6675"),
            ("bmp280", 1, 0x77, "dtoverlay=i2c-sensor,bmp280,addr=0x77"),
            ("sht3x", 1, 0x45, "dtoverlay=i2c-sensor,sht3x,addr=0x45"),
            ("bme280", 1, 0x77, "dtoverlay=i2c-sensor,bme280,addr=0x77"),
            ("bme280", 3, 0x76, "dtoverlay=i2c-sensor,bme280,addr=0x76,i2c3"),
            ("bme280", None, None, "dtoverlay=i2c-sensor,bme280,addr=0x76"),
            ("ina226", 1, 0x41, "echo ina226 0x41 > /sys/bus/i2c/devices/i2c-1/new_device"),
        ],
    )
    def test_error_for_an_unbound_chip_names_the_missing_line_of_config_txt(
        self, sysfs: Sysfs, chip: str, bus: int | None, address: int | None, line: str
    ) -> None:
        with pytest.raises(DriverError) as raised:
            CHIPS[chip].find(sysfs.root, bus=bus, address=address)
        assert line in str(raised.value)
        assert "/boot/firmware/config.txt" in str(raised.value)

    @pytest.mark.parametrize(("bus", "address"), [(1, 0x76), (None, None), (1, None)])
    def test_error_for_a_chip_that_did_not_answer_names_the_wires(
        self, sysfs: Sysfs, bus: int | None, address: int | None
    ) -> None:
        device = sysfs.root / "sys/bus/i2c/devices/1-0076"
        device.mkdir(parents=True)
        with pytest.raises(DriverError, match=r"no such chip answered .* check its wires.*\(BME280\)"):
            CHIPS["bme280"].find(sysfs.root, bus=bus, address=address)
        (device / "driver").mkdir()  # a driver for another chip
        with pytest.raises(DriverError, match="add this line to /boot/firmware"):
            CHIPS["bme280"].find(sysfs.root, bus=bus, address=address)

    def test_each_bus_is_a_lane(self, sysfs: Sysfs) -> None:
        assert thermometer(sysfs).lane == "w1"
        assert climate(sysfs, "pressure").lane == "i2c-1"
        assert CHIPS["bme280"].wiring.lane(None) == "i2c-1"
        assert climate(sysfs, "pressure", bus=3).lane == "i2c-3"
        assert thermocouple(sysfs).lane == "spi-0"
        assert thermocouple(sysfs, bus=1).lane == "spi-1"


class TestReading:
    def test_missing_attribute_is_reported(self, tmp_path: Path) -> None:
        with pytest.raises(reader.UnreadableError, match="in_temp_raw no longer exists") as raised:
            read_text(tmp_path / "in_temp_raw")
        assert raised.value.is_gone

    def test_unreadable_attribute_is_reported_with_the_reason(self, sysfs: Sysfs) -> None:
        device = sysfs.iio("bme280", "i2c-1/1-0076", {"in_temp_input": UNREADABLE})
        with pytest.raises(reader.UnreadableError, match="cannot be read") as raised:
            read_number(device / "in_temp_input")
        assert raised.value.errno == errno.EIO
        assert not raised.value.is_gone

    @pytest.mark.parametrize("text", ["", "busy", "1.2.3", "nan", "inf", "\xff"])
    def test_text_that_is_not_a_number_is_an_error(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "in_temp_raw").write_text(text)
        with pytest.raises(DriverError, match="instead of a number"):
            read_number(tmp_path / "in_temp_raw")

    def test_polling_a_closed_driver_is_an_error(self, sysfs: Sysfs) -> None:
        driver = climate(sysfs, "temperature")
        with pytest.raises(DriverError, match="probe is not open"):
            driver.poll(0)

    def test_driver_may_be_closed_twice_and_after_a_failed_open(self, sysfs: Sysfs) -> None:
        driver = climate(sysfs, "temperature")
        with pytest.raises(DriverError):
            driver.open(Collector(), resume=Totals())
        driver.close()
        driver.close()


class Bench:
    """Thermometer that is polled once a second on a simulated clock."""

    def __init__(self, driver: KernelDriver) -> None:
        self.clock = FakeClock()
        self.said = Collector()
        self.driver = driver
        driver.open(self.said, resume=Totals())

    def poll(self, times: int = 1) -> None:
        for _ in range(times):
            self.driver.poll(self.clock.advance(1))


class TestThermometer:
    def test_reading_is_in_kelvin(self, sysfs: Sysfs) -> None:
        sysfs.thermometer(ADDRESS, w1_slave(21.3125))
        sample = read_once(thermometer(sysfs), now_ns=7)
        assert (sample.value, sample.state, sample.boottime_ns) == (294.462, SensorState.GOOD, 7)

    def test_negative_temperature_is_read(self, sysfs: Sysfs) -> None:
        sysfs.thermometer(ADDRESS, w1_slave(-10.5))
        assert read_once(thermometer(sysfs)).value == 262.65

    def test_single_thermometer_needs_no_address(self, sysfs: Sysfs) -> None:
        sysfs.thermometer(ADDRESS, w1_slave(20))
        assert read_once(thermometer(sysfs, address=None)).value == 293.15

    def test_two_thermometers_need_an_address(self, sysfs: Sysfs) -> None:
        sysfs.thermometer("28-aa", w1_slave(20))
        sysfs.thermometer("28-bb", w1_slave(20))
        with pytest.raises(DriverError, match="28-aa, 28-bb"):
            read_once(thermometer(sysfs, address=None))

    def test_error_for_a_missing_bus_names_the_missing_line_of_config_txt(self, sysfs: Sysfs) -> None:
        with pytest.raises(DriverError, match="dtoverlay=w1-gpio"):
            read_once(thermometer(sysfs))

    def test_error_names_the_thermometer_found_instead(self, sysfs: Sysfs) -> None:
        sysfs.thermometer("28-other", w1_slave(20))
        with pytest.raises(DriverError, match="others that answer: 28-other"):
            read_once(thermometer(sysfs))

    def test_empty_bus_is_an_error(self, sysfs: Sysfs) -> None:
        sysfs.one_wire()
        with pytest.raises(DriverError, match="no other thermometer answers"):
            read_once(thermometer(sysfs))
        with pytest.raises(DriverError, match="pull-up"):
            read_once(thermometer(sysfs, address=None))

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            (w1_slave(21, crc="NO"), "CRC is wrong"),
            (w1_slave(85, mark=0x0C), "reset or powered up"),
            (w1_slave(127.9375, mark=0x0C), "supply is too weak"),
            (ZEROS, "only zeros"),
            ("", "conversion failed"),
            ("nonsense", "w1_slave contains 'nonsense'"),
        ],
    )
    def test_implausible_reading_has_no_value(self, sysfs: Sysfs, text: str, why: str) -> None:
        device = sysfs.thermometer(ADDRESS, w1_slave(21))
        bench = Bench(thermometer(sysfs))
        bench.poll()
        (device / "w1_slave").write_text(text)
        bench.poll(10)
        assert bench.said.values == [294.15]
        with pytest.raises(DriverError, match=why):
            bench.poll()

    def test_real_85_degrees_is_accepted(self, sysfs: Sysfs) -> None:
        sysfs.thermometer(ADDRESS, w1_slave(85, mark=0x10))
        assert read_once(thermometer(sysfs)).value == 358.15

    def test_85_degrees_of_a_clone_are_accepted_only_after_a_similar_reading(self, sysfs: Sysfs) -> None:
        device = sysfs.thermometer(ADDRESS, w1_slave(85, mark=0x55))
        bench = Bench(thermometer(sysfs))
        bench.poll()
        assert bench.said.values == []
        for celsius, believed in ((60, True), (85, False), (84, True), (85, True)):
            (device / "w1_slave").write_text(w1_slave(celsius, mark=0x55))
            before = len(bench.said)
            bench.poll()
            assert (len(bench.said) > before) is believed

    def test_reading_outside_the_data_sheets_range_has_no_value(self, sysfs: Sysfs) -> None:
        sysfs.thermometer(ADDRESS, w1_slave(126))
        sample = read_once(thermometer(sysfs))
        assert (sample.value, sample.state) == (None, SensorState.OUT_OF_RANGE)
        assert "399.15 K" in sample.detail

    def test_short_dropout_is_not_a_fault(self, sysfs: Sysfs) -> None:
        device = sysfs.thermometer(ADDRESS, w1_slave(21))
        link = sysfs.one_wire() / ADDRESS
        bench = Bench(thermometer(sysfs))
        bench.poll()
        link.unlink()
        bench.poll(9)
        link.symlink_to(device)
        bench.poll()
        assert bench.said.states == ["good", "good"]

    def test_missing_sensor_is_a_fault_and_is_found_again(self, sysfs: Sysfs) -> None:
        device = sysfs.thermometer(ADDRESS, w1_slave(21))
        link = sysfs.one_wire() / ADDRESS
        bench = Bench(thermometer(sysfs))
        bench.poll()
        link.unlink()
        bench.poll(10)
        with pytest.raises(DriverError, match=r"no good reading for 10 s: .*does not answer"):
            bench.poll()
        bench.driver.close()
        with pytest.raises(DriverError, match="does not answer"):
            bench.driver.open(bench.said, resume=Totals())
        link.symlink_to(device)
        bench.driver.open(bench.said, resume=Totals())
        bench.poll()
        assert bench.said.values == [294.15, 294.15]

    def test_slow_sensor_is_given_three_intervals(self, sysfs: Sysfs) -> None:
        sysfs.thermometer(ADDRESS, "")
        driver = thermometer(sysfs, interval_s=60)
        driver.open(Collector(), resume=Totals())
        driver.poll(0)
        driver.poll(180 * SECOND)
        with pytest.raises(DriverError, match="no good reading for 180 s"):
            driver.poll(181 * SECOND)

    def test_single_bad_reading_on_a_slow_bus_is_not_a_fault(self, sysfs: Sysfs) -> None:
        device = sysfs.thermometer(ADDRESS, w1_slave(21))
        driver = thermometer(sysfs)
        driver.open(said := Collector(), resume=Totals())
        driver.poll(0)
        (device / "w1_slave").write_text(w1_slave(21, crc="NO"))
        driver.poll(21 * SECOND)
        driver.poll(42 * SECOND)
        (device / "w1_slave").write_text(w1_slave(22))
        driver.poll(63 * SECOND)
        assert said.values == [294.15, 295.15]
        (device / "w1_slave").write_text(w1_slave(22, crc="NO"))
        driver.poll(84 * SECOND)
        driver.poll(105 * SECOND)
        with pytest.raises(DriverError, match="no good reading for 10 s: the CRC is wrong"):
            driver.poll(126 * SECOND)

    def test_replaced_sensor_is_used_when_no_address_is_set(self, sysfs: Sysfs) -> None:
        sysfs.thermometer("28-old", w1_slave(21))
        bench = Bench(thermometer(sysfs, address=None))
        bench.poll()
        (sysfs.one_wire() / "28-old").unlink()
        sysfs.thermometer("28-new", w1_slave(22))
        bench.poll()
        assert bench.said.values == [294.15, 295.15]

    @given(
        data=st.binary(min_size=9, max_size=9), good=st.booleans(), millidegrees=st.integers(-55000, 125000)
    )
    def test_scratchpad_is_parsed_from_the_output_of_w1_therm(
        self, data: bytes, good: bool, millidegrees: int
    ) -> None:
        line = " ".join(f"{byte:02x}" for byte in data)
        text = f"{line} : crc={data[8]:02x} {'YES' if good else 'NO'}\n{line} t={millidegrees}"
        scratchpad = parse_scratchpad(text)
        assert scratchpad is not None
        assert (scratchpad.data, scratchpad.crc_good, scratchpad.millidegrees) == (data, good, millidegrees)

    @given(text=st.text(max_size=120))
    def test_other_text_is_not_a_scratchpad(self, text: str) -> None:
        assert parse_scratchpad(text) is None


class TestManyThermometers:
    """Tests of a 1-wire bus with many sensors. Reading each sensor takes as long as a conversion."""

    @pytest.mark.parametrize(
        ("count", "interval_s", "conversion_s"),
        [(12, 1.0, 0.75), (14, 1.0, 0.75), (20, 5.0, 0.75), (45, 10.0, 0.75), (8, 1.0, 1.9), (6, 2.0, 1.9)],
    )
    def test_no_sensor_is_faulty_while_the_bus_works(
        self, sysfs: Sysfs, count: int, interval_s: float, conversion_s: float
    ) -> None:
        clock = FakeClock()
        said = Collector()
        addresses = [f"28-{number:012x}" for number in range(count)]
        for number, address in enumerate(addresses):
            sysfs.thermometer(address, w1_slave(20 + number))

        class Slow(ThermometerDriver):
            def read(self, directory: Path, now_ns: int) -> BusReading | None:
                for _ in range(3):  # in between, the recorder checks for hung buses
                    sampler.overdue(clock.advance(conversion_s / 3))
                if clock.now_ns >= end_ns:
                    lane.stopping.set()
                return super().read(directory, now_ns)

        drivers = [
            Slow(
                sensor(
                    Ds18b20Options(address),
                    kind="ds18b20",
                    unit="K",
                    id=address,
                    interval_s=interval_s,
                ),
                DS18B20,
                root=sysfs.root,
            )
            for address in addresses
        ]
        sampler = Sampler(drivers, said, clock=clock)
        [lane] = sampler.lanes
        end_ns = clock.now_ns + 120 * SECOND
        lane.begin()
        while not lane.stopping.is_set():
            lane.step()
            sampler.overdue(clock.advance(0.1))
        assert {sample.sensor for sample in said} == set(addresses)
        assert {(sample.state, sample.detail) for sample in said} == {(SensorState.GOOD, "")}


class TestThermocouple:
    ATTRIBUTES: ClassVar[dict[str, object]] = {
        "in_temp_scale": 250,
        "in_temp_ambient_raw": 400,
        "in_temp_ambient_scale": "62.500000",
    }

    def test_reading_is_in_kelvin(self, sysfs: Sysfs) -> None:
        sysfs.iio("maxim_thermocouple", "spi0/spi0.0", self.ATTRIBUTES | {"in_temp_raw": 1601})
        assert read_once(thermocouple(sysfs)).value == 673.4

    def test_negative_temperature_is_read(self, sysfs: Sysfs) -> None:
        sysfs.iio("maxim_thermocouple", "spi0/spi0.0", self.ATTRIBUTES | {"in_temp_raw": -40})
        assert read_once(thermocouple(sysfs)).value == 263.15

    def test_zero_degrees_are_accepted_from_a_chip_that_is_warm(self, sysfs: Sysfs) -> None:
        sysfs.iio("maxim_thermocouple", "spi0/spi0.0", self.ATTRIBUTES | {"in_temp_raw": 0})
        assert read_once(thermocouple(sysfs)).value == 273.15

    def test_chip_that_returns_only_zeros_is_missing(self, sysfs: Sysfs) -> None:
        attributes = self.ATTRIBUTES | {"in_temp_ambient_raw": 0}
        sysfs.iio("maxim_thermocouple", "spi0/spi0.0", attributes | {"in_temp_raw": 0})
        with pytest.raises(DriverError, match="only zeros"):
            read_once(thermocouple(sysfs))

    def test_chip_without_a_cold_junction_attribute_is_read(self, sysfs: Sysfs) -> None:
        sysfs.iio("maxim_thermocouple", "spi0/spi0.0", {"in_temp_scale": 250, "in_temp_raw": 1601})
        assert read_once(thermocouple(sysfs)).value == 673.4

    def test_only_zeros_from_a_chip_without_a_cold_junction_attribute_are_a_fault(self, sysfs: Sysfs) -> None:
        sysfs.iio("maxim_thermocouple", "spi0/spi0.0", {"in_temp_scale": 250, "in_temp_raw": 0})
        with pytest.raises(DriverError, match="only zeros"):
            read_once(thermocouple(sysfs))

    def test_fault_bit_of_a_max31855_means_open(self, sysfs: Sysfs, monkeypatch: pytest.MonkeyPatch) -> None:
        sysfs.iio("maxim_thermocouple", "spi0/spi0.0", self.ATTRIBUTES | {"in_temp_raw": 0})

        def refuse(attribute: Path) -> str:  # no ordinary file raises EINVAL when it is read
            raise reader.UnreadableError(f"{attribute.name} cannot be read", errno.EINVAL)

        driver = thermocouple(sysfs)
        said = Collector()
        driver.open(said, resume=Totals())
        monkeypatch.setattr(reader, "read_text", refuse)
        driver.poll(0)
        assert (said.values, said.states) == ([None], ["open"])

    @pytest.mark.parametrize(
        ("faults", "state"),
        [
            ({"fault_oc": 1, "fault_ovuv": 0}, SensorState.OPEN),
            ({"fault_oc": 0, "fault_ovuv": 1}, SensorState.SHORT),
        ],
    )
    def test_faults_of_a_max31856_mean_open_and_short(
        self, sysfs: Sysfs, faults: dict[str, int], state: SensorState
    ) -> None:
        sysfs.iio("max31856", "spi0/spi0.0", self.ATTRIBUTES | faults | {"in_temp_raw": UNREADABLE})
        sample = read_once(thermocouple(sysfs))
        assert (sample.value, sample.state) == (None, state)

    def test_refused_read_without_a_fault_is_an_error(self, sysfs: Sysfs) -> None:
        faults = {"fault_oc": 0, "fault_ovuv": 0}
        sysfs.iio("max31856", "spi0/spi0.0", self.ATTRIBUTES | faults | {"in_temp_raw": UNREADABLE})
        with pytest.raises(DriverError, match="cannot be read"):
            read_once(thermocouple(sysfs))

    def test_reading_above_any_thermocouples_range_has_no_value(self, sysfs: Sysfs) -> None:
        sysfs.iio("maxim_thermocouple", "spi0/spi0.0", self.ATTRIBUTES | {"in_temp_raw": 7300})
        assert read_once(thermocouple(sysfs)).state is SensorState.OUT_OF_RANGE


class TestPowerMonitor:
    ATTRIBUTES: ClassVar[dict[str, object]] = {
        "in0_input": 21,
        "in1_input": 12840,
        "curr1_input": -2130,
        "power1_input": 27_350_000,
        "shunt_resistor": 10_000,
    }

    @pytest.mark.parametrize(
        ("measure", "value"), [("voltage", 12.84), ("current", -2.13), ("power", -27.3492)]
    )
    @pytest.mark.parametrize("kind", ["ina219", "ina226"])
    def test_readings_are_in_volts_amperes_and_watts(
        self, sysfs: Sysfs, kind: str, measure: str, value: float
    ) -> None:
        sysfs.hwmon(kind, "i2c-1/1-0040", self.ATTRIBUTES)
        assert read_once(monitor(sysfs, measure, kind)).value == value

    @pytest.mark.parametrize(
        ("measure", "value"), [("voltage", 12.84), ("current", -213.0), ("power", -2734.92)]
    )
    def test_configured_shunt_corrects_the_kernels_reading(
        self, sysfs: Sysfs, measure: str, value: float
    ) -> None:
        sysfs.hwmon("ina226", "i2c-1/1-0040", self.ATTRIBUTES)
        assert read_once(monitor(sysfs, measure, shunt_ohm=0.0001)).value == value

    @pytest.mark.parametrize(
        ("kind", "measure", "attribute", "most", "beyond"),
        [
            ("ina219", "voltage", "in1_input", 26_000, 26_004),
            ("ina226", "voltage", "in1_input", 36_000, 36_001),
            ("ina219", "current", "in0_input", 319, 320),
            ("ina226", "current", "in0_input", -81, -82),
            ("ina226", "power", "in0_input", 81, 82),
            ("ina219", "power", "in1_input", 26_000, 26_004),
        ],
    )
    def test_reading_above_the_chips_range_has_no_value(
        self, sysfs: Sysfs, kind: str, measure: str, attribute: str, most: int, beyond: int
    ) -> None:
        device = sysfs.hwmon(kind, "i2c-1/1-0040", self.ATTRIBUTES)
        (device / attribute).write_text(f"{most}\n")
        assert read_once(monitor(sysfs, measure, kind)).state is SensorState.GOOD
        (device / attribute).write_text(f"{beyond}\n")
        sample = read_once(monitor(sysfs, measure, kind))
        assert (sample.value, sample.state) == (None, SensorState.OUT_OF_RANGE)

    def test_chip_that_does_not_answer_is_an_error(self, sysfs: Sysfs) -> None:
        sysfs.hwmon("ina226", "i2c-1/1-0040", self.ATTRIBUTES | {"in1_input": UNREADABLE})
        with pytest.raises(DriverError, match="in1_input cannot be read"):
            read_once(monitor(sysfs, "voltage"))

    @pytest.mark.parametrize(("milliamperes", "watts"), [(-20_000, -252.0), (20_000, 252.0), (0, 0.0)])
    @pytest.mark.parametrize("kind", ["ina219", "ina226"])
    def test_power_has_the_sign_of_the_current_whatever_the_chips_register_says(
        self, sysfs: Sysfs, kind: str, milliamperes: int, watts: float
    ) -> None:
        attributes = {"in1_input": 12_600, "curr1_input": milliamperes, "power1_input": 252_000_000}
        sysfs.hwmon(kind, "i2c-1/1-0040", self.ATTRIBUTES | attributes)
        assert read_once(monitor(sysfs, "power", kind)).value == watts

    @pytest.mark.parametrize(
        ("measure", "value"), [("voltage", 12.84), ("current", 2.13), ("power", 27.3492)]
    )
    def test_inverted_shunt_changes_the_sign_of_current_and_power(
        self, sysfs: Sysfs, measure: str, value: float
    ) -> None:
        sysfs.hwmon("ina226", "i2c-1/1-0040", self.ATTRIBUTES)
        assert read_once(monitor(sysfs, measure, invert=True)).value == value
        scaled = value if measure == "voltage" else pytest.approx(value * 100)
        driver = monitor(sysfs, measure, shunt_ohm=0.0001, invert=True)
        assert [read_once(driver).value, read_once(driver).value] == [scaled, scaled]

    def test_ina226_is_not_mistaken_for_an_ina219(self, sysfs: Sysfs) -> None:
        sysfs.hwmon("ina226", "i2c-1/1-0040", self.ATTRIBUTES)
        with pytest.raises(DriverError, match="no INA219 on i2c-1, 0x40"):
            read_once(monitor(sysfs, "voltage", "ina219"))


class TestCorrection:
    def corrected(self, sysfs: Sysfs, scale: float, offset: float) -> Sample:
        options = Bme280Options(bus=1, address=0x76, measure="relativeHumidity")
        path = "environment.inside.relativeHumidity"
        settings = sensor(options, kind="bme280", unit="ratio", path=path, scale=scale, offset=offset)
        return read_once(made(sysfs, settings))

    @pytest.mark.parametrize(
        ("scale", "offset", "value"),
        [(1, 0, 0.46333), (1.5, 0, 0.694995), (1, -0.06333, 0.4), (2, 0.05, 0.97666)],
    )
    def test_value_is_scaled_and_then_offset(
        self, sysfs: Sysfs, scale: float, offset: float, value: float
    ) -> None:
        sysfs.iio("bme280", "i2c-1/1-0076", {"in_humidityrelative_input": 46333})
        assert self.corrected(sysfs, scale, offset).value == value

    def test_value_that_becomes_impossible_is_out_of_range(self, sysfs: Sysfs) -> None:
        sysfs.iio("bme280", "i2c-1/1-0076", {"in_humidityrelative_input": 99000})
        sample = self.corrected(sysfs, 1, 0.02)
        assert (sample.value, sample.state) == (None, SensorState.OUT_OF_RANGE)
        assert (
            sample.detail == "1.01 is outside the possible range of relativeHumidity; check scale and offset"
        )

    def test_reading_without_a_value_stays_without_one(self, sysfs: Sysfs) -> None:
        sysfs.iio("bme280", "i2c-1/1-0076", {"in_humidityrelative_input": 100_001})
        sample = self.corrected(sysfs, 1, 0.02)
        assert (sample.value, sample.state) == (None, SensorState.OUT_OF_RANGE)
        assert "is outside the sensor's" in sample.detail


class TestClimate:
    ATTRIBUTES: ClassVar[dict[str, object]] = {
        "in_temp_input": 21310,
        "in_humidityrelative_input": 46333,
        "in_pressure_input": "101.325191",
    }

    @pytest.mark.parametrize(
        ("measure", "value"),
        [("temperature", 294.46), ("relativeHumidity", 0.46333), ("pressure", 101325.19)],
    )
    def test_readings_are_in_kelvin_ratio_and_pascal(self, sysfs: Sysfs, measure: str, value: float) -> None:
        sysfs.iio("bme280", "i2c-1/1-0076", self.ATTRIBUTES)
        assert read_once(climate(sysfs, measure)).value == value

    @pytest.mark.parametrize(
        ("measure", "attribute", "most", "beyond"),
        [
            ("temperature", "in_temp_input", 85_000, 85_010),
            ("temperature", "in_temp_input", -40_000, -40_010),
            ("relativeHumidity", "in_humidityrelative_input", 100_000, 100_001),
            ("pressure", "in_pressure_input", 110, 110.001),
        ],
    )
    def test_reading_outside_the_data_sheets_range_has_no_value(
        self, sysfs: Sysfs, measure: str, attribute: str, most: float, beyond: float
    ) -> None:
        device = sysfs.iio("bme280", "i2c-1/1-0076", self.ATTRIBUTES)
        (device / attribute).write_text(str(most))
        assert read_once(climate(sysfs, measure)).state is SensorState.GOOD
        (device / attribute).write_text(str(beyond))
        sample = read_once(climate(sysfs, measure))
        assert (sample.value, sample.state) == (None, SensorState.OUT_OF_RANGE)

    def test_unplugged_chip_is_an_error_and_is_found_again(self, sysfs: Sysfs) -> None:
        device = sysfs.iio("bme280", "i2c-1/1-0076", self.ATTRIBUTES)
        attribute = device / "in_temp_input"
        driver = climate(sysfs, "temperature")
        said = Collector()
        driver.open(said, resume=Totals())
        attribute.unlink()
        with pytest.raises(DriverError, match="in_temp_input no longer exists"):
            driver.poll(1)
        driver.close()
        attribute.write_text("20000\n")
        driver.open(said, resume=Totals())
        driver.poll(2)
        assert said.values == [293.15]
