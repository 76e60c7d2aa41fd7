"""The completeness of a vessel's history is verified from documents alone, without the journal."""

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensors.state import SensorState
from services.documents.models import DocumentSource, vessels
from services.history.completeness import MOST_LISTED, SensorLog, VesselReport, verify
from services.history.timeline import TimeTrust
from sync.documents import POLICY
from sync.store import Database

from . import documents as build
from .documents import UTC, Built, network


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "log.db", policy=POLICY) as opened:
        yield opened


def report(database: Database, *built: Built) -> VesselReport:
    build.write(database, *built)
    (found,) = verify(database)
    return found


def only(database: Database, *built: Built) -> SensorLog:
    (found,) = report(database, *built).sensors
    return found


def spans(tally: Any) -> list[tuple[int, int]]:
    return [(span.first, span.last) for span in tally.listed]


class TestComplete:
    def test_windows_that_follow_each_other_are_complete(self, database: Database) -> None:
        found = only(
            database,
            build.boot(1, network(0, UTC)),
            build.reading(1, 2, 3),
            build.reading(4, 5, first=4, start=103),
        )
        assert found.is_complete
        assert (found.windows, found.samples, found.last) == (2, 5, 5)

    def test_last_sample_of_a_log_is_reported_with_its_time(self, database: Database) -> None:
        found = only(database, build.boot(1, network(0, UTC)), build.reading(1, 2, start=100, step=10))
        assert found.last == 2
        assert found.last_at.trust is TimeTrust.SYNCED
        assert found.last_at.utc == pytest.approx(UTC + 110)

    def test_time_of_the_last_sample_is_the_recorded_one_without_the_boots_document(
        self, database: Database
    ) -> None:
        found = only(database, build.reading(1, start=100))
        assert (found.last_at.trust, found.last_at.utc) == (TimeTrust.RECORDED, UTC + 100)

    def test_time_of_the_last_sample_is_unknown_if_the_clock_was_not_set(self, database: Database) -> None:
        assert only(database, build.reading(1, synced=False)).last_at.utc is None

    def test_faults_of_a_sensor_count_as_samples(self, database: Database) -> None:
        states = {1: SensorState.OPEN}
        assert only(database, build.reading(1, None, 3, states=states)).is_complete

    def test_samples_in_open_windows_are_waiting_and_not_missing(self, database: Database) -> None:
        found = only(database, build.reading(1, 2), build.equipment(sequence=9))
        assert found.is_complete
        assert found.waiting == 7

    def test_numbers_of_another_log_do_not_count(self, database: Database) -> None:
        assert only(database, build.reading(1, 2), build.equipment(sequence=9, log="zzzzzz")).waiting == 0

    def test_every_sensor_and_log_of_every_vessel_has_its_report(self, database: Database) -> None:
        build.write(
            database,
            *(
                build.reading(1, vessel=vessel, sensor=sensor, log=log)
                for vessel in ("argo", "argo-2", "brigid")
                for sensor in ("a", "a-b", "b")
                for log in ("aaaaaa", "bbbbbb")
            ),
        )
        reports = list(verify(database))
        assert [found.vessel for found in reports] == ["argo", "argo-2", "brigid"]
        for found in reports:
            assert found.is_complete
            assert [(sensor.sensor, sensor.log) for sensor in found.sensors] == [
                (sensor, log) for sensor in ("a", "a-b", "b") for log in ("aaaaaa", "bbbbbb")
            ]

    def test_logs_are_in_the_order_in_which_they_began(self, database: Database) -> None:
        found = report(
            database,
            build.vessel(logs=["zzzzzz", "aaaaaa"]),
            build.reading(1, log="aaaaaa"),
            build.reading(1, log="zzzzzz"),
        )
        assert [sensor.log for sensor in found.sensors] == ["zzzzzz", "aaaaaa"]

    def test_single_vessel_can_be_selected(self, database: Database) -> None:
        build.write(database, build.reading(1), build.reading(1, first=5, vessel="brigid"))
        (found,) = verify(database, ["argo"])
        assert found.is_complete

    def test_sensor_without_history_is_named(self, database: Database) -> None:
        found = report(
            database, build.vessel(sensors=[build.settings("rpm"), build.settings("dip")]), build.reading(1)
        )
        assert found.silent == ("dip",)
        assert found.is_complete


