"""A service is due by running hours and by the calendar, in whatever order the records were merged."""

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.calendar_interval import CalendarInterval
from services.maintenance_schedule.due import (
    COUNTER_LAG_S,
    Due,
    DueState,
    Part,
    Plan,
    Record,
    Unknown,
    current,
    due,
)

H = 3600.0
DAY = 86_400.0
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()
OIL = Plan("engine-oil", "Engine oil", "main-hours", 250 * H, CalendarInterval(12))
HOURS = replace(OIL, calendar=None)
YEARLY = Plan("rigging", "Rigging", calendar=CalendarInterval(12))


def at(hours: float, name: str = "a", *, utc: float | None = NOW - 30 * DAY, replaces: str = "") -> Record:
    return Record(name, "main-hours", hours * H, utc, "anna", replaces=frozenset(replaces))


@pytest.mark.parametrize(
    ("hours", "state"),
    [
        (100, DueState.OK),
        (324.9, DueState.OK),
        (325, DueState.SOON),
        (349.9, DueState.SOON),
        (350, DueState.OVERDUE),
        (9000, DueState.OVERDUE),
    ],
)
def test_service_is_due_after_its_running_hours(hours: float, state: DueState) -> None:
    found = due(HOURS, [at(100)], counter_s=hours * H, utc=None)
    assert (found.state, found.calendar) == (state, None)
    assert found.run is not None
    assert found.run.since_s == pytest.approx((hours - 100) * H)
    assert found.run.left_s == pytest.approx((350 - hours) * H)


@pytest.mark.parametrize(
    ("last", "state"),
    [
        (datetime(2026, 5, 1, tzinfo=UTC), DueState.OK),
        (datetime(2025, 6, 20, tzinfo=UTC), DueState.SOON),
        (datetime(2025, 6, 1, 13, tzinfo=UTC), DueState.SOON),
        (datetime(2025, 6, 1, 12, tzinfo=UTC), DueState.OVERDUE),
        (datetime(2020, 1, 1, tzinfo=UTC), DueState.OVERDUE),
    ],
)
def test_service_is_due_after_its_time(last: datetime, state: DueState) -> None:
    records = [Record("a", utc=last.timestamp())]
    assert due(YEARLY, records, counter_s=None, utc=NOW).state is state


def test_months_end_on_the_last_day_if_the_day_does_not_exist() -> None:
    begin = datetime(2027, 8, 31, 9, tzinfo=UTC).timestamp()
    assert CalendarInterval(6).after(begin) == datetime(2028, 2, 29, 9, tzinfo=UTC).timestamp()
    assert CalendarInterval(days=90).after(begin) == begin + 90 * DAY


def test_whichever_comes_first_counts() -> None:
    year_ago = NOW - 366 * DAY
    assert due(OIL, [at(100)], counter_s=200 * H, utc=NOW).state is DueState.OK
    assert due(OIL, [at(100)], counter_s=400 * H, utc=NOW).state is DueState.OVERDUE
    assert due(OIL, [at(100, utc=year_ago)], counter_s=101 * H, utc=NOW).state is DueState.OVERDUE


def test_calendar_counts_only_while_the_clock_is_set() -> None:
    unset = due(OIL, [at(100)], counter_s=200 * H, utc=None)
    assert (unset.state, unset.reasons) == (DueState.UNKNOWN, (Unknown.NO_CLOCK,))
    assert due(OIL, [at(100)], counter_s=340 * H, utc=None).state is DueState.SOON
    undated = due(OIL, [at(100, utc=None)], counter_s=200 * H, utc=NOW)
    assert (undated.state, undated.reasons) == (DueState.UNKNOWN, (Unknown.NO_DATE,))
    ahead = due(OIL, [at(100, utc=NOW + 3650 * DAY)], counter_s=200 * H, utc=NOW)
    assert (ahead.state, ahead.reasons) == (DueState.UNKNOWN, (Unknown.FUTURE,))


def test_nothing_is_known_without_a_record_or_a_counter() -> None:
    never = due(OIL, [], counter_s=200 * H, utc=NOW)
    assert (never.state, never.last, never.reasons) == (DueState.UNKNOWN, None, (Unknown.NO_RECORD,))
    blind = due(OIL, [at(100)], counter_s=None, utc=NOW)
    assert (blind.state, blind.reasons) == (DueState.UNKNOWN, (Unknown.NO_COUNTER,))


def test_last_service_in_the_configuration_counts_until_the_first_record() -> None:
    plan = replace(OIL, last_run_s=100 * H, last_done_utc=NOW - 10 * DAY)
    assert due(plan, [], counter_s=340 * H, utc=NOW).state is DueState.SOON
    assert due(plan, [at(50)], counter_s=340 * H, utc=NOW).state is DueState.OVERDUE
    assert due(plan, [at(330)], counter_s=340 * H, utc=NOW).state is DueState.OK


def test_another_counter_is_compared_with_its_own_records_only() -> None:
    renamed = replace(HOURS, sensor="new-hours")
    found = due(renamed, [at(100)], counter_s=20 * H, utc=NOW)
    assert found.reasons == (Unknown.NO_HOURS,)
    known = due(replace(renamed, last_run_s=5 * H), [at(100)], counter_s=20 * H, utc=NOW)
    assert known.run == Part(DueState.OK, 15 * H, 235 * H)
    assert due(renamed, [replace(at(5), sensor="new-hours")], counter_s=20 * H, utc=NOW).run == known.run


