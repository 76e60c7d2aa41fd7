"""The timeline converts times on boot clocks to UTC."""

import math
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.clocks.clock_quality import Anchor
from services.clocks.time_source import TimeSource
from services.history.timeline import DRIFT, Moment, RecordedBoot, Timeline, TimeTrust, believed, downtimes

from .documents import LOG, UTC, network

DAY = 86_400.0


def rtc(clock: float, utc: float, uncertainty: float = 20.0) -> Anchor:
    return Anchor(clock, utc, TimeSource.RTC, uncertainty)


def floor(clock: float, utc: float) -> Anchor:
    return Anchor(clock, utc, TimeSource.FLOOR, 0.0)


def boot(number: int, *anchors: Anchor, after: tuple[int, float] | None = None) -> RecordedBoot:
    return RecordedBoot(log=LOG, number=number, anchors=anchors, previous_end=after)


def at(boots: list[RecordedBoot], number: int, clock: float) -> Moment:
    return Timeline(boots).at(LOG, number, clock)


class TestOneBoot:
    def test_late_anchor_also_applies_to_earlier_times(self) -> None:
        found = at([boot(1, network(600.0, UTC + 600))], 1, 10.0)
        assert found.trust is TimeTrust.SYNCED
        assert found.utc == pytest.approx(UTC + 10)

    def test_beyond_its_anchors_time_runs_at_the_clocks_rate_with_growing_uncertainty(self) -> None:
        boots = [boot(1, network(0.0, UTC), network(DAY, UTC + DAY + 2))]
        assert at(boots, 1, -100.0).utc == pytest.approx(UTC - 100)
        after = at(boots, 1, DAY + 1_000)
        assert after.utc == pytest.approx(UTC + DAY + 1_002)
        assert after.uncertainty == pytest.approx(0.01 + DRIFT * 1_000)

    def test_between_two_anchors_the_drift_is_spread_evenly(self) -> None:
        boots = [boot(1, network(0.0, UTC), network(DAY, UTC + DAY + 2))]
        assert at(boots, 1, DAY / 4).utc == pytest.approx(UTC + DAY / 4 + 0.5)

    def test_network_has_priority_over_a_clock_chip_and_a_clock_chip_over_a_floor(self) -> None:
        first, second, third = floor(1.0, UTC - 500), rtc(1.0, UTC + 31), network(60.0, UTC + 60)
        assert at([boot(1, first)], 1, 5.0).trust is TimeTrust.AFTER
        by_chip = at([boot(1, first, second)], 1, 5.0)
        assert (by_chip.trust, by_chip.utc) == (TimeTrust.RTC, UTC + 35)
        assert by_chip.uncertainty == pytest.approx(20 + 4 * DRIFT)
        assert at([boot(1, first, second, third)], 1, 5.0).utc == pytest.approx(UTC + 5)

    def test_floor_alone_gives_only_the_earliest_time(self) -> None:
        found = at([boot(1, floor(5.0, UTC))], 1, 65.0)
        assert (found.trust, found.utc, found.uncertainty) == (TimeTrust.AFTER, UTC + 60, None)
        assert (found.earliest, found.latest) == (UTC + 60, math.inf)

    def test_time_is_unknown_without_any_anchor(self) -> None:
        assert at([boot(1)], 1, 5.0).utc is None

    def test_boot_without_a_document_has_only_recorded_times(self) -> None:
        timeline = Timeline([])
        assert timeline.at(LOG, 1, 5.0) == Moment(TimeTrust.UNKNOWN, None)
        assert timeline.at(LOG, 1, 5.0, recorded=UTC) == Moment(TimeTrust.RECORDED, UTC)

    def test_recorded_time_never_overrides_an_anchor(self) -> None:
        timeline = Timeline([boot(1, network(0.0, UTC))])
        assert timeline.at(LOG, 1, 5.0, recorded=0.0).utc == pytest.approx(UTC + 5)

    def test_of_two_contradictory_anchors_the_more_certain_one_is_used(self) -> None:
        sure, wrong = network(0.0, UTC, 0.01), network(60.0, UTC + 3_660, 5.0)
        assert believed([sure, wrong]) == (sure,)
        assert believed([wrong, network(120.0, UTC + 120, 0.01)]) == (network(120.0, UTC + 120, 0.01),)

    def test_of_two_contradictory_anchors_of_equal_certainty_the_later_one_is_used(self) -> None:
        assert believed([network(0.0, UTC), network(60.0, UTC + 3_660)]) == (network(60.0, UTC + 3_660),)

    def test_repeated_anchor_counts_once(self) -> None:
        assert believed([network(5.0, UTC), network(5.0, UTC)]) == (network(5.0, UTC),)

    @given(
        st.lists(
            st.builds(
                Anchor,
                st.floats(0, 1e6),
                st.floats(-1e9, 4e9),
                st.sampled_from(TimeSource),
                st.floats(0, 1e4),
            ),
            max_size=8,
        ),
        st.lists(st.floats(0, 1e6), min_size=2, max_size=10),
    )
    def test_time_never_runs_backwards_within_a_boot_whatever_its_anchors(
        self, anchors: list[Anchor], clocks: list[float]
    ) -> None:
        timeline = Timeline([boot(1, *anchors)])
        moments = [timeline.at(LOG, 1, clock) for clock in sorted(clocks)]
        times = [moment.utc for moment in moments if moment.utc is not None]
        assert times == sorted(times)
        assert len(times) in (0, len(moments))


