"""`logboat log` also shows samples that are durable in the journal, but in no document yet."""

from pathlib import Path

import pytest

from services.history.samples import History
from services.history.undocumented import JOURNAL, undocumented
from services.journal.batch import Batch, SampleRow
from services.journal.journal import Journal
from sync.store import Database

from . import documents as build
from .appliance import Appliance, logboat
from .documents import LOG, SENSOR, UTC, VESSEL, network

__all__ = ["logboat"]


def journal(data: Path, *numbers: int, vessel: str = VESSEL) -> Journal:
    """Return a journal with one batch of samples of the sensor `rpm`, whose values are their numbers."""
    made = Journal(data / JOURNAL)
    made.begin_log({"vessel": vessel, "log": LOG, "boot": 1, "run": 1})
    made.register([(SENSOR, build.PATH, "Hz")])
    rows = tuple(SampleRow(SENSOR, number, 100_000 + number * 1000, float(number)) for number in numbers)
    made.commit(Batch(run=1, boot=1, clock_ms=200_000, utc=UTC + 200, synced=True, rows=rows))
    return made


def numbers_of(appliance: Appliance, *options: str) -> list[int]:
    lines = appliance("log", SENSOR, "--csv", *options).lines[1:]
    return [int(line.split(",")[1]) for line in lines]


def test_samples_of_an_open_window_are_shown_while_the_recorder_has_the_journal_open(
    logboat: Appliance,
) -> None:
    logboat.put(build.boot(1, network(0, UTC)), build.reading(1, 2, 3))
    with journal(logboat.data, 4, 5):
        assert numbers_of(logboat) == [1, 2, 3, 4, 5]
        assert "5 samples" in logboat("log", SENSOR).out
        assert [each["seq"] for each in logboat("log", SENSOR, "--json").json["samples"]] == [1, 2, 3, 4, 5]
        assert logboat("log", SENSOR, "--csv").lines[-1] == "2025-10-09T08:55:05.000Z,5,5.0,Hz,good"


def test_samples_that_documents_already_contain_are_shown_once(logboat: Appliance) -> None:
    logboat.put(build.boot(1, network(0, UTC)), build.reading(1, 2, 3))
    with journal(logboat.data, 1, 2, 3, 4):
        assert numbers_of(logboat) == [1, 2, 3, 4]


def test_samples_before_the_first_document_are_shown(logboat: Appliance) -> None:
    logboat.put(build.vessel())
    with journal(logboat.data, 1, 2):
        assert numbers_of(logboat) == [1, 2]


def test_since_and_until_apply_to_them(logboat: Appliance) -> None:
    logboat.put(build.boot(1, network(0, UTC)), build.reading(1, 2, 3))
    with journal(logboat.data, 4, 5, 6):
        assert numbers_of(logboat, "--since", "2025-10-09T08:55:05Z") == [5, 6]
        assert numbers_of(logboat, "--until", "2025-10-09T08:55:04.5Z") == [1, 2, 3, 4]


def test_default_period_ends_with_the_newest_of_them(logboat: Appliance) -> None:
    logboat.put(build.boot(1, network(0, UTC)), build.reading(1, start=-90_000.0))
    with journal(logboat.data, 2):
        assert "1 sample\n" in logboat("log", SENSOR).out


def test_journal_of_a_killed_recorder_is_read_and_not_changed(logboat: Appliance) -> None:
    logboat.put(build.boot(1, network(0, UTC)), build.reading(1, 2, 3))
    journal(logboat.data, 4, 5).close()
    before = (logboat.data / JOURNAL).read_bytes()
    assert numbers_of(logboat) == [1, 2, 3, 4, 5]
    assert (logboat.data / JOURNAL).read_bytes() == before


def test_reading_the_journal_does_not_delay_a_commit(logboat: Appliance) -> None:
    logboat.put(build.boot(1, network(0, UTC)), build.reading(1))
    with journal(logboat.data, 2) as recorder, Database.open(logboat.store) as database:
        history = History(
            database, vessel=VESSEL, sensor=SENSOR, undocumented=undocumented(logboat.data, SENSOR)
        )
        shown = history.samples()
        next(shown)
        recorder.commit(
            Batch(
                run=1,
                boot=1,
                clock_ms=300_000,
                utc=UTC + 300,
                synced=True,
                rows=(SampleRow(SENSOR, 3, 300_000, 3.0),),
            )
        )
        assert [each.sequence for each in shown] == [2]
    assert numbers_of(logboat) == [1, 2, 3]


def test_window_that_is_written_while_the_log_is_read_is_shown_once(logboat: Appliance) -> None:
    logboat.put(build.boot(1, network(0, UTC)), build.reading(1))
    with journal(logboat.data, 2, 3), Database.open(logboat.store) as database:
        found = undocumented(logboat.data, SENSOR)
        history = History(database, vessel=VESSEL, sensor=SENSOR, undocumented=found)
        document_id, body = build.reading(2.0, 3.0, first=2, start=102.0)
        database.put(document_id, body)
        assert [each.sequence for each in history.samples()] == [1, 2, 3]


def test_journal_of_another_vessel_is_ignored(logboat: Appliance) -> None:
    logboat.put(build.boot(1, network(0, UTC)), build.reading(1))
    with journal(logboat.data, 2, vessel="brigid"):
        assert numbers_of(logboat) == [1]


@pytest.mark.parametrize("content", [b"not a database" * 100, b""])
def test_unreadable_journal_is_reported_and_documents_are_shown(logboat: Appliance, content: bytes) -> None:
    logboat.put(build.boot(1, network(0, UTC)), build.reading(1))
    (logboat.data / JOURNAL).write_bytes(content)
    done = logboat("log", SENSOR, "--csv")
    assert done.status == 0
    assert len(done.lines) == 2
    assert "the newest samples, which are not in documents yet, cannot be shown: " in done.err
