"""A restart computes the states of rules again, from a real journal and a real document store."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sensors.alarm_rules import OtherSensor
from sensors.sample import Value
from sensors.settings import SensorSettings
from services.clocks.clock_quality import Anchor, TimeFloor, Timekeeper
from services.clocks.time_source import TimeSource
from services.documents import builders
from services.documents.documenter import Documenter
from services.journal.batch import Identity
from services.journal.journal import Journal, JournalReader
from services.recorder.group_commit import GroupCommitter
from services.recorder.rules.history import PowerOff
from services.recorder.rules.rebuild import rebuild
from sync import documents
from sync.store import Database
from tests.services.recorder_builders import SYNCED, UTC, FakeClock, above, sample, settings

from .builders import contact, rule

MINUTE = 60_000
NETWORK = TimeSource.NETWORK


class Appliance:
    """A journal and a store, a recorder without threads, and power that can be cut."""

    def __init__(self, folder: Path, *sensors: SensorSettings) -> None:
        self.folder, self.sensors, self.clock = folder, sensors, FakeClock()
        self.boot = self.run = 1
        self.is_synced = True
        self.power_off: PowerOff | None = None
        self.start()

    def start(self) -> None:
        """Start the recorder, as the daemon does."""
        self.identity = Identity(vessel="argo", log="abcdef", boot=self.boot, run=self.run)
        self.journal = Journal(self.folder / "samples.db")
        measured_before = {name: (r.path, r.unit) for name, r in self.journal.sensors.items()}
        self.journal.register((s.id, s.path, s.unit) for s in self.sensors)
        previous = self.journal.last_batch
        self.recording = GroupCommitter(
            identity=self.identity,
            sensors=self.sensors,
            journal=self.journal,
            clock=self.clock,
            timekeeper=Timekeeper(TimeFloor(image=0.0)),
            quality=lambda: SYNCED,
        )
        self.anchors = [Anchor(self.clock.ms / 1000, self.clock.utc, NETWORK, 0.01)] if self.is_synced else []
        self.power_off = rebuild(
            data=self.folder,
            journal=self.journal.path,
            vfs=None,
            identity=self.identity,
            sensors=self.sensors,
            measured_before=measured_before,
            anchors=self.anchors,
            now_ms=self.clock.ms,
            raised=self.recording.raised,
            replay=self.recording.replay,
            progress=lambda: None,
        )
        self.database = Database.open(self.folder / "log.db", policy=documents.POLICY)
        self.reader = JournalReader(self.journal.path)
        self.documenter = Documenter(
            identity=self.identity,
            sensors=self.sensors,
            registered={name: (r.path, r.unit) for name, r in self.journal.sensors.items()},
            reader=self.reader,
            database=self.database,
            release=self.journal.release,
            severities={},
            measured_before=measured_before,
        )
        self.documenter.set_boot(
            builders.boot(self.identity, boot_id="x", previous=previous, anchors=self.anchors, version="1")
        )

    def stop(self, *, finish: bool = False) -> None:
        """Stop the recorder. Only with `finish`, all windows become documents."""
        if finish:
            self.documenter.finish(self.clock.ms)
        self.reader.close()
        self.database.close()
        self.journal.close()

    def restart(self, *, down_ms: int = 2_000, finish: bool = False) -> None:
        """Restart the recorder within the boot."""
        self.stop(finish=finish)
        self.clock.advance(down_ms)
        self.run += 1
        self.start()

    def cut_power(self, off_ms: int, *, is_synced: bool = True) -> None:
        """Cut the power, and boot again."""
        self.stop()
        self.clock = FakeClock(ms=10_000, utc=self.clock.utc + off_ms / 1000)
        self.boot, self.run, self.is_synced = self.boot + 1, self.run + 1, is_synced
        self.start()

    def accept(self, value: Value, *, sensor: str = "pump") -> None:
        """Accept a sample, and do what is due."""
        self.recording.accept(sample(value, self.clock.ms, sensor=sensor))
        self.work()

    def wait(self, ms: int) -> None:
        """Let time pass, and do what is due."""
        for _ in range(ms // 10_000):
            self.clock.advance(10_000)
            self.work()

    def work(self) -> None:
        """Commit what is due, and write documents."""
        self.recording.elapse()
        assert self.recording.commit()
        self.documenter.step(self.clock.ms)

    def run_pump(self, times: int) -> None:
        """Let the pump start and stop, within two minutes each time."""
        for _ in range(times):
            self.wait(MINUTE)
            self.accept(value=True)
            self.wait(MINUTE)
            self.accept(value=False)

    @property
    def is_raised(self) -> bool:
        """True if the first sensor has an alarm."""
        return self.recording.intakes[self.sensors[0].id].episode is not None


@pytest.fixture
def opened(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Appliance]:
    made = Appliance(tmp_path, *request.param)
    yield made
    made.stop()


STARTS = pytest.mark.parametrize("opened", [[contact(rule(starts_above=6, per_s=3600.0))]], indirect=True)


@STARTS
@pytest.mark.parametrize("finish", [True, False])
def test_starts_of_the_last_hour_survive_a_restart(opened: Appliance, finish: bool) -> None:
    opened.accept(value=False)
    opened.run_pump(5)
    opened.restart(finish=finish)
    opened.accept(value=False)
    opened.run_pump(1)
    opened.restart()
    opened.accept(value=False)
    assert not opened.is_raised
    opened.run_pump(1)
    assert opened.is_raised
    opened.wait(61 * MINUTE)
    assert not opened.is_raised


@STARTS
def test_starts_of_the_last_hour_survive_a_power_cut(opened: Appliance) -> None:
    opened.accept(value=False)
    opened.run_pump(6)
    opened.cut_power(10 * MINUTE)
    opened.accept(value=False)
    opened.run_pump(1)
    assert opened.is_raised


@STARTS
def test_starts_are_forgotten_after_a_long_time_without_power(opened: Appliance) -> None:
    opened.accept(value=False)
    opened.run_pump(6)
    opened.cut_power(60 * MINUTE)
    opened.accept(value=False)
    opened.run_pump(6)
    assert not opened.is_raised
    opened.run_pump(1)
    assert opened.is_raised


@STARTS
def test_starts_before_a_power_cut_count_until_the_clock_is_set(opened: Appliance) -> None:
    opened.accept(value=False)
    opened.run_pump(6)
    opened.cut_power(60 * MINUTE, is_synced=False)
    opened.accept(value=False)
    assert opened.power_off is not None
    anchor = Anchor(opened.clock.ms / 1000, opened.clock.utc, NETWORK, 0.01)
    known_ms = opened.power_off.newly_known_ms([anchor])
    assert known_ms == pytest.approx(60 * MINUTE - 10_000, abs=1_000)
    opened.recording.move_back(known_ms)
    opened.run_pump(1)
    assert not opened.is_raised


@STARTS
def test_alarm_clears_when_the_time_without_power_becomes_known(opened: Appliance) -> None:
    opened.accept(value=False)
    opened.run_pump(7)
    opened.cut_power(60 * MINUTE, is_synced=False)
    opened.accept(value=False)
    assert opened.is_raised
    assert opened.power_off is not None
    anchor = Anchor(opened.clock.ms / 1000, opened.clock.utc, NETWORK, 0.01)
    opened.recording.move_back(opened.power_off.newly_known_ms([anchor]))
    opened.work()
    assert not opened.is_raised


@STARTS
def test_time_without_power_is_known_although_a_boot_in_between_recorded_nothing(opened: Appliance) -> None:
    opened.accept(value=False)
    opened.run_pump(6)
    opened.cut_power(30 * MINUTE)
    opened.cut_power(30 * MINUTE)
    opened.accept(value=False)
    opened.run_pump(1)
    assert not opened.is_raised


@STARTS
def test_end_of_a_boot_is_known_although_the_next_boot_has_no_document(opened: Appliance) -> None:
    opened.accept(value=False)
    opened.wait(4 * MINUTE)
    end_s = opened.clock.ms / 1000
    opened.cut_power(MINUTE)
    opened.recording.accept(sample(value=False, ms=opened.clock.ms, sensor="pump"))
    opened.recording.commit()
    opened.cut_power(MINUTE)
    opened.accept(value=False)
    opened.cut_power(MINUTE)
    assert opened.power_off is not None
    assert opened.power_off.ends[1] == end_s


@STARTS
def test_jump_of_the_clock_changes_no_count(opened: Appliance) -> None:
    opened.accept(value=False)
    opened.run_pump(3)
    opened.clock.utc += 86_400
    opened.run_pump(3)
    opened.clock.utc -= 2 * 86_400
    opened.restart()
    opened.accept(value=False)
    opened.run_pump(1)
    assert opened.is_raised


@pytest.mark.parametrize("opened", [[contact(rule(idle_for_s=86_400.0))]], indirect=True)
def test_idle_time_survives_restarts_and_power_cuts(opened: Appliance) -> None:
    opened.accept(value=True)
    opened.accept(value=False)
    opened.wait(600 * MINUTE)
    opened.restart()
    opened.accept(value=False)
    opened.wait(600 * MINUTE)
    opened.cut_power(5_000 * MINUTE)
    opened.accept(value=False)
    opened.wait(230 * MINUTE)
    assert not opened.is_raised
    opened.wait(11 * MINUTE)
    assert opened.is_raised


@pytest.mark.parametrize(
    "opened",
    [[settings("oil", kind="analog", unit="Pa", alarms=[rule(below=1e5, raise_after_s=600.0)])]],
    indirect=True,
)
def test_delay_that_was_running_goes_on_after_a_restart(opened: Appliance) -> None:
    for _ in range(5):
        opened.accept(0.0, sensor="oil")
        opened.wait(MINUTE)
    opened.restart()
    for _ in range(4):
        opened.accept(0.0, sensor="oil")
        opened.wait(MINUTE)
    assert not opened.is_raised
    opened.accept(0.0, sensor="oil")
    opened.wait(MINUTE)
    assert opened.is_raised


RUNNING = OtherSensor("rpm", "rpm above 500 rpm", above=500 / 60)


@pytest.mark.parametrize(
    "opened",
    [
        [
            settings(
                "oil", kind="analog", unit="Pa", alarms=[rule(below=1e5, raise_after_s=300.0, other=RUNNING)]
            ),
            settings("rpm", kind="pulse", deadband=1e6),
        ]
    ],
    indirect=True,
)
def test_delay_with_a_condition_on_another_sensor_goes_on_after_a_restart(opened: Appliance) -> None:
    opened.accept(0.0, sensor="oil")
    opened.accept(20.0, sensor="rpm")
    opened.wait(4 * MINUTE)
    opened.restart()
    opened.wait(MINUTE)
    opened.accept(0.0, sensor="oil")
    assert opened.is_raised


@pytest.mark.parametrize(
    "opened",
    [[settings("hot", kind="analog", unit="K", alarms=[rule(rises_faster=5.0, per_s=3600.0)])]],
    indirect=True,
)
def test_rise_that_began_before_a_restart_raises_an_alarm(opened: Appliance) -> None:
    for number in range(4):
        opened.accept(300.0 + number, sensor="hot")
        opened.wait(MINUTE)
    opened.restart()
    opened.accept(304.9, sensor="hot")
    assert not opened.is_raised
    opened.accept(305.1, sensor="hot")
    assert opened.is_raised


@pytest.mark.parametrize("finish", [True, False])
@STARTS
def test_samples_of_another_quantity_do_not_count(opened: Appliance, finish: bool) -> None:
    opened.accept(value=False)
    opened.run_pump(6)
    [before] = opened.sensors
    opened.sensors = (replace(before, path="bilge.aft.pump.state"),)
    opened.restart(finish=finish)
    opened.accept(value=False)
    opened.run_pump(1)
    opened.restart(finish=finish)
    opened.accept(value=False)
    opened.run_pump(5)
    assert not opened.is_raised
    opened.run_pump(1)
    assert opened.is_raised


@STARTS
def test_store_that_cannot_be_read_does_not_prevent_recording(
    opened: Appliance, caplog: pytest.LogCaptureFixture
) -> None:
    opened.accept(value=False)
    opened.run_pump(6)
    opened.stop()
    (opened.folder / "log.db").rename(opened.folder / "kept.db")
    (opened.folder / "log.db").write_bytes(b"no database" * 1_000)
    opened.clock.advance(2_000)
    with pytest.raises(Exception, match="store"):
        opened.start()
    assert "alarm rules start without the samples recorded before" in caplog.text
    opened.journal.close()
    (opened.folder / "kept.db").replace(opened.folder / "log.db")
    opened.start()
    assert opened.clock.utc > UTC


@pytest.mark.parametrize("opened", [[settings(alarms=[above(5.0)]), settings("oil")]], indirect=True)
def test_alarm_of_a_removed_sensor_is_cleared_at_the_next_start(opened: Appliance) -> None:
    """A sensor with another id does not know the alarm of the sensor that it replaces."""
    opened.accept(6.0, sensor="rpm")
    assert opened.is_raised
    opened.sensors = opened.sensors[1:]
    opened.restart()
    opened.wait(MINUTE)
    (alarm,) = opened.database.documents("alarm:")
    assert alarm.body["cleared"]["clock"] == 102.0
    opened.restart()
    opened.wait(MINUTE)
    assert opened.database.get(alarm.id) == alarm


@pytest.mark.parametrize("earlier_boot", [False, True])
@pytest.mark.parametrize("change", [{"boot": 99}, {"start": 1e9, "end": 1e9 + 10}])
@pytest.mark.parametrize(
    "opened",
    [[settings("oil", kind="analog", unit="Pa", alarms=[rule(below=1e5, raise_after_s=60.0)])]],
    indirect=True,
)
def test_damaged_document_of_the_future_suppresses_no_alarm(
    opened: Appliance, change: dict[str, float], *, earlier_boot: bool
) -> None:
    opened.accept(0.0, sensor="oil")
    opened.wait(20_000)
    opened.documenter.finish(opened.clock.ms)
    (reading,) = opened.database.documents("reading:")
    opened.database.put(reading.id, reading.body | change, parent=reading.rev)
    if earlier_boot:
        opened.cut_power(MINUTE)
    else:
        opened.restart()
    for _ in range(8):
        opened.accept(0.0, sensor="oil")
        opened.wait(10_000)
    assert opened.is_raised
