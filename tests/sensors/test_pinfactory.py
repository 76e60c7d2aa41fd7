"""With Logboat's pin factory, gpiozero's devices use the kernel's time stamps, debounce and edge numbers."""

import errno
import gc
import logging
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path

import gpiod
import pytest
from gpiod.line import Bias, Clock, Direction, Edge
from gpiozero import LED, PWMLED, Button, DigitalInputDevice, DigitalOutputDevice, OutputDevice
from gpiozero.exc import (
    GPIOPinInUse,
    PinFixedPull,
    PinInvalidBounce,
    PinInvalidEdges,
    PinInvalidFunction,
    PinInvalidPin,
    PinInvalidPull,
    PinPWMUnsupported,
    PinSetInput,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.driver import DriverError
from sensors.gpio.counters import PinLevels
from sensors.gpio.edge_watcher import EdgeWatcher
from sensors.gpio.pinfactory import GpiodFactory, GpiodPin
from tests.sensors.fakes import SECOND
from tests.sensors.gpio import MS, Board, Machine, board, not_a_pi

PIN = 17


@pytest.fixture
def pi(tmp_path: Path) -> Iterator[Board]:
    made = board(tmp_path)
    yield made
    made.factory.close()


class Heard(list[tuple[int, bool]]):
    """Events of a device's pin, as pairs of ticks and level."""

    def __call__(self, ticks: int, level: bool) -> None:
        self.append((ticks, bool(level)))

    @property
    def levels(self) -> list[bool]:
        return [level for _, level in self]


def pin(pi: Board, number: int = PIN) -> GpiodPin:
    found = pi.factory.pin(number)
    assert isinstance(found, GpiodPin)
    return found


def watched(pi: Board, **setup: object) -> tuple[GpiodPin, Heard]:
    made, heard = pin(pi), Heard()
    made.input_with_pull("up")
    for name, value in setup.items():
        setattr(made, name, value)
    made.when_changed = heard
    return made, heard


# Requests to the kernel --------------------------------------------------------------------------


def test_reserving_a_pin_does_not_change_it(pi: Board) -> None:
    pi.line(PIN).settings = gpiod.LineSettings(
        direction=Direction.OUTPUT, output_value=gpiod.line.Value.ACTIVE
    )
    assert pin(pi).function == "output"
    assert pi.line(PIN).writes == []


def test_button_is_an_input_with_pull_edges_and_debounce_on_the_monotonic_clock(pi: Board) -> None:
    with Button(PIN, bounce_time=0.05, pin_factory=pi.factory) as button:
        asked = pi.line(PIN).settings
        assert asked.direction is Direction.INPUT
        assert asked.bias is Bias.PULL_UP
        assert asked.edge_detection is Edge.BOTH
        assert asked.debounce_period.total_seconds() == 0.05
        assert asked.event_clock is Clock.MONOTONIC
        assert not asked.active_low
        assert button.pin.bounce == 0.05


@pytest.mark.parametrize(
    ("pull_up", "active_state", "bias"),
    [(True, None, Bias.PULL_UP), (False, None, Bias.PULL_DOWN), (None, True, Bias.DISABLED)],
)
def test_device_gets_the_requested_pull(
    pi: Board, pull_up: bool | None, active_state: bool | None, bias: Bias
) -> None:
    with DigitalInputDevice(
        PIN, pull_up=pull_up, active_state=active_state, pin_factory=pi.factory
    ) as device:
        assert pi.line(PIN).settings.bias is bias
        assert device.pull_up is pull_up


def test_edges_are_not_requested_without_a_callback(pi: Board) -> None:
    device = DigitalInputDevice(PIN, pin_factory=pi.factory)
    device.pin.when_changed = None
    assert pi.line(PIN).settings.edge_detection is Edge.NONE
    device.close()


def test_setting_refused_by_the_kernel_is_not_reported_as_set(pi: Board) -> None:
    made = pin(pi)
    made.function = "input"
    pi.line(PIN).refuses = OSError(524, "Unknown error 524")
    with pytest.raises(OSError, match="524"):
        made.pull = "up"
    assert made.pull == "floating"


def test_pin_is_not_watched_when_the_kernel_refuses_edges(pi: Board) -> None:
    made, heard = pin(pi), Heard()
    pi.line(PIN).refuses = OSError(errno.ENXIO, "No such device or address")
    with pytest.raises(OSError, match="No such device"):
        made.when_changed = heard
    assert made.when_changed is None
    pi.line(PIN).refuses = None
    made.when_changed = heard
    pi.line(PIN).flip()
    pi.advance(0.1)
    assert heard.levels == [True]


@pytest.mark.parametrize(
    ("attribute", "value", "error"),
    [
        ("function", "alt0", PinInvalidFunction),
        ("pull", "sideways", PinInvalidPull),
        ("bounce", -1, PinInvalidBounce),
        ("edges", "sharp", PinInvalidEdges),
        ("state", True, PinSetInput),
        ("frequency", 100, PinPWMUnsupported),
    ],
)
def test_impossible_pin_settings_raise_gpiozeros_errors(
    pi: Board, attribute: str, value: object, error: type[Exception]
) -> None:
    with pytest.raises(error):
        setattr(pin(pi), attribute, value)


def test_pull_down_is_refused_on_i2c_pins_with_pull_up_resistors(pi: Board) -> None:
    made = pin(pi, 2)
    made.function = "input"
    assert made.pull == "up"
    with pytest.raises(PinFixedPull):
        made.pull = "down"
    with pytest.raises(PinFixedPull):
        made.input_with_pull("floating")


def test_pull_of_an_output_is_refused(pi: Board) -> None:
    made = pin(pi)
    made.function = "output"
    with pytest.raises(PinFixedPull):
        made.pull = "up"


def test_number_that_is_not_on_the_header_is_refused(pi: Board) -> None:
    with pytest.raises(PinInvalidPin):
        pi.factory.pin(45)


# Events --------------------------------------------------------------------------------------------


def test_edge_has_the_kernels_time_stamp(pi: Board) -> None:
    _, heard = watched(pi)
    pi.stall(1.0)
    pressed_ns = pi.kernel.now_ns
    pi.line(PIN).drive(False)
    pi.stall(0.7)
    pi.advance(0)
    assert heard == [(pressed_ns, False)]


def test_active_time_of_a_device_uses_the_kernels_time_stamps(pi: Board) -> None:
    with DigitalInputDevice(PIN, pull_up=True, pin_factory=pi.factory) as device:
        pi.line(PIN).drive(False)
        pi.stall(2.5)
        pi.advance(0)
        assert device.active_time == pytest.approx(2.5)
        assert device.inactive_time is None


def test_ticks_are_on_the_event_clock(pi: Board) -> None:
    earlier = pi.factory.ticks()
    assert earlier == pi.kernel.now_ns
    pi.stall(1.25)
    assert pi.factory.ticks_diff(pi.factory.ticks(), earlier) == 1.25


def test_bounce_is_one_change(pi: Board) -> None:
    _, heard = watched(pi, bounce=0.05)
    for _ in range(7):
        pi.line(PIN).flip()
        pi.advance(0.003)
    assert pi.line(PIN).level is False
    assert heard.levels == []
    pi.advance(0.1)
    assert heard.levels == [False]


def test_without_a_bounce_time_every_change_of_a_bounce_is_reported(pi: Board) -> None:
    _, heard = watched(pi)
    for _ in range(7):
        pi.line(PIN).flip()
        pi.advance(0.003)
    assert heard.levels == [False, True] * 3 + [False]


def test_glitch_shorter_than_the_bounce_time_is_not_a_change(pi: Board) -> None:
    _, heard = watched(pi, bounce=0.05)
    pi.line(PIN).drive(False)
    pi.advance(0.02)
    pi.line(PIN).drive(True)
    pi.advance(1.0)
    assert heard == []


def test_release_within_the_bounce_time_is_still_delivered(pi: Board) -> None:
    """The release happens while the press is still being debounced, and must not be missed."""
    with Button(PIN, bounce_time=0.05, pin_factory=pi.factory) as button:
        pi.line(PIN).drive(False)
        pi.advance(0.056)
        assert button.is_pressed
        pi.line(PIN).drive(True)
        pi.advance(0.010)
        pi.line(PIN).drive(False)
        pi.advance(0.010)
        pi.line(PIN).drive(True)
        pi.advance(0.1)
        assert not button.is_pressed
        assert button.held_time is None
        assert button.inactive_time == pytest.approx(0.1 - 0.052)


def test_release_without_an_edge_is_delivered_after_the_quiet_period(pi: Board) -> None:
    """The edge may have been lost because of debouncing in hardware, or because of a missed interrupt."""
    _, heard = watched(pi, bounce=None)
    line = pi.line(PIN)
    line.drive(False)
    pi.advance(0)
    line.deaf = True
    line.drive(True)
    pi.advance(0.019)
    assert heard.levels == [False]
    pi.advance(0.002)
    assert heard.levels == [False, True]
    assert heard[1][0] == heard[0][0] + 20 * MS


def test_quiet_period_restarts_with_every_edge(pi: Board) -> None:
    _, heard = watched(pi)
    line = pi.line(PIN)
    for _ in range(5):
        line.flip()
        pi.advance(0.015)
    line.deaf = True
    line.flip()
    pi.advance(0.003)
    assert heard.levels[-1] is False
    pi.advance(0.003)
    assert heard.levels[-1] is True


def test_change_during_reconfiguration_is_not_missed(pi: Board) -> None:
    made, heard = watched(pi)
    line = pi.line(PIN)
    line.deaf = True
    line.drive(False)
    made.bounce = 0.03
    line.deaf = False
    pi.advance(0.05)
    assert heard.levels == [False]


@settings(max_examples=40, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(1, 120), st.booleans()), max_size=40),
    bounce=st.sampled_from([None, 0.001, 0.01, 0.05]),
)
def test_device_has_its_pins_level_after_any_waveform(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, bool]], bounce: float | None
) -> None:
    pi = board(tmp_path_factory.mktemp("dev"))
    device = DigitalInputDevice(PIN, pull_up=True, bounce_time=bounce, pin_factory=pi.factory)
    for wait_ms, stalled in changes:
        pi.line(PIN).flip()
        (pi.stall if stalled else pi.advance)(wait_ms / 1000)
    pi.advance(0.2)
    assert device.is_active is not pi.line(PIN).level
    assert device._active_event.is_set() is device.is_active
    pi.factory.close()


