"""Alarm rules still work when the memory is full of samples, because the card cannot be written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sensors.alarm_rules import OtherSensor
from services.journal.journal import Journal
from services.journal.schema import JournalFullError
from services.recorder import group_commit
from services.recorder.group_commit import GroupCommitter
from tests.services.recorder_builders import FakeClock, journal, recording, sample, settings

from .builders import rule

MOST = 3
RUNNING = OtherSensor("engine", "engine above 1 Hz", above=1.0)


@contextmanager
def full(opened: Journal, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(_batch: Any) -> None:
        raise JournalFullError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(opened, "commit", refuse)
        yield


class Aboard:
    """Recorder of a sensor with an alarm rule, which has room for few samples in memory."""

    def __init__(self, opened: Journal, **rule_keys: Any) -> None:
        self.opened, self.clock = opened, FakeClock()
        sensor = settings(alarms=[rule(above=5.0, **rule_keys)])
        self.made: GroupCommitter = recording(opened, self.clock, sensor, settings("engine"))

    def accept(self, *values: float, sensor: str = "rpm") -> bool:
        """Accept a sample each second, and return True if there is an alarm."""
        for value in values:
            self.clock.advance(1_000)
            self.made.accept(sample(value, self.clock.ms, sensor=sensor))
            self.made.elapse()
            self.made.commit()
        return self.made.intakes["rpm"].episode is not None

    def recover(self) -> list[tuple[int, int | None]]:
        """Commit, and return the number and the time of clearing of the alarm that is then recorded."""
        self.clock.advance(2_000)
        assert self.made.commit()
        episode = self.opened.sensors["rpm"].episode
        return [] if episode is None else [(episode.sequence, episode.cleared_ms)]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journal]:
    monkeypatch.setattr(group_commit, "MOST_PENDING", MOST)
    with journal(tmp_path / "samples.db", "rpm", "engine") as made:
        yield made


def test_alarm_is_raised_and_cleared_while_the_memory_is_full(
    opened: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    aboard = Aboard(opened)
    aboard.accept(1.0)
    with full(opened, monkeypatch):
        assert not aboard.accept(*[1.0] * 6)
        assert aboard.accept(9.0)
        assert not aboard.accept(1.0)
        assert aboard.accept(9.0)
    assert aboard.recover() == [(10, None)]
    assert not aboard.accept(1.0)
    assert opened.last_batch is not None
    assert [row.sequence for row in opened.last_batch.rows] == [11]


def test_condition_that_ends_while_the_memory_is_full_raises_no_alarm_afterwards(
    opened: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    aboard = Aboard(opened, raise_after_s=5.0)
    aboard.accept(1.0)
    with full(opened, monkeypatch):
        aboard.accept(9.0, 9.0, 9.0, 9.0, *[1.0] * 10)
    assert aboard.recover() == []
    assert not aboard.accept(1.0)


def test_delay_that_expires_while_the_memory_is_full_raises_the_alarm(
    opened: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    aboard = Aboard(opened, raise_after_s=5.0)
    aboard.accept(1.0)
    with full(opened, monkeypatch):
        aboard.accept(9.0, 9.0, 9.0)
        aboard.clock.advance(10_000)
        aboard.made.elapse()
        assert aboard.made.intakes["rpm"].episode is not None


def test_sensor_in_while_is_followed_while_the_memory_is_full(
    opened: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    aboard = Aboard(opened, other=RUNNING)
    aboard.accept(0.0, sensor="engine")
    with full(opened, monkeypatch):
        assert not aboard.accept(*[9.0] * 5)
        aboard.accept(2.0, sensor="engine")
        assert aboard.accept(9.0)


def test_only_the_latest_alarms_are_kept(opened: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "MOST_EPISODES", 2)
    aboard = Aboard(opened)
    aboard.accept(1.0)
    with full(opened, monkeypatch):
        aboard.accept(*[9.0, 1.0] * 6, 9.0)
        assert len(aboard.made._episodes) == 2
    assert aboard.recover() == [(14, None)]