class TestNeighbours:
    KNOWN = boot(1, network(0.0, UTC))
    NEXT = boot(3, network(0.0, UTC + 10_000), after=(2, 300.0))

    def test_boot_without_an_anchor_is_not_before_the_end_of_the_previous_one(self) -> None:
        found = at([self.KNOWN, boot(2, after=(1, 1_000.0))], 2, 50.0)
        assert found.trust is TimeTrust.AFTER
        assert found.utc == pytest.approx(UTC + 1_050, abs=0.2)

    def test_boot_between_two_known_ones_lies_in_the_interval_between_them(self) -> None:
        boots = [self.KNOWN, boot(2, after=(1, 1_000.0)), self.NEXT]
        found = at(boots, 2, 0.0)
        assert found.trust is TimeTrust.BETWEEN
        assert found.earliest == pytest.approx(UTC + 1_000, abs=0.2)
        assert found.latest == pytest.approx(UTC + 10_000 - 300, abs=0.2)

    def test_boot_before_the_first_known_one_is_not_after_it(self) -> None:
        found = at([boot(1), boot(2, network(0.0, UTC), after=(1, 200.0))], 1, 150.0)
        assert found.trust is TimeTrust.BEFORE
        assert found.utc == pytest.approx(UTC - 50, abs=0.2)

    def test_time_after_the_last_known_one_of_a_boot_is_still_before_the_next_boot(self) -> None:
        """A third boot between the two would show this, but its document has not arrived."""
        found = at([boot(1), boot(3, network(0.0, UTC), after=(2, 50.0))], 1, 500.0)
        assert found.trust is TimeTrust.BEFORE
        assert found.utc == pytest.approx(UTC, abs=0.2)

    def test_five_boots_in_1970_keep_their_order_once_the_sixth_knows_the_time(self) -> None:
        lost = [boot(n, floor(1.0, UTC), after=(n - 1, 100.0) if n > 1 else None) for n in range(1, 6)]
        boots = [*lost, boot(6, network(0.0, UTC + 5_000), after=(5, 100.0))]
        timeline = Timeline(boots)
        spans = [(timeline.at(LOG, n, 0.0), timeline.at(LOG, n, 100.0)) for n in range(1, 6)]
        assert all(moment.trust is TimeTrust.BETWEEN for span in spans for moment in span)
        times = [moment.utc for span in spans for moment in span if moment.utc is not None]
        assert all(one <= other + 1e-3 for one, other in pairwise(times))
        assert times[0] >= UTC - 1 - 1e-3
        assert times[-1] <= UTC + 5_000

    def test_late_anchor_of_an_earlier_boot_changes_the_bounds_of_later_ones(self) -> None:
        before = at([boot(1), boot(2, after=(1, 1_000.0))], 2, 0.0)
        after = at([self.KNOWN, boot(2, after=(1, 1_000.0))], 2, 0.0)
        assert (before.trust, after.trust) == (TimeTrust.UNKNOWN, TimeTrust.AFTER)

    def test_clock_chip_with_an_empty_battery_is_not_trusted(self) -> None:
        boots = [self.KNOWN, boot(2, rtc(0.0, 946_684_800.0), after=(1, 1_000.0)), self.NEXT]
        assert at(boots, 2, 0.0).trust is TimeTrust.BETWEEN

    def test_consistent_clock_chip_is_trusted_and_bounds_neighbouring_boots(self) -> None:
        boots = [
            self.KNOWN,
            boot(2, rtc(0.0, UTC + 5_000), after=(1, 1_000.0)),
            boot(3, after=(2, 100.0)),
        ]
        assert at(boots, 2, 0.0).trust is TimeTrust.RTC
        assert at(boots, 3, 0.0).utc == pytest.approx(UTC + 5_100 - 20, abs=0.2)

    def test_floor_disproved_by_a_later_boot_is_ignored(self) -> None:
        boots = [self.KNOWN, boot(2, floor(0.0, UTC + 5e6), after=(1, 1_000.0)), self.NEXT]
        assert at(boots, 2, 0.0).trust is TimeTrust.BETWEEN

    def test_logs_do_not_bound_each_other(self) -> None:
        other = RecordedBoot(log="zzzzzz", number=1)
        assert Timeline([self.KNOWN, other]).at("zzzzzz", 1, 0.0).utc is None

    @given(
        data=st.data(),
        drift=st.floats(-50e-6, 50e-6),
        truth=st.lists(st.tuples(st.floats(10, 1e5), st.floats(0, 1e5)), min_size=1, max_size=6),
    )
    def test_true_time_is_never_outside_the_stated_bounds(
        self, data: st.DataObject, drift: float, truth: list[tuple[float, float]]
    ) -> None:
        """Boots have random lengths, clocks drift, and anchors are either correct or only floors."""
        boots, begins, now, before = [], [], UTC, None
        for number, (length, pause) in enumerate(truth, start=1):
            begins.append(now)
            anchors = []
            for clock in data.draw(st.lists(st.floats(0, length), max_size=3)):
                real = now + clock * (1 + drift)
                source = data.draw(st.sampled_from(TimeSource))
                if source is TimeSource.FLOOR:
                    anchors.append(floor(clock, real - data.draw(st.floats(0, 1e6))))
                else:
                    give = 20.0 if source is TimeSource.RTC else 0.5
                    error = data.draw(st.floats(-0.9, 0.9)) * give
                    anchors.append(Anchor(clock, real + error, source, give))
            boots.append(boot(number, *anchors, after=before))
            before = (number, length)
            now += length * (1 + drift) + pause
        timeline = Timeline(boots)
        for number, (length, _) in enumerate(truth, start=1):
            clock = data.draw(st.floats(0, length))
            real = begins[number - 1] + clock * (1 + drift)
            found = timeline.at(LOG, number, clock)
            # Limits that come from the lengths of other boots include the drift of those boots' clocks.
            slack = 1e-3 + 50e-6 * sum(length for length, _ in truth)
            assert found.earliest - slack <= real <= found.latest + slack