@pytest.mark.parametrize(
    ("edges", "levels"), [("rising", [True, True]), ("falling", [False, False]), ("none", [])]
)
def test_only_the_requested_edges_are_delivered(pi: Board, edges: str, levels: list[bool]) -> None:
    _, heard = watched(pi, edges=edges)
    for level in (False, True, False, True):
        pi.line(PIN).drive(level)
        pi.advance(0.1)
    assert heard.levels == levels


def test_edge_left_from_an_earlier_watch_is_not_delivered(pi: Board) -> None:
    made, heard = watched(pi)
    pi.line(PIN).drive(False)
    made.when_changed = None
    pi.line(PIN).drive(True)
    made.when_changed = heard
    pi.advance(0.1)
    assert heard == []
    assert made.edges_lost == 0


def test_failing_callback_is_logged_and_the_next_change_is_delivered(
    pi: Board, caplog: pytest.LogCaptureFixture
) -> None:
    with DigitalInputDevice(PIN, pull_up=True, pin_factory=pi.factory) as device:
        released = threading.Event()

        def fail() -> None:
            raise ZeroDivisionError("in the user's code")

        device.when_activated = fail
        device.when_deactivated = released.set
        with caplog.at_level(logging.ERROR):
            pi.line(PIN).drive(False)
            pi.advance(0.1)
        assert "in the user's code" in caplog.text
        pi.line(PIN).drive(True)
        pi.advance(0.1)
        assert released.is_set()


