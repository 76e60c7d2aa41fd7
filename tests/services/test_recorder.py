"""The complete recorder runs in the test's process with real files and threads, and simulated sensors."""

import csv
import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sensors.clock import SystemClock
from sensors.config.loader import load_sensors
from sensors.settings import SensorSettings
from services.cli.main import main
from services.clocks.clock_quality import ClockQuality
from services.clocks.time_source import TimeSource
from services.config.model import Configuration, RetentionSection, VesselSection
from services.documents import models
from services.documents.boot_signing import OwnIdentity
from services.documents.budget import Budget
from services.history.completeness import verify
from services.recorder import daemon
from services.recorder.daemon import Recorder, RecorderPaths
from services.recovery import store_check
from services.state import state_file
from services.system import machine
from services.system.control_socket import Addition, ask
from services.system.systemd import Notifier
from sync import documents
from sync.fleet import signing
from sync.fleet.identity_files import FleetIdentity
from sync.store import Database
from tests.fleet.builders import trust, vessel

HIGH_BUDGET = Budget(share=0.8)
MANUAL = """
[[sensor]]
id = "fuel-dip"
name = "Fuel, by the stick"
kind = "manual"
path = "tanks.fuel.main.currentLevel"

[[sensor]]
id = "cabin"
name = "Cabin"
kind = "simulated"
model = "temperature"
path = "environment.inside.saloon.temperature"
rate = "20 Hz"
"""


