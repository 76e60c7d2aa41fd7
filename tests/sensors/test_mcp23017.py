"""Contacts on an MCP23017 are recorded, and a chip that does not answer is never a closed contact."""

import errno
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.overlays.kernel_settings import kernel_configuration
from sensors.chips.expander_keys import INPUTS, OUTPUTS, PROOF_PIN, line_of, parse_input
from sensors.config.loader import ConfigurationError, load_sensors
from sensors.driver import Driver, DriverError
from sensors.kinds.mcp23017 import Mcp23017Options
from sensors.registry import make_driver
from sensors.sample import Totals
from sensors.sampling import Sampler
from sensors.settings import SensorSettings
from sensors.state import SensorState
from sensors.units import InputError
from tests.sensors.expander import ExpanderBoard
from tests.sensors.fakes import SECOND, Collector, sensor

A0, B3 = line_of("A0"), line_of("B3")
CLOSED, OPEN = False, True
"""Levels of an input with a resistor to 3.3 V whose contact to ground is closed and open, respectively."""


@pytest.fixture
def pi(tmp_path: Path) -> ExpanderBoard:
    return ExpanderBoard(tmp_path)


def settings(
    *, name: str = "probe", interval_s: float = 0.1, window_s: float = 300.0, **options: Any
) -> SensorSettings:
    given: dict[str, Any] = {"input": "A0", "address": 0x20} | options
    chosen = Mcp23017Options(**given)
    return sensor(chosen, kind="mcp23017", unit="bool", id=name, interval_s=interval_s, window_s=window_s)


def contact(pi: ExpanderBoard, **options: Any) -> Driver:
    return make_driver(settings(**options), context=pi.context)


def opened(driver: Driver, *, resume: Totals | None = None) -> Collector:
    said = Collector()
    driver.open(said, resume=driver.first_totals if resume is None else resume)
    return said


def run(pi: ExpanderBoard, driver: Driver, seconds: float) -> None:
    """Poll a driver at its interval."""
    assert driver.interval_ns is not None
    for _ in range(round(seconds * SECOND / driver.interval_ns)):
        driver.poll(pi.clock.advance(driver.interval_ns / SECOND))