def test_a_callback_may_close_its_device(pi: Board) -> None:
    device = DigitalInputDevice(PIN, pull_up=True, pin_factory=pi.factory)
    device.when_activated = device.close
    for level in (False, True, False):
        pi.line(PIN).drive(level)
    pi.advance(0.1)
    assert device.closed
    assert pi.line(PIN).request is None


def test_resync_makes_the_kernels_debounce_read_the_pin_again(pi: Board) -> None:
    made, heard = watched(pi, bounce=0.05)
    line = pi.line(PIN)
    line.deaf = True
    line.drive(False)
    assert made.look() == PinLevels(level=True, implied_level=True, edges=0, lost=0)
    made.resync()
    assert line.settings.debounce_period.total_seconds() == 0.05
    assert line.settings.edge_detection is Edge.BOTH
    pi.advance(0.1)
    assert heard.levels == [False]
    assert made.look() == PinLevels(level=False, implied_level=False, edges=0, lost=0, found=1)
    line.deaf = False
    line.drive(True)
    pi.advance(0.1)
    assert made.look() == PinLevels(level=True, implied_level=True, edges=1, lost=0, found=0)


def test_glitch_during_a_resync_is_not_a_change(pi: Board) -> None:
    made, heard = watched(pi, bounce=0.05)
    pi.line(PIN).drive(False)
    pi.advance(0.005)
    made.resync()
    pi.line(PIN).drive(True)
    pi.advance(1.0)
    assert set(heard.levels) == {True}