class TestGaps:
    def test_missing_window_is_reported_with_the_times_around_it(self, database: Database) -> None:
        found = only(
            database,
            build.boot(1, network(0, UTC)),
            build.reading(1, 2),
            build.reading(9, first=6, start=200),
        )
        (span,) = found.missing.listed
        assert (span.first, span.last, span.count, span.reason) == (3, 5, 3, None)
        assert span.after.utc == pytest.approx(UTC + 101)
        assert span.before.utc == pytest.approx(UTC + 200)
        assert not found.is_complete

    def test_log_that_does_not_begin_at_1_lacks_its_beginning(self, database: Database) -> None:
        assert spans(only(database, build.reading(1, first=4)).missing) == [(1, 3)]

    def test_gap_document_explains_missing_numbers(self, database: Database) -> None:
        found = only(database, build.gap(1, 3, "retention"), build.reading(1, first=4))
        assert found.is_complete
        assert spans(found.explained) == [(1, 3)]
        assert found.explained.listed[0].reason == "retention"

    def test_numbers_outside_a_gap_document_remain_missing(self, database: Database) -> None:
        found = only(database, build.gap(2, 3), build.gap(5, 6), build.reading(1, first=8))
        assert spans(found.missing) == [(1, 1), (4, 4), (7, 7)]
        assert (found.explained.samples, found.missing.samples) == (4, 3)

    def test_gap_document_beside_existing_readings_explains_nothing(self, database: Database) -> None:
        """Another vessel may have removed readings that this store still has."""
        found = only(database, build.gap(1, 2), build.reading(1, 2, 3))
        assert found.is_complete
        assert found.explained.samples == 0

    def test_adjacent_removals_are_one_span(self, database: Database) -> None:
        found = only(database, *(build.gap(n, n) for n in range(1, 10)), build.reading(1, first=10))
        assert spans(found.explained) == [(1, 9)]

    def test_log_with_only_gap_documents_is_explained(self, database: Database) -> None:
        found = only(database, build.gap(1, 50))
        assert found.is_complete
        assert (found.last, found.explained.samples) == (0, 50)

    def test_numbers_before_a_final_gap_may_still_be_in_an_open_window(self, database: Database) -> None:
        built = build.reading(1, 2), build.gap(5, 6), build.equipment(sequence=7)
        found = only(database, *built)
        assert found.is_complete
        assert (found.waiting, found.explained.samples) == (3, 2)

    def test_ended_log_has_no_open_window(self, database: Database) -> None:
        built = build.reading(1, 2), build.gap(5, 6), build.equipment(sequence=7, log="zzzzzz")
        assert spans(only(database, *built).missing) == [(3, 4)]

    def test_all_gaps_are_counted_and_some_are_listed(self, database: Database) -> None:
        found = only(
            database,
            *(build.reading(1, first=2 * n, start=100 + n) for n in range(1, MOST_LISTED + 20)),
        )
        assert found.missing.spans == MOST_LISTED + 19
        assert len(found.missing.listed) == MOST_LISTED


class TestFaults:
    def test_number_in_two_windows_is_repeated(self, database: Database) -> None:
        found = only(database, build.reading(1, 2, 3), build.reading(3, 4, first=3, start=102))
        assert spans(found.repeated) == [(3, 3)]
        assert (found.samples, found.last) == (4, 4)
        assert not found.is_complete

    def test_window_within_another_is_repeated_and_covers_nothing(self, database: Database) -> None:
        found = only(database, build.reading(1, 2, 3, 4, 5), build.reading(9, first=3, start=102))
        assert spans(found.repeated) == [(3, 3)]
        assert (found.samples, found.last) == (5, 5)

    def test_window_with_fewer_samples_than_numbers_is_a_fault_and_other_numbers_are_missing(
        self, database: Database
    ) -> None:
        found = only(database, build.reading(1, 2, last=4), build.reading(1, first=5, start=105))
        assert "contains 2 samples for the numbers 1 to 4" in found.faults[0]
        assert spans(found.missing) == [(3, 4)]

    def test_window_without_samples_covers_nothing(self, database: Database) -> None:
        document_id, body = build.reading(1)
        found = only(database, (document_id, body | {"samples": []}), build.reading(1, first=2))
        assert spans(found.missing) == [(1, 1)]

    @pytest.mark.parametrize(
        ("change", "word"),
        [
            ({"sensor": "other"}, "the id does not match the body"),
            ({"first": 7, "last": 7}, "the id does not match the body"),
            ({"log": "zzzzzz"}, "the id does not match the body"),
            ({"samples": "none"}, "samples"),
            ({"boot": None}, "boot"),
            ({"end": 300.0}, "the end of the reading is not the time"),
            ({"end": 1e300}, "end"),
            ({"boot": 10**18}, "boot"),
            ({"samples": [[10**18, 1]]}, "samples"),
        ],
    )
    def test_malformed_document_is_a_fault(
        self, database: Database, change: dict[str, Any], word: str
    ) -> None:
        document_id, body = build.reading(1)
        found = only(database, (document_id, body | change))
        assert not found.is_complete
        assert document_id in found.faults[0]
        assert word in found.faults[0]

    def test_altered_reading_is_a_fault(self, database: Database) -> None:
        build.write(database, build.reading(1))
        found = only(database, build.reading(2))
        assert "changed after it was written (revision 2-" in found.faults[0]

    def test_samples_out_of_order_are_a_fault(self, database: Database) -> None:
        document_id, body = build.reading(1, 2, 3)
        body["samples"] = [[0, 1], [3_000, 2], [2_000, 3]]
        found = only(database, (document_id, body))
        assert found.faults == [f"{document_id}: the samples are not in time order"]

    @pytest.mark.parametrize(("boot", "start"), [(1, 50.0), (0, 500.0)])
    def test_window_that_begins_before_the_previous_one_ends_is_a_fault(
        self, database: Database, boot: int, start: float
    ) -> None:
        found = only(database, build.reading(1, 2), build.reading(3, first=3, boot=boot, start=start))
        assert "begins before the previous reading ends" in found.faults[0]

    def test_clock_restarts_at_a_new_boot(self, database: Database) -> None:
        assert only(database, build.reading(1, 2), build.reading(3, first=3, boot=2, start=5)).is_complete

    def test_documents_that_belong_to_no_sensor_are_faults_of_the_vessel(self, database: Database) -> None:
        found = report(
            database,
            build.reading(1),
            ("reading:argo:rpm:abcdef:1", {"type": "reading"}),
            ("boot:argo:abcdef:1", {"type": "boot"}),
            ("vessel:argo", {"type": "vessel"}),
        )
        assert len(found.faults) == 3
        assert not found.is_complete
        assert found.sensors[0].is_complete

    def test_gap_document_that_ends_before_it_begins_is_a_fault(self, database: Database) -> None:
        assert "ends at 1" in only(database, build.gap(4, 1)).faults[0]