class Heard(Notifier):
    """Notifier that records the messages to systemd, and wakes threads that wait for those messages."""

    def __init__(self) -> None:
        super().__init__("")
        self.words: list[str] = []
        self.changed = threading.Condition()

    def _send(self, text: str) -> None:
        with self.changed:
            self.words.append(text)
            self.changed.notify_all()

    def wait(self, done: Callable[[list[str]], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: done(self.words), timeout=110)


def sensors(folder: Path, text: str = MANUAL) -> tuple[SensorSettings, ...]:
    (folder / "sensors.toml").write_text(text)
    return load_sensors(folder / "sensors.toml", reserved={})


def places(folder: Path) -> RecorderPaths:
    for name in ("data", "run"):
        (folder / name).mkdir(exist_ok=True)
    return RecorderPaths(
        config=folder / "logboat.toml",
        sensors=folder / "sensors.toml",
        data=folder / "data",
        run=folder / "run",
    )


@contextmanager
def running(
    folder: Path, text: str = MANUAL, *, budget: Budget = HIGH_BUDGET, **more: Any
) -> Iterator[tuple[Recorder, Heard]]:
    heard = Heard()
    made = Recorder(
        places=places(folder),
        configuration=Configuration(vessel=VesselSection(id="argo"), retention=RetentionSection(budget)),
        sensors=sensors(folder, text),
        notifier=heard,
        **more,
    )
    status: list[int] = []
    thread = threading.Thread(target=lambda: status.append(made.run()))
    thread.start()
    try:
        heard.wait(lambda words: "READY=1" in words)
        yield made, heard
    finally:
        made.stop()
        thread.join(timeout=110)
    assert status == [0]


def store(folder: Path) -> Database:
    return Database.open(folder / "data" / "log.db", policy=documents.POLICY)


def test_stopped_recorder_has_written_every_sample_to_documents(tmp_path: Path) -> None:
    ledger: list[tuple[str, str, int]] = []
    with running(tmp_path, ledger=ledger.extend) as (_, heard):
        heard.wait(lambda words: words.count("WATCHDOG=1") >= 3)
    with store(tmp_path) as database:
        (report,) = verify(database)
        assert report.is_complete
        assert {s.sensor: s.last for s in report.sensors if s.samples}["cabin"] == len(ledger) > 20


def test_malformed_reading_does_not_prevent_retention_or_new_documents(
    tmp_path: Path,
) -> None:
    places(tmp_path)
    strange = "reading:brigid:rpm:abcdef:000000000001"
    with store(tmp_path) as database:
        database.put(strange, {"type": "reading", "last": "x" * 2_000})
    with running(tmp_path, budget=Budget(size=1000)) as (_, heard):
        heard.wait(lambda words: words.count("WATCHDOG=1") >= 2)
    with store(tmp_path) as database:
        assert database.get(strange) is None
        assert database.floor(strange)
        written = {document.id.partition(":")[0] for document in database.documents()}
        assert {"vessel", "boot", "equipment"} <= written


def test_unit_on_screens_is_in_the_live_state_and_in_the_vessels_document(tmp_path: Path) -> None:
    text = MANUAL.replace('rate = "20 Hz"', 'rate = "20 Hz"\ndisplay = "°F"')
    with running(tmp_path, text) as (_, heard):
        heard.wait(lambda words: words.count("WATCHDOG=1") >= 2)
        state = state_file.read(state_file.path(tmp_path / "run"))
    assert state is not None
    assert {name: each["display"] for name, each in state["sensors"].items()} == {
        "fuel-dip": "",
        "cabin": "°F",
    }
    with store(tmp_path) as database:
        assert models.display_units(database, "argo") == {"cabin": "°F"}
        for document in database.documents("reading:argo:cabin:"):
            assert models.read(document, models.ReadingDocument).unit == "K"


def test_manual_value_is_acknowledged_once_it_is_durable(tmp_path: Path) -> None:
    with running(tmp_path) as (made, _):
        answer = ask(tmp_path / "run", Addition(sensor="fuel-dip", value=0.42))
        assert (answer.ok, answer.sequence) == (True, 1)
        assert made.journal.sensors["fuel-dip"].last == 1
        assert ask(tmp_path / "run", Addition(sensor="fuel-dip", value=0.4)).sequence == 2


def test_manual_value_for_another_kind_of_sensor_is_refused_with_a_list_of_manual_ones(
    tmp_path: Path,
) -> None:
    with running(tmp_path):
        answer = ask(tmp_path / "run", Addition(sensor="cabin", value=1.0))
        assert not answer.ok
        assert answer.error is not None
        assert "fuel-dip" in answer.error
        assert not ask(tmp_path / "run", Addition(sensor="fuel-dip", value=True)).ok


def test_watchdog_is_notified_by_commits_and_readiness_by_the_first(tmp_path: Path) -> None:
    with running(tmp_path) as (_, heard):
        pass
    assert heard.words.index("WATCHDOG=1") < heard.words.index("READY=1")
    assert heard.words[-1] != "READY=1"
    assert "STOPPING=1" in heard.words


def test_live_state_is_current_and_removed_with_the_recorder(tmp_path: Path) -> None:
    file = state_file.path(tmp_path / "run")
    with running(tmp_path) as (_, heard):
        heard.wait(lambda words: words.count("WATCHDOG=1") >= 3)
        state = state_file.read(file)
        assert state is not None
        assert (state["recording"], state["fault"], state["vessel"]) == (True, None, "argo")
        assert state["sensors"]["cabin"]["state"] == "good"
        assert state["sensors"]["fuel-dip"]["value"] is None
    assert state_file.read(file) is None


DERIVED = (
    MANUAL
    + """
[[sensor]]
id = "engine-room"
kind = "simulated"
model = "temperature"
path = "environment.inside.engineRoom.temperature"
seed = 7
rate = "20 Hz"
average = "1 s"

[[sensor]]
id = "warmer"
kind = "derived"
value = "engine-room - cabin"
path = "environment.inside.engineRoom.temperatureDifference"
unit = "K"
rate = "10 Hz"
alarm = { above = "-100 °C", severity = "alert" }

[[sensor]]
id = "dip-half"
kind = "derived"
value = "fuel-dip * 0.5"
path = "tanks.fuel.half.currentLevel"
rate = "10 Hz"
"""
)


def test_derived_sensors_are_recorded_shown_and_raise_alarms(tmp_path: Path) -> None:
    file = state_file.path(tmp_path / "run")
    with running(tmp_path, DERIVED) as (made, heard):
        ask(tmp_path / "run", Addition(sensor="fuel-dip", value=0.5))
        heard.wait(lambda words: words.count("WATCHDOG=1") >= 4)
        state = state_file.read(file)
        assert state is not None
        found = state["sensors"]
        assert [(found[name]["state"], found[name]["kind"]) for name in ("warmer", "dip-half")] == [
            ("good", "derived"),
            ("good", "derived"),
        ]
        assert abs(found["warmer"]["value"]) < 100
        assert found["warmer"]["alarm"] == "alert"
        assert found["dip-half"]["value"] == 0.25
        assert made.journal.sensors["warmer"].last > 1
    with store(tmp_path) as database:
        (report,) = verify(database)
        assert report.is_complete


def test_restart_continues_the_same_log_and_boot_with_the_next_number(tmp_path: Path) -> None:
    seen = []
    for _ in range(3):
        with running(tmp_path) as (made, _):
            ask(tmp_path / "run", Addition(sensor="fuel-dip", value=0.5))
            seen.append((made.identity.log, made.identity.boot, made.journal.sensors["fuel-dip"].last))
    assert len({(log, boot) for log, boot, _ in seen}) == 1
    assert [last for *_, last in seen] == [1, 2, 3]


def test_five_successive_boots_in_1970_keep_every_reading_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Boot1970:
        """Clock of a machine that has just booted without a clock chip. It shows a time in 1970."""

        def __init__(self) -> None:
            self._began = time.monotonic_ns()
            self._now = time.monotonic_ns

        def boottime_ns(self) -> int:
            return 20_000_000_000 + self._now() - self._began

        def utc_ns(self) -> int:
            return self.boottime_ns()

    for boot in range(1, 6):
        monkeypatch.setattr(machine, "boot_id", lambda boot=boot: f"boot-{boot}")
        with running(tmp_path, clock=Boot1970()) as (_, heard):
            for _ in range(2):
                assert ask(tmp_path / "run", Addition(sensor="fuel-dip", value=boot / 10)).ok
            heard.wait(lambda words: words.count("WATCHDOG=1") >= 2)
    with store(tmp_path) as database:
        (report,) = verify(database)
        assert report.is_complete
        boots = [document.body for document in database.documents("boot:")]
        assert [body["number"] for body in boots] == [1, 2, 3, 4, 5]
        assert all(anchor[2] == "floor" for body in boots for anchor in body["anchors"])
        assert [body["previousEnd"] and body["previousEnd"]["boot"] for body in boots] == [None, 1, 2, 3, 4]
        readings = [d.body for d in database.documents("reading:argo:fuel-dip:")]
        assert [body["first"] for body in readings] == [1, 3, 5, 7, 9]
        values = [sample[1] for body in readings for sample in body["samples"]]
        assert values == [0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.4, 0.4, 0.5, 0.5]
        assert {body["trust"] for body in readings} == {"unsynced"}


def test_boot_in_2080_does_not_affect_the_times_of_later_boots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Shifted(SystemClock):
        """Clock of a machine that has just started, at another time. This machine may have run for days."""

        def __init__(self, utc: float) -> None:
            self._ahead = round(utc * 1e9) - time.time_ns()
            self._start = super().boottime_ns()

        def utc_ns(self) -> int:
            return time.time_ns() + self._ahead

        def boottime_ns(self) -> int:
            return super().boottime_ns() - self._start

    monkeypatch.setattr(daemon, "system_quality", lambda: ClockQuality(TimeSource.NETWORK, 0.02))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1780000000")
    days = [3_485_000_000.0, 1_790_000_000.0, 1_790_086_400.0]
    for boot, utc in enumerate(days, start=1):
        monkeypatch.setattr(machine, "boot_id", lambda boot=boot: f"boot-{boot}")
        with running(tmp_path, clock=Shifted(utc)):
            assert ask(tmp_path / "run", Addition(sensor="fuel-dip", value=boot / 10)).ok
    folders = ["--data", str(tmp_path / "data"), "--run", str(tmp_path / "run")]
    capsys.readouterr()
    assert (
        main(["log", "fuel-dip", "--vessel", "argo", "--csv", "--wide", "--since", "2000-01-01", *folders])
        == 0
    )
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["value"] for row in rows] == ["0.1", "0.2", "0.3"]
    assert [row["time"][:10] for row in rows][1:] == ["2026-09-21", "2026-09-22"]
    assert rows[0]["time"] < "2026-09-22"
    assert [row["trust"] for row in rows] == ["before", "synced", "synced"]


