"""The clock floor is the earliest possible time, which is used while the system clock cannot be trusted."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from services.clocks.clock_floor import Floor
from services.clocks.clock_quality import (
    DISBELIEVED_AFTER,
    KEEP_EVERY_S,
    ClockQuality,
    TimeFloor,
    Timekeeper,
)
from services.clocks.time_source import TimeSource
from services.journal.batch import Batch
from services.journal.journal import Journal
from services.recorder.floor_store import keep_floor, read_floor
from sync.store import Database

IMAGE, NOW, FAR = 1.7e9, 1.8e9, 4.1e9
"""Times in the years 2023, 2027 and 2099."""


class Clock:
    """Fake system clock, with the source of its time."""

    def __init__(self) -> None:
        self.utc, self.monotonic, self.source = NOW, 0.0, TimeSource.NETWORK

    def floor(self, database: Database) -> Floor:
        return Floor(
            database,
            image=IMAGE,
            utc=lambda: self.utc,
            monotonic=lambda: self.monotonic,
            quality=lambda: ClockQuality(self.source, 0.1),
        )

    def goes_on(self, floor: Floor, seconds: float) -> None:
        for _ in range(int(seconds) // 600):
            self.utc, self.monotonic = self.utc + 600, self.monotonic + 600
            floor.keep()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "log.db") as opened:
        yield opened


def test_latest_known_time_is_the_floor_of_the_next_start(database: Database) -> None:
    clock = Clock()
    clock.floor(database).keep()
    clock.utc, clock.source = 0.0, TimeSource.FLOOR
    again = clock.floor(database)
    again.keep()
    assert again.now().timestamp() == NOW


def test_time_far_in_the_future_is_not_trusted_indefinitely(database: Database) -> None:
    clock = Clock()
    clock.utc = FAR
    clock.floor(database).keep()
    clock.utc = NOW
    floor = clock.floor(database)
    floor.keep()
    assert floor.now().timestamp() == FAR
    clock.goes_on(floor, DISBELIEVED_AFTER)
    assert floor.now().timestamp() == clock.utc
    assert clock.floor(database).now().timestamp() == clock.utc


def test_several_short_runs_disprove_a_wrong_time_like_one_long_run(database: Database) -> None:
    clock = Clock()
    clock.utc = FAR
    clock.floor(database).keep()
    clock.utc = NOW
    for _ in range(6):
        floor = clock.floor(database)
        floor.keep()
        assert floor.now().timestamp() == FAR
        clock.goes_on(floor, 600)
    assert floor.now().timestamp() == clock.utc
    assert clock.floor(database).now().timestamp() == clock.utc


def test_time_confirmed_in_between_is_not_disproved(database: Database) -> None:
    clock = Clock()
    clock.floor(database).keep()
    for _ in range(6):
        clock.utc = IMAGE + 1
        floor = clock.floor(database)
        floor.keep()
        clock.goes_on(floor, DISBELIEVED_AFTER - 600)
        clock.utc = NOW
        clock.floor(database).keep()
    assert clock.floor(database).now().timestamp() >= NOW


@pytest.mark.parametrize("source", [TimeSource.RTC, TimeSource.FLOOR])
def test_slow_clock_chip_does_not_lower_the_floor(database: Database, source: TimeSource) -> None:
    clock = Clock()
    clock.floor(database).keep()
    clock.utc, clock.source = IMAGE + 1, source
    floor = clock.floor(database)
    clock.goes_on(floor, 24 * 3600)
    assert floor.now().timestamp() == NOW


def test_network_time_that_is_behind_briefly_or_older_than_the_image_does_not_lower_the_floor(
    database: Database,
) -> None:
    clock = Clock()
    clock.floor(database).keep()
    floor = clock.floor(database)
    for _ in range(5):
        clock.utc = IMAGE + 1
        clock.goes_on(floor, DISBELIEVED_AFTER - 600)
        assert floor.now().timestamp() >= NOW
        clock.utc = NOW
        floor.keep()
    clock.utc = IMAGE - 10**6
    clock.goes_on(floor, 24 * 3600)
    assert floor.now().timestamp() >= NOW


class Boot(NamedTuple):
    """Boot of both daemons: the clock's time at its start, the source of that time, and its length."""

    utc: float
    source: TimeSource
    minutes: int


class Daemons:
    """Clock floors of the sync daemon and the recorder, stored in files as on a card."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._boots = 0

    def run(self, boot: Boot) -> tuple[bool, bool]:
        """Simulate a boot.

        Return whether the recorder and the sync daemon, in that order, trust the clock at its end.
        """
        self._boots += 1
        quality = ClockQuality(boot.source, 0.1)
        with (
            Database.open(self._folder / "log.db") as database,
            Journal(self._folder / "samples.db") as journal,
        ):
            clock = Clock()
            clock.utc, clock.source = boot.utc, boot.source
            sync_floor = clock.floor(database)
            keeper = Timekeeper(TimeFloor(image=IMAGE, kept=read_floor(journal)))
            for minute in range(boot.minutes + 1):
                utc = clock.utc = boot.utc + 60 * minute
                clock.monotonic = 60.0 * minute
                if minute % round(KEEP_EVERY_S / 60) == 0:
                    sync_floor.keep()
                keeper.observe(clock_s=clock.monotonic, utc=utc, quality=quality)
                is_synced = keeper.judge(utc, quality).is_synced
                keep_floor(journal, keeper.floor.record, is_synced=is_synced)
                journal.commit(
                    Batch(
                        run=self._boots,
                        boot=self._boots,
                        clock_ms=60_000 * minute,
                        utc=keeper.utc(utc),
                        synced=is_synced,
                    )
                )
            is_ahead = sync_floor.now().timestamp() > clock.utc
            return is_synced, quality.is_synced and not is_ahead


TRIP, NIGHT = 20, 600
"""Lengths of a boot in minutes."""
WITHOUT_CLOCK, BEHIND = Boot(0.0, TimeSource.FLOOR, TRIP), Boot(NOW - 86_400, TimeSource.NETWORK, TRIP)
BOOTS = {
    "a short contradiction, twice": ([Boot(NOW, TimeSource.NETWORK, TRIP), BEHIND, BEHIND], False),
    "an hour of contradiction in short trips": ([Boot(FAR, TimeSource.NETWORK, TRIP), *[BEHIND] * 3], True),
    "a long contradiction": ([Boot(FAR, TimeSource.NETWORK, TRIP), BEHIND._replace(minutes=NIGHT)], True),
    "boots without a clock": ([Boot(NOW, TimeSource.NETWORK, TRIP), *[WITHOUT_CLOCK] * 3, BEHIND], False),
    "a clock chip that is behind": (
        [Boot(NOW, TimeSource.NETWORK, TRIP), *[Boot(IMAGE + 1, TimeSource.RTC, NIGHT)] * 2],
        False,
    ),
    "a confirmation in between": (
        [Boot(NOW, TimeSource.NETWORK, 1), BEHIND, BEHIND, Boot(NOW + 3600, TimeSource.NETWORK, 1), BEHIND],
        False,
    ),
}


@pytest.mark.parametrize(("boots", "accepted"), BOOTS.values(), ids=BOOTS)
def test_recorder_and_sync_daemon_accept_the_same_clocks(
    boots: list[Boot], *, accepted: bool, tmp_path: Path
) -> None:
    daemons = Daemons(tmp_path)
    verdicts = [daemons.run(boot) for boot in boots]
    assert [recorder for recorder, _ in verdicts] == [sync for _, sync in verdicts]
    assert verdicts[-1] == (accepted, accepted)
