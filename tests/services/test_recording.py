"""Recorded samples get numbers, are committed, and survive a journal that cannot be written for a while."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from sensors.sample import Totals
from services.journal.batch import Batch
from services.journal.journal import Journal, JournalReader
from services.journal.schema import JournalFullError
from services.recorder import group_commit as recording_module

from .recorder_builders import FakeClock, above, journal, recording, sample, settings


class Ledger:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str, int]] = []

    def __call__(self, samples: Iterable[tuple[str, str, int]]) -> None:
        self.lines += samples


class FullNow(Journal):
    """Journal on a card that is full while `full` is set."""

    full = False

    def commit(self, batch: Batch) -> Batch:
        if self.full:
            raise JournalFullError("database or disk is full")
        return super().commit(batch)


def rows(path: Path) -> list[tuple[str, int]]:
    reader = JournalReader(path)
    found = [
        (row.sensor, row.sequence) for batch in reader.batches(after=0, limit=10_000) for row in batch.rows
    ]
    reader.close()
    return found


def test_ledger_names_a_sample_only_after_its_commit(tmp_path: Path) -> None:
    ledger, clock = Ledger(), FakeClock()
    with journal(tmp_path / "samples.db") as opened:
        made = recording(opened, clock, ledger=ledger)
        made.commit()
        made.accept(sample(1.0, clock.ms))
        assert ledger.lines == []
        clock.advance(1_000)
        assert made.is_commit_due()
        assert made.commit()
        assert ledger.lines == [("rpm", "abcdef", 1)]


def test_commit_is_due_one_second_after_the_first_sample(tmp_path: Path) -> None:
    clock = FakeClock()
    with journal(tmp_path / "samples.db") as opened:
        made = recording(opened, clock)
        made.commit()
        made.accept(sample(1.0, clock.ms))
        clock.advance(999)
        made.accept(sample(1.0, clock.ms))
        assert not made.is_commit_due()
        assert made.due_ms() == clock.ms + 1
        clock.advance(1)
        assert made.is_commit_due()


def test_alarm_is_committed_at_once(tmp_path: Path) -> None:
    clock = FakeClock()
    with journal(tmp_path / "samples.db") as opened:
        made = recording(opened, clock, settings(alarms=[above(63.0)]))
        made.commit()
        made.accept(sample(64.0, clock.ms))
        assert made.is_commit_due()
        made.commit()
        assert made.was_urgent
        assert not made.is_commit_due()


def test_delayed_alarm_is_raised_without_another_sample(tmp_path: Path) -> None:
    clock = FakeClock()
    with journal(tmp_path / "samples.db") as opened:
        made = recording(opened, clock, settings(alarms=[above(63.0, raise_after_s=5)]))
        made.accept(sample(64.0, clock.ms))
        made.commit()
        assert made.alarm_due_ms() == clock.ms + 5_000
        clock.advance(5_000)
        made.elapse()
        assert made.is_commit_due()
        made.commit()
        assert opened.sensors["rpm"].episode is not None


def test_alarm_raised_cleared_and_raised_again_before_a_commit_is_recorded_twice(tmp_path: Path) -> None:
    clock = FakeClock()
    with journal(tmp_path / "samples.db") as opened:
        made = recording(opened, clock, settings(alarms=[above(63.0)]))
        for value in (64.0, 1.0, 65.0):
            clock.advance(10)
            made.accept(sample(value, clock.ms))
        assert made.commit()
        assert opened.last_batch is not None
        told = [(found.sequence, found.cleared_ms is None) for _, found in opened.last_batch.episodes]
        assert told == [(1, False), (3, True)]


def test_commits_are_made_periodically_without_samples(tmp_path: Path) -> None:
    clock = FakeClock()
    with journal(tmp_path / "samples.db") as opened:
        made = recording(opened, clock)
        made.commit()
        clock.advance(10_000)
        assert made.is_commit_due()


def test_full_card_loses_nothing_and_is_reported(tmp_path: Path) -> None:
    path, clock, ledger = tmp_path / "samples.db", FakeClock(), Ledger()
    with FullNow(path) as opened:
        made = recording(opened, clock, ledger=ledger)
        opened.full = True
        for number in range(5):
            made.accept(sample(float(number), clock.ms))
            clock.advance(1_000)
            assert not made.commit()
        assert made.fault is not None
        assert "full" in made.fault
        assert ledger.lines == []
        opened.full = False
        assert made.commit()
        assert made.fault is None
        assert ledger.lines == [("rpm", "abcdef", n) for n in range(1, 6)]
    assert rows(path) == [("rpm", n) for n in range(1, 6)]


def test_unwritable_journal_is_tried_again_one_second_later(tmp_path: Path) -> None:
    clock = FakeClock()
    with FullNow(tmp_path / "samples.db") as opened:
        made = recording(opened, clock)
        opened.full = True
        made.accept(sample(1.0, clock.ms))
        made.commit()
        assert not made.is_commit_due()
        clock.advance(1_000)
        assert made.is_commit_due()


def test_samples_that_do_not_fit_in_memory_become_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_module, "MOST_PENDING", 3)
    path, clock = tmp_path / "samples.db", FakeClock()
    with FullNow(path) as opened:
        made = recording(opened, clock)
        opened.full = True
        for number in range(5):
            made.accept(sample(float(number), clock.ms))
        made.commit()
        opened.full = False
        clock.advance(1_000)
        assert made.commit()
        made.accept(sample(9.0, clock.ms))
        clock.advance(1_000)
        made.commit()
    reader = JournalReader(path)
    first, second = (batch for batch in reader.batches(after=0, limit=9) if batch.rows)
    reader.close()
    assert [row.sequence for row in first.rows] == [1, 2, 3]
    assert [(gap.first, gap.last) for gap in first.gaps] == [(4, 5)]
    assert [row.sequence for row in second.rows] == [6]


def test_numbers_of_a_gap_are_not_assigned_again_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_module, "MOST_PENDING", 1)
    path, clock = tmp_path / "samples.db", FakeClock()
    with FullNow(path) as opened:
        made = recording(opened, clock)
        made.accept(sample(1.0, clock.ms))
        made.accept(sample(2.0, clock.ms))
        made.commit()
    with Journal(path) as again:
        assert again.sensors["rpm"].last == 2


def test_totals_are_durable_together_with_their_samples(tmp_path: Path) -> None:
    path, clock = tmp_path / "samples.db", FakeClock()
    with journal(path) as opened:
        made = recording(opened, clock)
        made.accept(sample(1.0, clock.ms, totals=Totals(count=7, seconds=1.5)))
        made.commit()
    with Journal(path) as again:
        assert recording(again, clock).resume() == {"rpm": Totals(7, 1.5)}


def test_commit_that_reported_failure_but_reached_the_card_is_not_recorded_twice(tmp_path: Path) -> None:
    class Deceitful(Journal):
        lie = True

        def commit(self, batch: Batch) -> Batch:
            before = self.last_batch
            done = super().commit(batch)
            if self.lie:
                self.lie, self.last_batch = False, before
                raise JournalFullError("so it seemed")
            return done

    path, clock, ledger = tmp_path / "samples.db", FakeClock(), Ledger()
    with Deceitful(path) as opened:
        opened.lie = False
        made = recording(opened, clock, ledger=ledger)
        made.commit()
        opened.lie = True
        made.accept(sample(1.0, clock.ms))
        assert not made.commit()
        made.accept(sample(2.0, clock.ms))
        clock.advance(1_000)
        assert made.commit()
    assert rows(path) == [("rpm", 1), ("rpm", 2)]
    assert ledger.lines == [("rpm", "abcdef", 1), ("rpm", "abcdef", 2)]


def test_declined_numbers_are_contiguous(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_module, "MOST_PENDING", 3)

    class Landing(FullNow):
        """Journal whose first batch has reached the file although its commit reported a failure."""

        landed: tuple[Batch, ...] = ()

        def reopen(self) -> list[Batch]:
            found, self.landed = list(self.landed), ()
            return found

    clock = FakeClock()
    with Landing(tmp_path / "samples.db") as opened:
        made = recording(opened, clock)
        made.commit()
        made.accept(sample(1.0, clock.ms))
        opened.landed, opened.full = (made._batch(),), True
        for value in range(5):
            made.accept(sample(float(value), clock.ms))
        assert not made.commit()
        assert not made.commit()  # the first row is known to be stored; two wait, and there is space for one
        made.accept(sample(9.0, clock.ms))
        opened.full = False
        assert made.commit()
        assert made.last_commit is not None
        (gap,) = made.last_commit.gaps
        assert [row.sequence for row in made.last_commit.rows] == [2, 3]
        assert (gap.first, gap.last) == (4, 7)