def test_card_in_another_board_begins_a_new_log_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = []
    for board in ("first", "second"):
        monkeypatch.setattr(machine, "board", lambda board=board: board)
        with running(tmp_path) as (made, _):
            ask(tmp_path / "run", Addition(sensor="fuel-dip", value=0.5))
            logs.append(made.identity.log)
    assert logs[0] != logs[1]
    with store(tmp_path) as database:
        for log in logs:
            assert database.get(documents.reading_id("argo", "fuel-dip", log, 1)) is not None
        vessel = database.get("vessel:argo")
        assert vessel is not None
        assert vessel.body["logs"] == logs


def test_vessel_of_a_fleet_signs_its_own_document_and_its_boots(tmp_path: Path) -> None:
    own = OwnIdentity(FleetIdentity("argo", "north", vessel("argo"), trust()))
    with running(tmp_path):
        pass
    for _ in range(2):
        with running(tmp_path, own=own) as (made, _heard):
            boot_id = documents.boot_id("argo", made.identity.log, made.identity.boot)
    with store(tmp_path) as database:
        for document_id in (boot_id, "vessel:argo"):
            found = database.get(document_id)
            assert found is not None
            assert signing.signer(document_id, found.body, trust()) == "argo"
        about = database.get("vessel:argo")
        assert about is not None
        assert about.rev.startswith("2-")  # signed once: the second start had nothing to add