def test_bounce_during_a_resync_is_one_change(pi: Board) -> None:
    made, heard = watched(pi, bounce=0.05)
    for _ in range(3):
        pi.line(PIN).flip()
        pi.advance(0.005)
        made.resync()
    pi.advance(1.0)
    assert heard.levels == [False]


def test_pin_without_bounce_time_needs_no_resync(pi: Board) -> None:
    made, _ = watched(pi)
    before = pi.line(PIN).settings
    made.resync()
    assert pi.line(PIN).settings is before


# Losses --------------------------------------------------------------------------------------------


def test_edges_dropped_by_the_kernel_are_counted_and_the_state_is_correct(pi: Board) -> None:
    made, heard = watched(pi)
    pi.square(PIN, 1_000, 0.1, stalled=True)
    pi.line(PIN).drive(False)
    pi.advance(0)
    assert made.look() == PinLevels(level=False, implied_level=False, edges=201, lost=201 - 64)
    assert made.edges_lost == 201 - 64
    assert heard.levels[-1] is False


def test_no_loss_is_reported_without_a_loss(pi: Board) -> None:
    made, heard = watched(pi)
    pi.square(PIN, 1_000, 0.032, stalled=True)
    pi.advance(0)
    assert made.look() == PinLevels(level=True, implied_level=True, edges=64, lost=0)
    assert len(heard) == 64


def test_flood_of_edges_on_one_pin_does_not_block_other_pins(pi: Board) -> None:
    made, _ = watched(pi)
    before = pi.request(PIN).reads
    pi.square(PIN, 5_000, 0.5)
    assert pi.request(PIN).reads - before <= 60
    assert made.look().edges == 5_000


def test_level_and_edge_count_are_reported_separately(pi: Board) -> None:
    made, heard = watched(pi)
    pi.line(PIN).deaf = True
    pi.line(PIN).drive(False)
    assert made.look() == PinLevels(level=False, implied_level=True, edges=0, lost=0)
    assert heard == [(pi.kernel.now_ns, False)]


