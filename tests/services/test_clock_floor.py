"""The earliest possible time, used when the clock cannot be trusted now or could not in the past."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.clocks.clock_floor import Floor
from services.clocks.clock_quality import DISBELIEVED_AFTER, ClockQuality
from services.clocks.time_source import TimeSource
from sync.store import Database

IMAGE, NOW, FAR = 1.7e9, 1.8e9, 4.1e9
"""Times in the years 2023, 2027 and 2099."""


class Clock:
    """The machine's clock, and how far it can be trusted."""

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


def test_what_is_known_is_the_floor_of_the_next_start(database: Database) -> None:
    clock = Clock()
    clock.floor(database).keep()
    clock.utc, clock.source = 0.0, TimeSource.FLOOR
    again = clock.floor(database)
    again.keep()
    assert again.now().timestamp() == NOW


def test_time_that_was_far_ahead_once_is_not_believed_for_ever(database: Database) -> None:
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


def test_short_trips_disprove_a_wrong_time_as_one_long_one_does(database: Database) -> None:
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


def test_time_that_is_confirmed_in_between_is_not_disproved(database: Database) -> None:
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
def test_clock_chip_that_is_behind_does_not_lower_the_floor(database: Database, source: TimeSource) -> None:
    clock = Clock()
    clock.floor(database).keep()
    clock.utc, clock.source = IMAGE + 1, source
    floor = clock.floor(database)
    clock.goes_on(floor, 24 * 3600)
    assert floor.now().timestamp() == NOW


def test_network_that_is_behind_for_a_while_or_before_the_image_does_not_lower_the_floor(
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
