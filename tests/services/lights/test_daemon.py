"""The lights daemon shows the state of the appliance on LEDs; tested on a simulated clock."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from services.config.model import LightsSection
from services.lights.daemon import LAMP_TEST_S, LightsDaemon, is_night
from services.lights.facts import LightFacts, Machine
from services.lights.panel import TRY_EVERY_S, HeaderPanel, KernelPanel, PanelError, RetryingPanel
from services.state import crash_loops, state_file
from services.system.maintenance import STATE as MAINTENANCE
from sync.gateway.policy import HoursAre
from tests.net.certificates import CA, END
from tests.sensors.gpio import Board, board

from .builders import NOW, facts, recorder

PINS = {"power": 5, "record": 6, "mesh": 13, "gateway": 19, "fault": 26}


@pytest.fixture
def pi(tmp_path: Path) -> Iterator[Board]:
    (tmp_path / "dev").mkdir()
    made = board(tmp_path / "dev")
    yield made
    made.factory.close()


class Eye:
    """Observer that advances the simulated time and reads the pins."""

    def __init__(self, pi: Board, daemon: LightsDaemon) -> None:
        self.pi, self.daemon, self.now = pi, daemon, 1_000.0
        self._due = self.now

    def watch(self, seconds: float, light: str) -> str:
        """Return the states of a light at intervals of 25 ms, as `#` for lit and `.` for dark."""
        seen = ""
        for _ in range(round(seconds / 0.025)):
            while self._due <= self.now:
                self._due = max(self._due, self.now) + max(self.daemon.turn(self._due), 0.001)
            seen += "#" if self.pi.line(PINS[light]).level else "."
            self.now += 0.025
        return seen

    def blinks(self, seconds: float, light: str) -> int:
        return self.watch(seconds, light).count(".#")


def daemon_on(pi: Board, stands: list[LightFacts], **more: object) -> LightsDaemon:
    panel = HeaderPanel(PINS, factory=pi.factory)
    return LightsDaemon(panel, lambda: stands[0], **more)  # type: ignore[arg-type]


def test_lights_show_a_changed_state_within_a_second(pi: Board) -> None:
    stands = [facts()]
    eye = Eye(pi, daemon_on(pi, stands))
    assert set(eye.watch(2, "record")) == {"#"}
    stands[0] = facts(dead=("recorder",))
    eye.watch(1.1, "record")
    assert eye.blinks(5, "record") == 20
    stands[0] = facts()
    eye.watch(1.1, "record")
    assert set(eye.watch(5, "record")) == {"#"}
    assert set(eye.watch(5, "fault")) == {"."}


def test_lamp_test_lights_all_leds_and_then_shows_the_state(pi: Board) -> None:
    daemon = daemon_on(pi, [facts()])
    eye = Eye(pi, daemon)
    daemon.test(eye.now)
    assert set(eye.watch(LAMP_TEST_S - 0.1, "fault")) == {"#"}
    eye.watch(0.7, "fault")
    assert set(eye.watch(2, "fault")) == {"."}


def test_lamp_test_does_not_wait_for_the_next_blink(pi: Board) -> None:
    stands = [facts(dead=("recorder", "sync"))]
    daemon = daemon_on(pi, stands)
    eye = Eye(pi, daemon)
    eye.watch(3, "mesh")
    daemon.test(eye.now)
    eye.watch(0.5, "power")
    assert set(eye.watch(0.5, "fault")) == {"#"}


def test_at_night_only_faults_are_shown(pi: Board) -> None:
    stands = [facts()]
    eye = Eye(pi, daemon_on(pi, stands, night=lambda: True))
    for light in PINS:
        assert set(eye.watch(1.5, light)) == {"."}
    stands[0] = facts(dead=("recorder",))
    eye.watch(1.1, "record")
    assert eye.blinks(5, "record") == 20


def test_all_leds_are_off_when_the_daemon_ends(pi: Board) -> None:
    panel = HeaderPanel(PINS, factory=pi.factory)
    panel.show(dict.fromkeys(PINS, True))
    lines = [pi.line(pin) for pin in PINS.values()]
    assert all(line.level for line in lines)
    panel.close()
    assert [line.writes[-1] for line in lines] == [False] * 5


def test_active_low_pins_are_supported(pi: Board) -> None:
    panel = HeaderPanel({"power": 5}, factory=pi.factory, active_high=False)
    assert pi.line(5).level
    panel.show({"power": True})
    assert not pi.line(5).level
    panel.close()


def test_pin_used_by_another_program_is_named(pi: Board) -> None:
    pi.line(13).holder = "spi0 CS1"
    with pytest.raises(PanelError, match="the mesh light on pin 13"):
        HeaderPanel(PINS, factory=pi.factory)


def test_unusable_leds_are_tried_again(pi: Board, caplog: pytest.LogCaptureFixture) -> None:
    pi.line(13).holder = "spi0 CS1"
    seconds = [100.0]
    panel = RetryingPanel(lambda: HeaderPanel(PINS, factory=pi.factory), clock=lambda: seconds[0])
    daemon = LightsDaemon(panel, facts)
    for now in (100.0, 105.0, 100.0 + TRY_EVERY_S, 125.0):
        seconds[0] = now
        daemon.turn(now)
    assert panel.lights == ()
    assert "the mesh light on pin 13" in (panel.why_dark or "")
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
    pi.line(13).holder = ""
    seconds[0] = 131.0
    daemon.turn(131.0)
    assert not pi.line(PINS["record"]).level
    seconds[0] = 136.0
    daemon.turn(136.0)
    assert panel.why_dark is None
    assert pi.line(PINS["record"]).level
    panel.close()


def test_states_of_the_lights_are_reported(pi: Board) -> None:
    told: list[dict[str, str]] = []
    daemon = daemon_on(
        pi, [facts()], tell=lambda states: told.append({k: v.means for k, v in states.items()})
    )
    daemon.turn(1.0)
    assert told[-1]["gateway"] == "all documents have been sent"


def test_kernels_led_can_be_the_single_light(tmp_path: Path) -> None:
    led = tmp_path / "ACT"
    led.mkdir()
    (led / "trigger").write_text("[mmc0] none")
    (led / "max_brightness").write_text("255\n")
    (led / "brightness").write_text("0")
    stands = [facts()]
    daemon = LightsDaemon(KernelPanel("ACT", leds=tmp_path), lambda: stands[0])
    daemon.turn(10.0)
    assert (led / "brightness").read_text() == "255"
    assert (led / "trigger").read_text() == "none"
    stands[0] = facts(dead=("recorder",))
    daemon.turn(20.0)
    levels = []
    for step in range(80):
        daemon.turn(20.0 + step * 0.0125)
        levels.append((led / "brightness").read_text())
    assert sum(a == "0" and b == "255" for a, b in itertools.pairwise(levels)) in (3, 4)
    with pytest.raises(PanelError, match="available LEDs: ACT"):
        KernelPanel("PWR", leds=tmp_path)


def test_night_may_span_midnight() -> None:
    lights = LightsSection(night=HoursAre(22 * 60, 6 * 60, negated=False))
    assert is_night(lights, datetime(2026, 1, 1, 23, 0, tzinfo=UTC))
    assert is_night(lights, datetime(2026, 1, 1, 5, 59, tzinfo=UTC))
    assert not is_night(lights, datetime(2026, 1, 1, 6, 0, tzinfo=UTC))
    assert not is_night(LightsSection(), datetime(2026, 1, 1, 0, 0, tzinfo=UTC))


# States from files


def look(machine: Machine, *, boottime: float = NOW) -> LightFacts:
    return machine.read_facts(boottime=boottime, utc=0.0, alive=lambda _pid: True)


def test_hung_recorder_is_detected_within_ten_seconds(tmp_path: Path) -> None:
    state = msgspec.to_builtins(recorder())
    state_file.write(state_file.path(tmp_path), state)
    machine = Machine(tmp_path, tmp_path, tmp_path, ask_units=lambda: "")
    assert look(machine).is_recording
    assert not look(machine, boottime=NOW + 10.1).is_recording


def test_voltage_temperature_failed_units_and_certificate_are_read(tmp_path: Path) -> None:
    throttled = tmp_path / "sys/devices/platform/soc/soc:firmware/get_throttled"
    throttled.parent.mkdir(parents=True)
    throttled.write_text("50005\n")
    CA.new().issue("argo").save(tmp_path / "vessel.pem", tmp_path / "vessel.key")
    failed = "logboat-store.service loaded failed failed Logboat: store\n"
    found = look(Machine(tmp_path, tmp_path, tmp_path, ask_units=lambda: failed))
    assert found.under_voltage
    assert found.throttled
    assert found.failed_units == ("logboat-store.service",)
    assert found.expires == END.timestamp()
    throttled.write_text("50000\n")
    hwmon = tmp_path / "sys/class/hwmon/hwmon1"
    hwmon.mkdir(parents=True)
    (hwmon / "name").write_text("rpi_volt\n")
    (hwmon / "in0_lcrit_alarm").write_text("1\n")
    found = look(Machine(tmp_path, tmp_path, tmp_path, ask_units=lambda: ""))
    assert found.under_voltage
    assert not found.throttled


def test_systemd_is_queried_once_a_minute_or_every_ten_seconds_after_a_crash(
    tmp_path: Path,
) -> None:
    asked: list[float] = []

    def units() -> str:
        asked.append(now)
        return "" if now < NOW + 95 else "logboat-sync.service loaded failed failed Logboat: mesh\n"

    machine = Machine(tmp_path, tmp_path, tmp_path, ask_units=units)
    for now in [NOW + second for second in range(261)]:
        if now == NOW + 85:
            crash_loops.record_exit(tmp_path, "sync", "exit status 1", clock=now)
        found = look(machine, boottime=now)
    ten = [NOW + second for second in range(85, 261, 10)]
    assert asked == [NOW, NOW + 60, *ten]
    assert found.failed_units == ("logboat-sync.service",)


def test_new_certificate_is_detected_at_once(tmp_path: Path) -> None:
    machine = Machine(tmp_path, tmp_path, tmp_path, ask_units=lambda: "")
    CA.new().issue("argo").save(tmp_path / "vessel.pem", tmp_path / "vessel.key")
    now = NOW
    assert look(machine, boottime=now).expires == END.timestamp()
    (tmp_path / "vessel.pem").write_text("nonsense")
    assert look(machine, boottime=now).expires is None
    CA.new().issue("argo").save(tmp_path / "vessel.pem", tmp_path / "vessel.key")
    assert look(machine, boottime=now).expires == END.timestamp()


def test_machine_other_than_a_pi_reports_no_hardware_faults(tmp_path: Path) -> None:
    found = look(Machine(tmp_path, tmp_path, tmp_path, ask_units=lambda: ""))
    assert (found.under_voltage, found.throttled, found.failed_units, found.expires) == (
        False,
        False,
        (),
        None,
    )
    assert not found.is_recording


def test_maintenance_mode_is_detected(tmp_path: Path) -> None:
    machine = Machine(tmp_path, tmp_path, tmp_path, ask_units=lambda: "")
    assert not look(machine).maintenance
    (tmp_path / MAINTENANCE).write_text("{}")
    assert look(machine).maintenance