class TestContact:
    @pytest.mark.parametrize("normally_closed", [False, True])
    @pytest.mark.parametrize("active_low", [False, True])
    @pytest.mark.parametrize("level", [CLOSED, OPEN])
    def test_state_is_reported_when_the_sensor_opens(
        self, pi: ExpanderBoard, level: bool, active_low: bool, normally_closed: bool
    ) -> None:
        pi.attach().wires[A0] = level
        said = opened(contact(pi, active_low=active_low, normally_closed=normally_closed))
        assert said.values == [level ^ active_low ^ normally_closed]
        assert said.states == ["good"]

    @pytest.mark.parametrize("pin", INPUTS)
    def test_each_input_is_read_from_its_own_line(self, pi: ExpanderBoard, pin: str) -> None:
        chip = pi.attach()
        assert opened(contact(pi, input=pin)).values == [False]
        chip.wires[line_of(pin)] = CLOSED
        assert opened(contact(pi, input=pin)).values == [True]

    def test_names_are_those_of_the_lines_in_the_kernel(self) -> None:
        names = [f"A{number}" for number in range(8)] + [f"B{number}" for number in range(8)]
        assert [line_of(name) for name in names] == list(range(16))

    def test_change_is_reported_once(self, pi: ExpanderBoard) -> None:
        chip = pi.attach()
        driver = contact(pi)
        said = opened(driver)
        chip.wires[A0] = CLOSED
        run(pi, driver, 1)
        chip.wires[A0] = OPEN
        run(pi, driver, 1)
        assert said.values == [False, True, False]
        totals = said[-1].totals
        assert totals is not None
        assert totals.count == 1
        assert totals.seconds == pytest.approx(1.0)

    def test_change_that_is_shorter_than_the_debounce_time_is_ignored(self, pi: ExpanderBoard) -> None:
        chip = pi.attach()
        driver = contact(pi, debounce_s=0.5)
        said = opened(driver)
        for _ in range(5):
            chip.wires[A0] = CLOSED
            run(pi, driver, 0.5)
            chip.wires[A0] = OPEN
            run(pi, driver, 0.1)
        assert said.values == [False]
        chip.wires[A0] = CLOSED
        run(pi, driver, 0.5)
        assert said.values == [False]
        run(pi, driver, 0.1)
        assert said.values == [False, True]

    def test_change_without_debounce_is_reported_at_the_next_read(self, pi: ExpanderBoard) -> None:
        chip = pi.attach()
        driver = contact(pi, debounce_s=0.0)
        said = opened(driver)
        chip.wires[A0] = CLOSED
        run(pi, driver, 0.1)
        assert said.values == [False, True]

    def test_contact_that_changes_all_the_time_is_noisy_until_it_is_quiet(self, pi: ExpanderBoard) -> None:
        chip = pi.attach()
        driver = contact(pi, debounce_s=0.0)
        said = opened(driver)
        for _ in range(30):
            chip.wires[A0] = not chip.wires[A0]
            run(pi, driver, 0.2)
        assert said.states[-1] == SensorState.NOISY
        run(pi, driver, 20)
        assert said.states[-1] == SensorState.GOOD

    def test_contact_that_stays_active_is_reported_once_per_window(self, pi: ExpanderBoard) -> None:
        pi.attach().wires[A0] = CLOSED
        driver = contact(pi, window_s=10.0)
        said = opened(driver)
        run(pi, driver, 60)
        assert said.values == [True] * 7
        totals = said[-1].totals
        assert totals is not None
        assert totals.seconds == pytest.approx(60, abs=0.6)

    def test_running_time_continues_from_its_total_and_is_reported_every_ten_seconds(
        self, pi: ExpanderBoard
    ) -> None:
        chip = pi.attach()
        driver = contact(pi, measure="time", start_s=3600.0)
        said = opened(driver)
        chip.wires[A0] = CLOSED
        run(pi, driver, 35)
        chip.wires[A0] = OPEN
        run(pi, driver, 5)
        assert said.values[0] == 3600.0
        assert said.values[-1] == pytest.approx(3635.0, abs=0.11)
        assert 5 <= len(said) <= 7

    def test_starts_are_counted(self, pi: ExpanderBoard) -> None:
        chip = pi.attach()
        driver = contact(pi, measure="starts")
        said = opened(driver, resume=Totals(7, 100.0))
        for _ in range(3):
            chip.wires[A0] = CLOSED
            run(pi, driver, 1)
            chip.wires[A0] = OPEN
            run(pi, driver, 1)
        assert said.values == [7.0, 8.0, 9.0, 10.0]

    def test_three_sensors_share_an_input_and_release_it(self, pi: ExpanderBoard) -> None:
        chip = pi.attach()
        chip.wires[A0] = CLOSED
        drivers = [contact(pi, measure=measure) for measure in ("state", "time", "starts")]
        assert [opened(driver).values[0] for driver in drivers] == [True, 0.0, 0.0]
        assert chip.holders == {A0, line_of(PROOF_PIN)}
        for driver in drivers:
            driver.close()
            driver.close()
        assert not chip.holders

    @given(levels=st.lists(st.booleans(), max_size=60), debounce=st.integers(0, 5))
    def test_level_is_accepted_only_if_each_read_for_the_debounce_time_found_it(
        self, tmp_path_factory: pytest.TempPathFactory, levels: list[bool], debounce: int
    ) -> None:
        pi = ExpanderBoard(tmp_path_factory.mktemp("pi"))
        chip = pi.attach()
        driver = contact(pi, debounce_s=debounce / 10)
        said = opened(driver)
        accepted, run_length = True, 0
        for level in levels:
            chip.wires[A0] = level
            run(pi, driver, 0.1)
            run_length = 0 if level is accepted else run_length + 1
            if run_length > debounce:
                accepted, run_length = level, 0
            assert said.values[-1] is not accepted


