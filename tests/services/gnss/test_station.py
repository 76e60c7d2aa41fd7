"""A satellite receiver's time is trusted only if it is plausible, and faults of the receiver are reported."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gnss import faults
from services.gnss.faults import Fault
from services.gnss.nmea import sentence
from services.gnss.receiver_input import ReceiverInput
from services.gnss.time_judge import BACKWARD_AFTER_S, ROLLOVER_S

from .receiver import DEVICE, IMAGE, NOW, Boat, gga, gsv, rmc


def test_receiver_sets_a_clock_that_stood_still_for_a_year() -> None:
    boat = Boat(shows=IMAGE)
    boat.run(5)
    assert boat.clock.calls == []
    assert "being checked for 10 s" in boat.words
    boat.run(15)
    assert abs(boat.deviation) < 1
    assert [how for how, _ in boat.clock.calls] == ["step"]
    assert boat.fault is None
    assert boat.words == "fix from 9 satellites"
    assert boat.station.summary(boat.clock.at).governs


def test_clock_stays_synchronised_while_there_is_a_fix() -> None:
    boat = Boat()
    boat.run(600)
    assert {how for how, _ in boat.clock.calls} == {"step", "confirm"}
    assert boat.clock.max_error < 1.1
    assert 9 <= len(boat.clock.calls) <= 11


def test_clock_with_pulses_is_accurate_to_a_millisecond() -> None:
    boat = Boat(has_pps=True)
    boat.run(200, pulse=True, delay=0.4)
    assert abs(boat.deviation) < 0.001
    assert boat.fault is None
    assert boat.words == "fix from 9 satellites, with pulses"


def test_missing_pulses_are_reported_and_the_time_is_used_without_them() -> None:
    boat = Boat(has_pps=True)
    boat.run(30)
    assert boat.fault == "no-pulse"
    assert abs(boat.deviation) < 1


def test_time_service_has_priority() -> None:
    boat = Boat(shows=NOW + 100)
    boat.clock.by_network()
    boat.run(700)
    assert boat.clock.calls == []
    assert boat.fault == "differs"
    assert not boat.station.summary(boat.clock.at).governs


def test_time_service_takes_over_and_the_receiver_is_the_reserve() -> None:
    boat = Boat()
    boat.run(20)
    boat.clock.by_network()
    before = len(boat.clock.calls)
    boat.run(200)
    assert len(boat.clock.calls) == before
    assert boat.words == "fix from 9 satellites, in reserve: another time service sets the clock"
    boat.silence(40_000)  # the time service has lost its servers
    boat.run(20)
    assert len(boat.clock.calls) > before


def test_restarted_daemon_continues_to_discipline_the_clock() -> None:
    boat = Boat()
    boat.run(20)
    boat.restart(set_before=boat.station.discipline.last_set)
    assert boat.station.summary(boat.clock.at).governs
    boat.run(100)
    assert boat.clock.calls[-1][0] == "confirm"


def test_clock_is_set_back_only_after_ten_minutes() -> None:
    boat = Boat(shows=NOW + 86_400)
    boat.run(int(BACKWARD_AFTER_S) - 2)
    assert boat.clock.calls == []
    boat.run(5)
    assert abs(boat.deviation) < 1


def test_interruption_of_the_fix_begins_the_period_again() -> None:
    boat = Boat()
    for _ in range(20):
        boat.run(7)
        boat.send(rmc(boat.true, status="V", mode="N"))
    assert boat.clock.calls == []
    assert boat.fault == "no-fix"


def test_sentences_that_a_busy_board_reads_late_are_ignored() -> None:
    boat = Boat()
    for number in range(40):
        late = 3.0 if number % 4 == 3 else 0.0
        boat.send(rmc(boat.true - late) + gga(boat.true))
    assert [how for how, _ in boat.clock.calls] == ["step"]
    assert abs(boat.deviation) < 1
    assert boat.fault is None


def test_clock_that_may_not_be_set_is_reported() -> None:
    boat = Boat(may_set=False)
    boat.run(20)
    assert boat.fault == "not-allowed"
    assert "Operation not permitted" in boat.words


def _dates(error: float) -> Callable[[Boat], None]:
    return lambda boat: boat.run(900, error=error)


def _each_second(*data: Callable[[Boat], bytes]) -> Callable[[Boat], None]:
    def cause(boat: Boat) -> None:
        for number in range(40 * len(data)):
            boat.send(data[number % len(data)](boat))

    return cause


def _spoilt(boat: Boat) -> bytes:
    return rmc(boat.true).replace(b",A,", b",V,", 1)


def _stuck(boat: Boat) -> bytes:
    return rmc(NOW) + gga(NOW)


CAUSES: list[tuple[Fault, Callable[[Boat], None]]] = [
    (faults.NO_DEVICE, lambda boat: boat.station.closed(FileNotFoundError(2, "No such file"))),
    (faults.CANNOT_OPEN, lambda boat: boat.station.closed(PermissionError(13, "Permission denied"))),
    (faults.SILENT, lambda boat: boat.silence(20)),
    (faults.NOT_NMEA, _each_second(lambda _: b"\xb5\x62\x01\x07\x5c\x00\n")),
    (faults.BAD_CHECKSUMS, _each_second(_spoilt)),
    (faults.NO_TIME, _each_second(lambda boat: gga(boat.true))),
    (
        faults.ANTENNA_OPEN,
        _each_second(
            lambda boat: rmc(boat.true, status="V") + sentence("GNTXT,01,01,02,ANTSTATUS=OPEN"),
        ),
    ),
    (
        faults.ANTENNA_SHORT,
        _each_second(lambda boat: rmc(boat.true, status="V") + sentence("GNTXT,01,01,02,ANTSTATUS=SHORT")),
    ),
    (faults.NO_SATELLITES, _each_second(lambda boat: rmc(boat.true, status="V", mode="N") + gsv(0))),
    (faults.NO_FIX, _each_second(lambda boat: rmc(boat.true, status="V", mode="N") + gsv(4))),
    (faults.NOT_FROM_SATELLITES, _each_second(lambda boat: rmc(boat.true, mode="S"))),
    (faults.NOT_FROM_SATELLITES, _each_second(lambda boat: rmc(boat.true, mode="E"))),
    (faults.ROLLOVER, _dates(-ROLLOVER_S)),
    (faults.TOO_OLD, _dates(-1.3 * ROLLOVER_S)),
    (faults.TOO_NEW, _dates(ROLLOVER_S)),
    (faults.JUMPS, _each_second(_stuck)),
    (faults.JUMPS, _each_second(lambda boat: rmc(boat.true), lambda boat: rmc(boat.true + 40))),
]


@pytest.mark.parametrize(
    ("fault", "cause"), CAUSES, ids=[f"{fault.name}-{place}" for place, (fault, _) in enumerate(CAUSES)]
)
def test_fault_is_named_and_never_moves_the_clock(fault: Fault, cause: Callable[[Boat], None]) -> None:
    boat = Boat()
    cause(boat)
    assert boat.fault == fault.name
    found = boat.station.summary(boat.clock.at).fault
    assert found is not None
    assert "{" not in found.text + found.remedy
    assert boat.clock.calls == []


def test_every_fault_has_a_cause_in_these_tests() -> None:
    every = {value for value in vars(faults).values() if isinstance(value, Fault)}
    assert every == set(faults.EVERY)
    elsewhere = {faults.NOT_ALLOWED, faults.DIFFERS, faults.NO_PULSE}
    assert {fault for fault, _ in CAUSES} | elsewhere == every


def test_text_of_the_rollover_states_both_dates() -> None:
    boat = Boat()
    boat.run(5, error=-ROLLOVER_S)
    assert "2008-03-21, is before this image was made (2026-06-01)" in boat.words


def test_time_of_zda_counts_only_with_a_fix() -> None:
    def zda(boat: Boat, quality: int) -> bytes:
        from datetime import UTC, datetime

        moment = datetime.fromtimestamp(boat.true, UTC)
        return gga(boat.true, quality=quality) + sentence(f"GPZDA,{moment:%H%M%S.00,%d,%m,%Y},00,00")

    boat = Boat()
    for _ in range(20):
        boat.send(zda(boat, 0))
    assert boat.clock.calls == []
    boat = Boat()
    for _ in range(20):
        boat.send(zda(boat, 1))
    assert abs(boat.deviation) < 1


@given(st.lists(st.integers(1, 40), max_size=60))
def test_sentences_are_found_wherever_the_stream_is_divided(lengths: list[int]) -> None:
    stream = b"noise" + b"".join(rmc(NOW + second) + gga(NOW) for second in range(6))
    heard, found, place = ReceiverInput(), [], 0
    for length in [*lengths, len(stream)]:
        found += heard.feed(stream[place : place + length], at=1.0)
        place += length
    assert [report.utc for report in found] == [NOW + second for second in range(1, 6)]


@given(st.lists(st.tuples(st.binary(max_size=60), st.floats(0.01, 30)), max_size=40))
def test_noise_never_moves_the_clock(pieces: list[tuple[bytes, float]]) -> None:
    boat = Boat()
    for data, seconds in pieces:
        boat.silence(seconds)
        boat.station.receive(data, at=boat.clock.at)
        boat.station.summary(boat.clock.at)
    assert boat.clock.calls == []
    assert DEVICE in boat.words or not pieces or boat.fault is None