class TestBoots:
    def test_downtime_between_boots_is_reported(self, database: Database) -> None:
        found = report(
            database,
            build.boot(1, network(0, UTC)),
            build.boot(2, network(0, UTC + 1_500), previous_end=(1, 1_000)),
        )
        (log,) = found.logs
        assert log.numbers == (1, 2)
        assert log.downtimes[0].seconds == pytest.approx(500)

    def test_boot_without_a_document_is_reported_and_not_a_loss(self, database: Database) -> None:
        found = report(database, build.boot(3), build.boot(5), build.reading(1, boot=7))
        assert found.logs[0].absent == ((1, 2), (4, 4), (6, 7))
        assert found.is_complete

    def test_boot_with_an_absurd_number_uses_no_memory(self, database: Database) -> None:
        found = report(database, build.boot(10**15))
        assert found.logs[0].absent == ((1, 10**15 - 1),)


class TestProperties:
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
    @given(
        held=st.sets(st.integers(1, 60), max_size=40),
        explained=st.sets(st.integers(1, 60), max_size=40),
        cuts=st.sets(st.integers(1, 60), max_size=10),
    )
    def test_each_number_is_read_explained_or_missing(
        self, tmp_path_factory: pytest.TempPathFactory, held: set[int], explained: set[int], cuts: set[int]
    ) -> None:
        built = [
            *(build.reading(*[1.0] * len(run), first=run[0], start=run[0]) for run in _runs(held, cuts)),
            *(build.gap(run[0], run[-1], reason=str(run[0] in cuts)) for run in _runs(explained, cuts)),
        ]
        if not built:
            return
        with Database.open(tmp_path_factory.mktemp("store") / "log.db") as database:
            found = only(database, *built)
        known = max(held | explained)
        assert found.samples == len(held)
        assert found.repeated.spans == 0
        assert _numbers(found.explained) == explained - held
        assert _numbers(found.missing) == set(range(1, known + 1)) - held - explained

    def test_memory_does_not_grow_with_history(self) -> None:
        def peak(windows: int) -> int:
            tracemalloc.start()
            (found,) = verify(_Endless(windows), ["argo"])
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert found.sensors[0].samples == windows * 10
            return most

        # Some 20 KB are objects that are created only once; 12 bytes kept of each window exceed the bound.
        assert peak(5_000) < peak(200) + 60_000


class _Endless:
    """Fake store whose reading documents are created while they are read."""

    def __init__(self, windows: int) -> None:
        self._windows = windows

    def get(self, doc_id: str, /) -> None:
        return None

    def documents(
        self, prefix: str = "", /, *, after: str = "", reverse: bool = False, limit: int | None = None
    ) -> Iterator[Any]:
        if prefix.startswith("reading:"):
            for number in range(self._windows):
                document_id, body = build.reading(*range(10), first=number * 10 + 1, start=number * 10)
                yield SimpleNamespace(
                    id=document_id, rev="1-aa", conflicted=False, raw=json.dumps(body).encode()
                )


def _runs(numbers: set[int], cuts: set[int]) -> list[list[int]]:
    """Return runs of consecutive numbers. A new run also begins at each number in `cuts`."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1 and number not in cuts:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs


def _numbers(tally: Any) -> set[int]:
    return {number for first, last in spans(tally) for number in range(first, last + 1)}


def test_vessels_are_found_without_reading_their_history(database: Database) -> None:
    build.write(
        database, *(build.reading(1, first=n, vessel=v) for n in range(1, 50) for v in ("argo", "brigid"))
    )

    class Counting:
        looks = 0

        def get(self, doc_id: str, /) -> Any:
            return database.get(doc_id)

        def documents(self, prefix: str = "", /, **options: Any) -> Iterator[Any]:
            for document in database.documents(prefix, **options):
                Counting.looks += 1
                yield document

    source: DocumentSource = Counting()
    assert vessels(source) == ["argo", "brigid"]
    assert Counting.looks == 2