class TestFaults:
    def test_expander_that_is_not_configured_is_an_error_with_the_line(self, pi: ExpanderBoard) -> None:
        with pytest.raises(
            DriverError,
            match=r"no MCP23017 on i2c-1, 0x20; add this line .*dtoverlay=mcp23017,addr=0x20,noints",
        ):
            opened(contact(pi))

    def test_expander_that_did_not_answer_at_the_start_is_an_error(self, pi: ExpanderBoard) -> None:
        pi.device(0x20)
        with pytest.raises(DriverError, match="no such chip answered at the start; check its wires"):
            opened(contact(pi))

    def test_other_chip_at_the_address_is_not_used(self, pi: ExpanderBoard) -> None:
        pi.attach(name="pcf8574")
        with pytest.raises(DriverError, match="no MCP23017 on i2c-1, 0x20"):
            opened(contact(pi))

    def test_expander_at_another_address_is_named(self, pi: ExpanderBoard) -> None:
        pi.attach(0x27)
        with pytest.raises(DriverError, match="but one is on i2c-1, 0x27; set bus and address"):
            opened(contact(pi))

    def test_only_expander_needs_no_address(self, pi: ExpanderBoard) -> None:
        pi.attach(0x27).wires[A0] = CLOSED
        assert opened(contact(pi, address=None)).values == [True]

    @pytest.mark.parametrize("level", [CLOSED, OPEN])
    def test_unplugged_expander_is_a_fault_and_not_a_closed_contact(
        self, pi: ExpanderBoard, level: bool
    ) -> None:
        chip = pi.attach()
        chip.wires[A0] = level
        driver = contact(pi, debounce_s=0.0)
        said = opened(driver)
        chip.answers = False
        with pytest.raises(
            DriverError, match=r"the MCP23017 \(i2c-1, 0x20\) does not answer; check its supply"
        ):
            driver.poll(pi.clock.advance(0.1))
        assert len(said) == 1
        driver.close()
        for _ in range(5):
            with pytest.raises(DriverError, match="does not answer"):
                opened(driver)
        assert not chip.holders

    @pytest.mark.parametrize("loses_supply", [False, True])
    @pytest.mark.parametrize("attempts", range(5))
    @pytest.mark.parametrize("level", [CLOSED, OPEN])
    def test_expander_that_returns_is_used_again_whatever_the_kernel_remembers(
        self, pi: ExpanderBoard, level: bool, attempts: int, loses_supply: bool
    ) -> None:
        chip = pi.attach()
        driver = contact(pi)
        opened(driver).clear()
        chip.answers = False
        for _ in range(attempts):
            with pytest.raises(DriverError):
                driver.poll(pi.clock.advance(0.1))
            driver.close()
            with pytest.raises(DriverError):
                opened(driver)
        driver.close()
        chip.wires[A0] = level
        chip.answers = True
        if loses_supply:
            chip.lose_supply()
        assert opened(driver).values == [level is CLOSED]
        chip.answers = False
        with pytest.raises(DriverError):
            driver.poll(pi.clock.advance(0.1))

    def test_expander_that_was_reset_is_set_up_again(self, pi: ExpanderBoard) -> None:
        chip = pi.attach()
        chip.wires[A0] = CLOSED
        chip.wires[line_of(PROOF_PIN)] = False  # an open input may read as low
        driver = contact(pi)
        opened(driver)
        chip.lose_supply()
        with pytest.raises(DriverError, match="does not answer"):
            driver.poll(pi.clock.advance(0.1))
        driver.close()
        assert opened(driver).values == [True]
        run(pi, driver, 1)

    def test_all_sensors_of_an_expander_recover_after_its_cable_was_unplugged(
        self, pi: ExpanderBoard
    ) -> None:
        chip = pi.attach()
        chip.wires[B3] = CLOSED
        said = Collector()
        drivers = [contact(pi, name="a"), contact(pi, name="b", input="B3")]
        (lane,) = Sampler(drivers, said, clock=pi.clock).lanes
        lane.begin()

        def sample(seconds: float) -> dict[str, tuple[object, str]]:
            for _ in range(round(seconds * 20)):
                lane.step()
                pi.clock.advance(0.05)
            return {each.sensor: (each.value, each.state.value) for each in said}

        assert sample(1) == {"a": (False, "good"), "b": (True, "good")}
        chip.answers = False
        assert sample(5) == {"a": (None, "failed"), "b": (None, "failed")}
        chip.answers = True
        chip.lose_supply()
        assert sample(120) == {"a": (False, "good"), "b": (True, "good")}

    def test_proof_pin_that_is_connected_is_an_error(self, pi: ExpanderBoard) -> None:
        pi.attach().forced[line_of(PROOF_PIN)] = True
        with pytest.raises(
            DriverError, match=r"A7 of the .* reads high while it is set to low; leave this pin"
        ):
            opened(contact(pi))

    def test_pin_that_another_program_uses_affects_only_its_sensor(self, pi: ExpanderBoard) -> None:
        chip = pi.attach()
        chip.holders.add(B3)
        driver = contact(pi)
        opened(driver)
        with pytest.raises(DriverError, match=r"B3 of the .* is in use by another program"):
            opened(contact(pi, input="B3"))
        run(pi, driver, 1)

    @pytest.mark.parametrize(
        ("number", "text"),
        [
            (errno.ENODEV, "the kernel has removed the MCP23017"),
            (errno.EACCES, "must be in the group gpio"),
            (errno.EINVAL, "A7 of the MCP23017 .* cannot be used"),
        ],
    )
    def test_refused_request_is_explained(self, pi: ExpanderBoard, number: int, text: str) -> None:
        pi.attach().refuses = OSError(number, "refused")
        with pytest.raises(DriverError, match=text):
            opened(contact(pi))

    def test_open_contact_needs_one_transfer(self, pi: ExpanderBoard) -> None:
        chip = pi.attach()
        driver = contact(pi)
        opened(driver)
        before = chip.transfers
        driver.poll(pi.clock.advance(0.1))
        assert chip.transfers == before + 1