class TestWrongServer:
    """Tests of trusted clocks that contradict each other because a time server was wrong or impersonated."""

    FAR = 3_485_000_000.0

    def boots(self, *begins: float) -> list[RecordedBoot]:
        """Return boots of 1,000 s that began at the times that their time servers reported."""
        return [
            boot(number, network(5.0, begin + 5), after=(number - 1, 1_000.0) if number > 1 else None)
            for number, begin in enumerate(begins, start=1)
        ]

    @pytest.mark.parametrize("wrong", [1, 2, 3])
    def test_log_that_begins_in_the_future_is_corrected_by_later_boots(self, wrong: int) -> None:
        far = [self.FAR + number * DAY for number in range(wrong)]
        boots = self.boots(*far, *(UTC + number * DAY for number in range(wrong)))
        for number in range(1, wrong + 1):
            found = at(boots, number, 0.0)
            assert found.trust is TimeTrust.BEFORE
            assert found.latest <= UTC
        assert at(boots, wrong + 1, 0.0).trust is TimeTrust.SYNCED

    def test_boot_in_the_future_lies_between_its_neighbours(self) -> None:
        boots = self.boots(UTC, self.FAR, UTC + DAY)
        assert [at(boots, number, 0.0).trust for number in (1, 2, 3)] == [
            TimeTrust.SYNCED,
            TimeTrust.BETWEEN,
            TimeTrust.SYNCED,
        ]
        found = at(boots, 2, 0.0)
        assert UTC + 1_000 - 1 <= found.earliest <= found.latest <= UTC + DAY

    def test_boot_in_the_past_does_not_disprove_earlier_ones(self) -> None:
        boots = self.boots(UTC, UTC + DAY, UTC + 2 * DAY, UTC - 30 * DAY)
        assert [at(boots, number, 0.0).trust for number in (1, 2, 3)] == [TimeTrust.SYNCED] * 3
        assert at(boots, 4, 0.0).earliest >= UTC + 2 * DAY

    def test_clock_chip_is_trusted_instead_of_a_disproved_network_time(self) -> None:
        chip = boot(1, rtc(0.0, UTC), network(60.0, self.FAR))
        boots = [chip, boot(2, network(0.0, UTC + DAY), after=(1, 1_000.0))]
        found = at(boots, 1, 0.0)
        assert (found.trust, found.utc) == (TimeTrust.RTC, UTC)

    def test_overlap_of_seconds_is_not_a_contradiction(self) -> None:
        boots = self.boots(UTC, UTC - 30)
        assert [at(boots, number, 0.0).trust for number in (1, 2)] == [TimeTrust.SYNCED] * 2

    @given(
        pauses=st.lists(st.floats(0, 1e6), min_size=3, max_size=30),
        wrong=st.integers(0, 29),
        error=st.one_of(st.floats(1e8, 2e9), st.floats(-2e9, -1e8)),
    )
    def test_one_wrong_boot_among_many_does_not_affect_the_others(
        self, pauses: list[float], wrong: int, error: float
    ) -> None:
        begins = [UTC]
        for pause in pauses:
            begins.append(begins[-1] + 1_000 + pause)
        wrong %= len(begins)
        # If the second boot's clock is slow, it contradicts the first boot's, and either may be right.
        assume(not (wrong == 1 and error < 0))
        told = [begin + (error if place == wrong else 0.0) for place, begin in enumerate(begins)]
        boots = self.boots(*told)
        for place, begin in enumerate(begins):
            found = at(boots, place + 1, 0.0)
            if place != wrong:
                assert found.trust is TimeTrust.SYNCED
                assert found.utc == pytest.approx(begin)
            elif not (error < 0 and place == 0) and not (error > 0 and place == len(begins) - 1):
                assert found.earliest - 1 <= begin <= found.latest + 1


