"""Files are read only when necessary, and known facts are shown while files cannot be read."""

import subprocess
import sys

import pytest

from services.screens.top.stored_facts import AT_LEAST_EVERY_S, AT_MOST_EVERY_S, RETRY_S, FactsReader
from sync.documents import POLICY
from sync.store import Database
from tests.services import documents as build
from tests.services.appliance import Appliance, logboat

from .aboard import PATIENCE_S, SYNCED, arguments, looker, spoilt, world

__all__ = ["logboat"]


def files(logboat: Appliance) -> FactsReader:
    return FactsReader(arguments(logboat), world(logboat), ask_units=lambda: "")


def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that records every query of the store from now on."""
    asked: list[str] = []
    documents = Database.documents

    def telling(self: Database, prefix: str = "", **options: object) -> object:
        asked.append(prefix)
        return documents(self, prefix, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Database, "documents", telling)
    return asked


class TestWhenItIsRead:
    def test_nothing_is_read_again_without_a_change(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.alarm())
        logboat.live()
        reads = files(logboat)
        assert reads.is_due(is_live=True)
        reads.read()
        for _ in range(int(AT_LEAST_EVERY_S) - 1):
            logboat.clock.boottime += 1
            assert not reads.is_due(is_live=True)
        logboat.clock.boottime += 1
        assert reads.is_due(is_live=True)

    def test_changes_are_read_at_a_limited_rate(self, logboat: Appliance) -> None:
        logboat.put(SYNCED)
        logboat.live()
        reads = files(logboat)
        reads.read()
        logboat.put(build.alarm())
        assert not reads.is_due(is_live=True)
        logboat.clock.boottime += AT_MOST_EVERY_S
        assert reads.is_due(is_live=True)
        assert [episode.alarm.sequence for episode in reads.read().alarms] == [17]

    def test_commit_only_in_the_write_ahead_log_is_a_change(self, logboat: Appliance) -> None:
        logboat.put(SYNCED)
        logboat.live()
        with Database.open(logboat.store, policy=POLICY, checkpoint_pages=0) as recorder:
            build.write(recorder, build.alarm())
            reads = files(logboat)
            reads.read()
            logboat.clock.boottime += AT_MOST_EVERY_S
            assert not reads.is_due(is_live=True)
            build.write(recorder, build.alarm(18))
            assert reads.is_due(is_live=True)
            assert len(reads.read().alarms) == 2

    def test_alarms_are_read_again_only_when_one_has_changed(
        self, logboat: Appliance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        logboat.put(SYNCED, build.alarm())
        logboat.live()
        reads = files(logboat)
        reads.read()
        asked = opened(monkeypatch)
        logboat.put(build.reading(1, 2, 3), build.equipment(30.0))
        asked.clear()
        reads.read()
        assert asked == []
        logboat.put(build.alarm(18))
        reads.read()
        assert "alarm:" in asked

    def test_sensors_are_read_from_the_store_when_the_recorder_is_not_running(
        self, logboat: Appliance
    ) -> None:
        logboat.put(SYNCED, build.equipment(30.0))
        logboat.live()
        looks = looker(logboat)
        assert looks.collect(patience=PATIENCE_S).facts.live is not None
        logboat.living.clear()
        look = looks.collect(patience=PATIENCE_S)
        assert [(found.sensor, found.value) for found in look.sensors.sensors] == [("rpm", 30.0)]

    def test_store_that_replaced_another_is_read_again(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.alarm())
        logboat.live()
        reads = files(logboat)
        assert len(reads.read().alarms) == 1
        logboat.store.rename(logboat.data / "set-aside")
        logboat.put(SYNCED, build.vessel())
        logboat.clock.boottime += AT_MOST_EVERY_S
        assert reads.is_due(is_live=True)
        assert reads.read().alarms == ()

    def test_past_values_of_only_this_boot_are_read_once(
        self, logboat: Appliance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        logboat.put(
            SYNCED,
            build.reading(7, 7, boot=1, start=99_980.0),
            build.reading(*range(20), first=3, boot=2, start=99_900.0),
        )
        logboat.live(boot=2)
        reads = files(logboat)
        past = reads.read().past
        assert sum(number for _, number in past["rpm"].cells.values()) == 20
        asked = opened(monkeypatch)
        logboat.put(build.reading(1, first=30, boot=2, start=99_930.0))
        asked.clear()
        assert reads.read().past["rpm"] is past["rpm"]
        assert not any(prefix.startswith("reading:") for prefix in asked)

    def test_systemd_is_queried_rarely_and_not_required(self, logboat: Appliance) -> None:
        asked = []

        def units() -> str:
            asked.append(1)
            if len(asked) > 1:
                raise FileNotFoundError("systemctl")
            return "logboat-sync.service loaded failed failed x"

        reads = FactsReader(arguments(logboat), world(logboat), ask_units=units)
        logboat.live()
        assert "logboat-sync" in reads.read().units
        reads.read()
        assert len(asked) == 1
        logboat.clock.boottime += 60
        assert reads.read().units == ""


class TestWhatCannotBeRead:
    def test_reading_is_retried_and_known_facts_are_kept(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.alarm(), *(build.reading(*range(50), first=50 * n + 1) for n in range(40)))
        logboat.live()
        reads = files(logboat)
        reads.read()
        sound = logboat.store.read_bytes()
        spoilt(logboat.store)
        found = reads.read()
        assert "damaged" in found.fault
        assert len(found.alarms) == 1
        logboat.store.write_bytes(sound)
        logboat.clock.boottime += RETRY_S
        assert reads.is_due(is_live=True)
        found = reads.read()
        assert (found.fault, len(found.alarms)) == ("", 1)

    def test_store_under_repair_is_not_opened(
        self, logboat: Appliance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def open_store(*_: object, **__: object) -> None:
            raise AssertionError("the store was opened")

        logboat.put(SYNCED, build.alarm())
        logboat.live()
        monkeypatch.setattr(Database, "open", open_store)
        (logboat.data / "damaged").write_text("page 7\n")
        found = files(logboat).read()
        assert "damaged; it is read again" in found.fault
        assert found.read_at is None

    def test_wrong_configuration_is_shown(self, logboat: Appliance) -> None:
        logboat.put(SYNCED)
        logboat.configure('[vessel]\nid = "argo"\nmmsi = 7\n')
        look = looker(logboat).collect(patience=PATIENCE_S)
        assert "logboat.toml:3" in look.facts.problems[0]

    def test_unexpected_error_is_reported_and_ends_nothing(
        self, logboat: Appliance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError("division by zero")

        logboat.put(SYNCED)
        monkeypatch.setattr(Database, "documents", broken)
        assert files(logboat).read().fault == "unexpected ZeroDivisionError: division by zero"

    def test_locked_store_delays_nothing(self, logboat: Appliance) -> None:
        logboat.put(SYNCED, build.alarm())
        logboat.live()
        holds = (
            "import sys, apsw; c = apsw.Connection(sys.argv[1]); c.pragma('locking_mode', 'exclusive');"
            "c.execute('BEGIN IMMEDIATE; CREATE TABLE x(y); ROLLBACK');"
            "print('held', flush=True); sys.stdin.read()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", holds, str(logboat.store)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            looks = looker(logboat)
            look = looks.collect()
            assert look.facts.is_recording
            assert look.alarms_age is None
            logboat.clock.boottime += 5
            assert "log.db has not responded for 5 s" in looks.collect().facts.store_fault
            assert other.stdin is not None
            other.stdin.close()
        looks.wait_for_reading(PATIENCE_S)
        look = looks.collect()
        assert (look.facts.store_fault, len(look.alarms)) == ("", 1)

    def test_facts_can_be_read_while_a_recorder_writes(self, logboat: Appliance) -> None:
        """A transaction of the recorder is open during each read, and a checkpoint follows each read."""
        logboat.put(SYNCED, build.alarm())
        logboat.live()
        reads = files(logboat)
        with Database.open(logboat.store, policy=POLICY, checkpoint_pages=0) as recorder:
            for number in range(20):
                with recorder.transaction():
                    recorder.put(f"note:argo:{number}", {"type": "note"})
                    assert reads.read().fault == ""
                recorder.checkpoint()
        assert reads.read().fault == ""