class TestConfiguration:
    TEXT: ClassVar[str] = (
        '[[sensor]]\nid = "float"\nkind = "mcp23017"\naddress = 0x21\ninput = "A0"\n'
        'path = "bilge.aft.highWater"\n'
    )
    HOURS: ClassVar[str] = (
        '[[sensor]]\nid = "hours"\nkind = "mcp23017"\naddress = 0x21\ninput = "A0"\nmeasure = "time"\n'
        'path = "bilge.aft.pump.runTime"\n'
    )

    def read(self, folder: Path, text: str) -> tuple[SensorSettings, ...]:
        (folder / "sensors.toml").write_text(text)
        return load_sensors(folder / "sensors.toml")

    def problem(self, folder: Path, text: str) -> str:
        with pytest.raises(ConfigurationError) as caught:
            self.read(folder, text)
        return str(caught.value)

    def test_one_line_of_config_txt_serves_all_inputs_of_a_chip(self, tmp_path: Path) -> None:
        lines = kernel_configuration(self.read(tmp_path, self.TEXT + self.HOURS)).lines
        assert lines == ("dtparam=i2c_arm=on", "dtoverlay=mcp23017,addr=0x21,noints")

    def test_chip_on_another_bus_has_the_bus_in_its_line(self, tmp_path: Path) -> None:
        lines = kernel_configuration(self.read(tmp_path, self.TEXT + "bus = 3\n")).lines
        assert lines == ("dtoverlay=i2c3", "dtoverlay=mcp23017,addr=0x21,noints,i2c3")

    @pytest.mark.parametrize("written", OUTPUTS)
    def test_outputs_are_refused_with_the_reason(self, written: str) -> None:
        with pytest.raises(InputError, match="can only be an output"):
            parse_input(written)

    @pytest.mark.parametrize(
        ("written", "meant"), [("a3", "A3"), ("GPA3", "A3"), (" B6", "B6"), ("gpb0", "B0")]
    )
    def test_other_spelling_is_corrected(self, written: str, meant: str) -> None:
        with pytest.raises(InputError) as caught:
            parse_input(written)
        assert caught.value.remedy == f'Write: "{meant}"'

    @pytest.mark.parametrize("written", [3, True, None, 1.5, "", "A8", "C0", "AA", "A00", "\u00b3", ["A0"]])
    def test_value_that_is_no_pin_is_refused(self, written: object) -> None:
        with pytest.raises(InputError, match="is not a pin of the chip"):
            parse_input(written)

    @pytest.mark.parametrize(
        ("old", "new", "text"),
        [
            ('input = "A0"\n', "", "input"),
            ("address = 0x21", "address = 0x28", "the MCP23017 cannot have an I2C address of 0x28"),
            ("address = 0x21", "address = 21", "21 is not written as a hexadecimal number"),
            ("address = 0x21", 'address = 0x21\npull = "down"', 'kind "mcp23017" does not have this key'),
            ("address = 0x21", "address = 0x21\npin = 17", 'kind "mcp23017" does not have this key'),
            ("address = 0x21", 'address = 0x21\nevery = "10 ms"', "every"),
            ("address = 0x21", 'address = 0x21\nstart = "10 h"', "start is a running time"),
            ('path = "bilge.aft.highWater"', 'path = "bilge.aft.level"\nunit = "ratio"', "unit"),
        ],
    )
    def test_wrong_configuration_is_refused(self, tmp_path: Path, old: str, new: str, text: str) -> None:
        assert old in self.TEXT
        assert text in self.problem(tmp_path, self.TEXT.replace(old, new))

    def test_two_sensors_of_one_quantity_are_refused(self, tmp_path: Path) -> None:
        text = self.problem(tmp_path, self.TEXT + self.TEXT.replace('"float"', '"other"'))
        assert 'input A0 with measure state of this chip is already read by sensor "float" (line 1)' in text

    def test_sensor_without_address_is_refused_if_there_are_two_chips(self, tmp_path: Path) -> None:
        other = self.HOURS.replace("address = 0x21\n", "")
        assert "i2c-1 has several of these chips" in self.problem(tmp_path, self.TEXT + other)

    def test_pins_of_the_bus_are_not_free(self, tmp_path: Path) -> None:
        switch = '[[sensor]]\nid = "s"\nkind = "switch"\npin = 2\npath = "bilge.b.highWater"\n'
        assert '2 belongs to bus i2c-1, which sensor "float" (line 1) uses' in self.problem(
            tmp_path, self.TEXT + switch
        )