class TestRange:
    def test_boots_that_ended_before_a_range_are_skipped(self) -> None:
        timeline = Timeline(
            [
                boot(1, network(0.0, UTC)),
                boot(2, network(0.0, UTC + 2_000), after=(1, 1_000.0)),
                boot(3, network(0.0, UTC + 5_000), after=(2, 1_000.0)),
            ]
        )
        assert timeline.first_boot_reaching(LOG, UTC - 1) == 1
        assert timeline.first_boot_reaching(LOG, UTC + 1_500) == 2
        assert timeline.first_boot_reaching(LOG, UTC + 9e9) == 3

    def test_boot_without_a_known_end_may_have_continued(self) -> None:
        timeline = Timeline([boot(1, network(0.0, UTC)), boot(3, network(0.0, UTC + 9_000), after=(2, 50.0))])
        assert timeline.first_boot_reaching(LOG, UTC + 5_000) == 1

    def test_range_applies_to_the_times_that_are_shown(self) -> None:
        for trust in (TimeTrust.SYNCED, TimeTrust.BETWEEN, TimeTrust.AFTER, TimeTrust.BEFORE):
            assert Moment(trust, UTC, 50.0).is_within(UTC, UTC)
            assert not Moment(trust, UTC, 50.0).is_within(UTC + 1, UTC + 20)
            assert not Moment(trust, UTC, 50.0).is_within(UTC - 20, UTC - 1)

    def test_unknown_time_is_within_any_range(self) -> None:
        assert Moment(TimeTrust.UNKNOWN, None).is_within(UTC, UTC)


class TestDowntime:
    def test_downtime_is_from_the_last_durable_time_to_the_next_start(self) -> None:
        timeline = Timeline(
            [boot(1, network(0.0, UTC)), boot(2, network(30.0, UTC + 1_630), after=(1, 1_000.0))]
        )
        (found,) = downtimes(timeline, LOG)
        assert (found.before, found.after) == (1, 2)
        assert found.seconds == pytest.approx(600)
        assert found.uncertainty == pytest.approx(0.02 + DRIFT * 1_030)

    def test_downtime_at_an_unknown_time_has_no_length(self) -> None:
        (found,) = downtimes(Timeline([boot(1, network(0.0, UTC)), boot(2, after=(1, 50.0))]), LOG)
        assert found.seconds is None

    def test_boots_that_appear_to_overlap_have_no_downtime(self) -> None:
        timeline = Timeline([boot(1, network(0.0, UTC)), boot(2, network(0.0, UTC + 10), after=(1, 1_000.0))])
        (found,) = downtimes(timeline, LOG)
        assert found.seconds is None