def test_pin_of_a_removed_chip_is_reported_and_does_not_busy_the_thread(
    pi: Board, caplog: pytest.LogCaptureFixture
) -> None:
    made, _ = watched(pi)
    pi.request(PIN).lose_chip()
    with caplog.at_level(logging.WARNING):
        pi.advance(1.0)
    assert caplog.text.count("No such device") == 1
    with pytest.raises(OSError, match="No such device"):
        made.look()
    made.close()


# Outputs -------------------------------------------------------------------------------------------


def test_led_is_an_output_that_changes_only_on_request(pi: Board) -> None:
    led = LED(PIN, pin_factory=pi.factory)
    led.on()
    led.toggle()
    led.on()
    assert led.is_lit
    assert pi.line(PIN).writes == [False, True, False, True]
    led.close()
    assert pi.line(PIN).settings.direction is Direction.INPUT


@pytest.mark.parametrize("initial", [False, True])
def test_an_output_starts_with_its_value(pi: Board, initial: bool) -> None:
    with DigitalOutputDevice(PIN, initial_value=initial, pin_factory=pi.factory):
        assert pi.line(PIN).writes == [initial]


def test_an_active_low_output_is_off_when_it_is_high(pi: Board) -> None:
    with LED(PIN, active_high=False, pin_factory=pi.factory) as led:
        assert pi.line(PIN).writes == [True]
        led.on()
        assert pi.line(PIN).level is False


def test_output_without_an_initial_value_is_not_changed(pi: Board) -> None:
    pi.line(PIN).drive(True)
    with OutputDevice(PIN, initial_value=None, pin_factory=pi.factory):
        assert pi.line(PIN).writes == [True]


def test_pulse_width_modulation_is_not_supported(pi: Board) -> None:
    with pytest.raises(PinPWMUnsupported):
        PWMLED(PIN, pin_factory=pi.factory)


# Reserving, releasing, closing ---------------------------------------------------------------------


def test_pin_belongs_to_one_device_until_it_is_closed(pi: Board) -> None:
    with DigitalInputDevice(PIN, pin_factory=pi.factory):
        with pytest.raises(GPIOPinInUse):
            LED(PIN, pin_factory=pi.factory)
        assert pin(pi) is pin(pi)
    LED(PIN, pin_factory=pi.factory).close()


def test_closed_device_releases_its_line(pi: Board) -> None:
    device = DigitalInputDevice(PIN, pin_factory=pi.factory)
    closed = device.pin
    device.close()
    assert pi.line(PIN).request is None
    with pytest.raises(OSError, match="the pin is closed"):
        closed.look()
    closed.close()


def test_closed_device_receives_no_more_events(pi: Board) -> None:
    heard = []
    device = DigitalInputDevice(PIN, pull_up=True, pin_factory=pi.factory)
    device.when_activated = lambda: heard.append(True)
    pi.line(PIN).drive(False)
    device.close()
    pi.advance(1.0)
    assert heard == []


def test_line_used_by_another_program_is_an_os_error(pi: Board) -> None:
    pi.line(PIN).holder = "w1-gpio"
    with pytest.raises(OSError, match="busy"):
        pi.factory.pin(PIN)


def test_closed_factory_releases_everything_and_may_be_closed_again(pi: Board) -> None:
    devices = [DigitalInputDevice(PIN, pin_factory=pi.factory), LED(27, pin_factory=pi.factory)]
    pi.factory.close()
    pi.factory.close()
    assert not pi.chip.open
    assert pi.line(PIN).request is pi.line(27).request is None
    for device in devices:
        device.close()


def test_device_closed_by_the_garbage_collector_at_any_time_does_not_deadlock(
    pi: Board,
) -> None:
    class Collecting(DigitalInputDevice):
        def _conflicts_with(self, other: object) -> bool:
            gc.collect()
            return True

    class Forgotten(DigitalInputDevice):
        def __init__(self) -> None:
            self.itself = self
            super().__init__(27, pin_factory=pi.factory)

    gc.disable()
    try:
        Forgotten()
        with DigitalInputDevice(PIN, pin_factory=pi.factory):
            assert pi.line(27).request is not None
            with pytest.raises(GPIOPinInUse):  # while gpiozero holds the lock for its reservations
                Collecting(PIN, pin_factory=pi.factory)
            assert pi.line(27).request is None
    finally:
        gc.enable()