def test_damaged_identity_is_reported_and_stops_nothing(tmp_path: Path) -> None:
    with running(tmp_path, own=OwnIdentity(fault="vessel.pem is gone")) as (made, _):
        assert ask(tmp_path / "run", Addition(sensor="fuel-dip", value=0.5)).ok
        made._every_second(made.recording.now_ms())
        state = state_file.read(state_file.path(tmp_path / "run"))
        assert state is not None
        assert state["identity"] == {"fleet": None, "fault": "vessel.pem is gone"}


def test_damage_found_while_running_ends_the_recorder_and_marks_the_store_for_the_next_start(
    tmp_path: Path,
) -> None:
    heard = Heard()
    made = Recorder(
        places=places(tmp_path),
        configuration=Configuration(vessel=VesselSection(id="argo")),
        sensors=sensors(tmp_path),
        notifier=heard,
    )
    (tmp_path / "data" / "log.db").write_bytes(b"rubbish" * 10_000)
    assert made.run() == 1
    assert (tmp_path / "data" / "damaged").exists()


def test_damage_that_another_daemon_has_found_ends_the_recorder_too(tmp_path: Path) -> None:
    heard = Heard()
    made = Recorder(
        places=places(tmp_path),
        configuration=Configuration(vessel=VesselSection(id="argo")),
        sensors=sensors(tmp_path),
        notifier=heard,
    )
    store_check.mark_damaged(tmp_path / "data", "a page did not match")
    assert made.run() == 1
    assert (tmp_path / "data" / "damaged").read_text() == "a page did not match\n"


def test_recorder_records_despite_damage_that_could_not_be_repaired(tmp_path: Path) -> None:
    places(tmp_path)
    store_check.mark_damaged(tmp_path / "data", "a page did not match")
    with running(tmp_path) as (_, heard):
        heard.wait(lambda words: words.count("WATCHDOG=1") > 2)


def test_daemon_works_without_a_listening_systemd(tmp_path: Path) -> None:
    Notifier(str(tmp_path / "nobody")).alive()


def test_reopened_store_repeats_no_anchor_and_loses_no_alarm(tmp_path: Path) -> None:
    text = MANUAL.replace('currentLevel"', 'currentLevel"\nalarm = { below = 0.2, severity = "alarm" }', 1)
    with running(tmp_path, text) as (made, _):
        assert ask(tmp_path / "run", Addition(sensor="fuel-dip", value=0.1)).ok
        made.library.stop(finish=True)
        made.journal.settle()  # the batch that raised the alarm is documented
        made.library._thread = threading.Thread(target=lambda: None)
        made.library._thread.start()
        assert ask(tmp_path / "run", Addition(sensor="fuel-dip", value=0.05)).ok
        assert made.library._attempt(finish=True)
        made.library._close()
    with store(tmp_path) as database:
        (boot,) = database.documents("boot:")
        anchors = boot.body["anchors"]
        assert len({tuple(anchor) for anchor in anchors}) == len(anchors)
        equipment = database.get("equipment:argo:fuel-dip")
        assert equipment is not None
        assert (equipment.body["value"], equipment.body["alarm"]) == (0.05, "alarm")


DIPPED_LOW = """
[[sensor]]
id = "fuel-dip"
kind = "manual"
path = "tanks.fuel.main.currentLevel"
alarm = { below = 0.5, for = "24 h", severity = "warn" }
"""


def test_delay_of_an_alarm_goes_on_after_a_restart(tmp_path: Path) -> None:
    with running(tmp_path, DIPPED_LOW) as (first, _):
        assert ask(tmp_path / "run", Addition(sensor="fuel-dip", value=0.4)).ok
        due = first.recording.alarm_due_ms()
    assert due is not None
    with running(tmp_path, DIPPED_LOW) as (second, _):
        assert second.recording.alarm_due_ms() == due