def test_reset_counter_is_reported_until_the_service_is_done_again() -> None:
    reset = due(HOURS, [at(1000)], counter_s=3 * H, utc=NOW)
    assert (reset.state, reset.reasons) == (DueState.UNKNOWN, (Unknown.RESET,))
    healed = due(HOURS, [at(1000), at(3, "b", replaces="a")], counter_s=10 * H, utc=NOW)
    assert healed.run == Part(DueState.OK, 7 * H, 243 * H)


def test_power_cut_after_a_service_is_no_reset() -> None:
    found = due(HOURS, [at(100)], counter_s=100 * H - COUNTER_LAG_S, utc=NOW)
    assert found.run == Part(DueState.OK, 0.0, 250 * H)


def test_warning_time_replaces_the_last_tenth() -> None:
    early = replace(HOURS, warn_run_s=100 * H)
    assert due(early, [at(100)], counter_s=250 * H, utc=NOW).state is DueState.SOON
    assert due(early, [at(100)], counter_s=249 * H, utc=NOW).state is DueState.OK
    monthly = replace(YEARLY, warn_calendar=CalendarInterval(2))
    for last, state in (
        (datetime(2025, 7, 31, tzinfo=UTC), "due soon"),
        (datetime(2025, 8, 2, tzinfo=UTC), "ok"),
    ):
        assert due(monthly, [Record("a", utc=last.timestamp())], counter_s=None, utc=NOW).state == state


def test_correction_replaces_a_record_with_too_many_hours() -> None:
    assert current([at(900), at(90, "b", replaces="a")]) == (at(90, "b", replaces="a"),)


def test_most_hours_and_latest_date_of_concurrent_records_count() -> None:
    found = due(
        OIL, [at(110, utc=NOW - 40 * DAY), at(100, "b", utc=NOW - 30 * DAY)], counter_s=120 * H, utc=NOW
    )
    assert found.run is not None
    assert found.calendar is not None
    assert (found.run.since_s, found.calendar.since_s) == (10 * H, 30 * DAY)


# Merging -------------------------------------------------------------------------------------------


@dataclass
class Crew:
    """A plain model of what one vessel knows: all records, and for each record all that its author knew."""

    records: dict[str, Record]
    known: dict[str, frozenset[str]]

    def write(self, name: str, hours: float) -> None:
        replaced = frozenset(record.id for record in current(self.records.values()))
        self.known[name] = frozenset(self.records)
        self.records[name] = replace(at(hours, name), replaces=replaced)

    def receive(self, other: "Crew") -> None:
        self.records |= other.records
        self.known |= other.known

    def hours(self) -> float | None:
        """Return the running hours at the last service, by comparing what all authors knew."""
        outdated = {name for known in self.known.values() for name in known}
        hours = [record.run_s for name, record in self.records.items() if name not in outdated]
        return max((each for each in hours if each is not None), default=None)


steps = st.lists(
    st.tuples(st.integers(0, 2), st.one_of(st.none(), st.floats(0, 240)), st.integers(0, 2)), max_size=20
)


def state_of(records: list[Record]) -> Due:
    return due(OIL, records, counter_s=245 * H, utc=NOW)


@given(steps)
def test_same_records_give_the_state_of_a_plain_model(history: list[tuple[int, float | None, int]]) -> None:
    crews = [Crew({}, {}) for _ in range(3)]
    for number, (crew, hours, other) in enumerate(history):
        if hours is None:
            crews[crew].receive(crews[other])
        else:
            crews[crew].write(f"{number:02d}", hours)
        for each in crews:
            found, expected = state_of([*each.records.values()]), each.hours()
            assert found.run is not None
            assert found.run.since_s == (None if expected is None else 245 * H - expected)


records_of_crews = st.lists(
    st.builds(
        Record,
        id=st.sampled_from("abcdef"),
        sensor=st.sampled_from(["main-hours", "other"]),
        run_s=st.one_of(st.none(), st.floats(0, 400 * H)),
        utc=st.one_of(st.none(), st.floats(NOW - 800 * DAY, NOW + 800 * DAY)),
        replaces=st.frozensets(st.sampled_from("abcdef"), max_size=3),
    ),
    unique_by=lambda record: record.id,
)


@given(records_of_crews, st.randoms(use_true_random=False))
def test_order_and_repetition_of_records_change_nothing(records: list[Record], order: random.Random) -> None:
    again = [*records, *order.sample(records, len(records) // 2)]
    order.shuffle(again)
    assert state_of(again) == state_of(records)


@given(records_of_crews, st.floats(0, 1000 * H), st.floats(0, 1000 * H))
def test_more_running_hours_never_make_a_service_less_urgent(
    records: list[Record], first: float, second: float
) -> None:
    low, high = sorted((first, second))
    before = due(HOURS, records, counter_s=low, utc=NOW)
    after = due(HOURS, records, counter_s=high, utc=NOW)
    if before.state is not DueState.UNKNOWN:
        assert after.state.rank <= before.state.rank