def test_two_factories_do_not_share_their_pins(pi: Board, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = board(tmp_path / "other")
    with DigitalInputDevice(PIN, pin_factory=pi.factory), DigitalInputDevice(PIN, pin_factory=other.factory):
        assert pi.factory.pin(PIN) is not other.factory.pin(PIN)
    other.factory.close()


# The board -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "model"), [("pinctrl-bcm2835", "3B"), ("pinctrl-bcm2711", "4B"), ("pinctrl-rp1", "5B")]
)
def test_board_without_a_revision_is_identified_by_its_chip(tmp_path: Path, label: str, model: str) -> None:
    pi = board(tmp_path, label)
    assert pi.factory.board_info.model == model
    pi.factory.close()


def test_board_with_an_invalid_revision_is_identified_by_its_chip(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.chip("pinctrl-rp1")
    factory = GpiodFactory(opener=machine.opener, devices=tmp_path, revision=lambda: 0)
    assert factory.board_info.model == "5B"
    factory.close()


def test_board_is_identified_by_its_revision(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.chip("pinctrl-bcm2835")
    factory = GpiodFactory(opener=machine.opener, devices=tmp_path, revision=lambda: 0x902120)
    assert factory.board_info.model == "Zero2W"
    factory.close()


def test_a_machine_without_a_header_has_no_factory(tmp_path: Path) -> None:
    with pytest.raises(DriverError, match="no GPIO chip"):
        GpiodFactory(devices=tmp_path)


def test_gpiozero_finds_the_factory_under_the_name_gpiod() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    names = project["project"]["entry-points"]["gpiozero_pin_factories"]
    assert names == {"gpiod": f"{GpiodFactory.__module__}:{GpiodFactory.__qualname__}"}


# The thread ----------------------------------------------------------------------------------------


def test_edges_are_delivered_by_the_factorys_own_thread(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    chip = machine.chip("pinctrl-bcm2711")
    with GpiodFactory(
        opener=machine.opener, devices=tmp_path, watcher=EdgeWatcher, revision=not_a_pi
    ) as factory:
        device = DigitalInputDevice(PIN, pull_up=True, pin_factory=factory)
        seen_by: list[str] = []
        device.when_activated = lambda: seen_by.append(threading.current_thread().name)
        chip.lines[PIN].drive(False)
        assert device.wait_for_active(10)
        chip.lines[PIN].drive(True)
        assert device.wait_for_inactive(10)
        assert seen_by == ["gpio edges"]
        chip.lines[PIN].deaf = True
        chip.lines[PIN].drive(False)
        assert device.wait_for_active(10), "the level was not read again"


def test_devices_may_be_opened_and_closed_while_edges_arrive(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    chip = machine.chip("pinctrl-bcm2711")
    with GpiodFactory(opener=machine.opener, devices=tmp_path, revision=not_a_pi) as factory:
        stop = threading.Event()

        def disturb() -> None:
            while not stop.is_set():
                for number in (PIN, 27):
                    if chip.lines[number].request:
                        chip.lines[number].flip()

        thread = threading.Thread(target=disturb)
        thread.start()
        try:
            for _ in range(50):
                with (
                    DigitalInputDevice(PIN, pin_factory=factory),
                    DigitalInputDevice(27, pin_factory=factory),
                ):
                    pass
        finally:
            stop.set()
            thread.join()
        with DigitalInputDevice(PIN, pull_up=True, pin_factory=factory) as device:
            chip.lines[PIN].drive(False)
            assert device.wait_for_active(10)


def test_simulated_time_advances_as_requested(pi: Board) -> None:
    before = pi.kernel.now_ns
    pi.advance(1.5)
    assert pi.kernel.now_ns - before == 1.5 * SECOND
