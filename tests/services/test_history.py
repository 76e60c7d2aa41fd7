"""A sensor's history can be read for a given time range."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.clocks.clock_quality import Anchor
from services.clocks.time_source import TimeSource
from services.history.samples import History
from services.history.timeline import TimeTrust
from sync.store import Database

from . import documents as build
from .documents import UTC, Built

anchors = st.lists(
    st.builds(
        Anchor,
        st.integers(0, 500).map(float),
        st.integers(-5_000, 20_000).map(lambda seconds: UTC + seconds),
        st.sampled_from(TimeSource),
        st.sampled_from([0.01, 20.0]),
    ),
    max_size=2,
)
"""Strategy for anchors, some of which contradict each other or neighbouring boots."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stores")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    boots=st.lists(st.tuples(anchors, st.integers(1, 4), st.booleans()), min_size=1, max_size=5),
    since=st.integers(-6_000, 21_000) | st.none(),
    until=st.integers(-6_000, 21_000) | st.none(),
)
def test_range_contains_the_samples_of_its_times_in_order(
    folder: Path,
    boots: list[tuple[list[Anchor], int, bool]],
    since: int | None,
    until: int | None,
) -> None:
    built: list[Built] = []
    number = 1
    for boot, (known, windows, has_document) in enumerate(boots, start=1):
        if has_document:
            built.append(build.boot(boot, *known, previous_end=(boot - 1, 600.0) if boot > 1 else None))
        for window in range(windows):
            built.append(build.reading(1, 2, 3, first=number, boot=boot, start=window * 150.0, step=10))
            number += 3
    begin = float("-inf") if since is None else UTC + since
    end = float("inf") if until is None else UTC + until
    path = folder / "log.db"
    path.unlink(missing_ok=True)
    with Database.open(path) as database:
        build.write(database, *built)
        history = History(database, vessel="argo", sensor="rpm")
        every = list(history.samples())
        chosen = list(history.samples(since=begin, until=end))
    assert [sample.sequence for sample in every] == list(range(1, number))
    wanted = [sample for sample in every if sample.moment.is_within(begin, end)]
    # Windows before a number of complete ones are not examined. Only a boot without a document, whose samples
    # have a time of their own, can contradict later boots unnoticed.
    left_out = [sample for sample in wanted if sample not in chosen]
    assert chosen == [sample for sample in wanted if sample not in left_out]
    assert all(sample.moment.trust is TimeTrust.RECORDED for sample in left_out)
    assert not left_out or since is not None


def test_last_time_is_that_of_the_newest_log(tmp_path: Path) -> None:
    with Database.open(tmp_path / "log.db") as database:
        build.write(
            database,
            build.vessel(logs=["zzzzzz", "aaaaaa"]),
            build.boot(1, build.network(0, UTC + 50), log="aaaaaa"),
            build.reading(1, log="zzzzzz", start=9_000),
            build.reading(1, 2, log="aaaaaa", start=100),
        )
        found = History(database, vessel="argo", sensor="rpm").last_moment()
    assert found.trust is TimeTrust.SYNCED
    assert found.utc == pytest.approx(UTC + 151)


def test_sensor_without_readings_has_no_history(tmp_path: Path) -> None:
    with Database.open(tmp_path / "log.db") as database:
        history = History(database, vessel="argo", sensor="rpm")
        assert list(history.samples()) == []
        assert history.last_moment().utc is None
