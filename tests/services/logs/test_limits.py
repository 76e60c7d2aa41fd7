"""Repeated log messages are limited, and the suppressed ones are counted."""

from hypothesis import given
from hypothesis import strategies as st

from services.logs.limits import PLACE, SAME, WITHIN_S, Limiter


def test_same_message_is_logged_a_few_times_a_minute_with_the_number_suppressed() -> None:
    limiter = Limiter()
    said = [limiter.admit("a.py:1", f"{number} samples wait", number * 0.1) for number in range(100)]
    assert (SAME, WITHIN_S) == (3, 60.0)
    assert said == [0] * SAME + [None] * (100 - SAME)
    assert limiter.admit("a.py:1", "7 samples wait", WITHIN_S) == 100 - SAME
    assert limiter.admit("a.py:1", "8 samples wait", WITHIN_S + 1) == 0


def test_other_messages_are_not_suppressed() -> None:
    limiter = Limiter()
    for number in range(100):
        limiter.admit("a.py:1", "one", number / 100)
    assert limiter.admit("a.py:1", "two", 1.0) == 0
    assert limiter.admit("b.py:1", "one", 1.0) == 0


def test_differing_messages_of_one_source_line_are_limited_and_memory_is_bounded() -> None:
    limiter = Limiter()
    words = ["".join(chr(97 + int(digit)) for digit in str(number)) for number in range(20_000)]
    said = [limiter.admit("a.py:1", each, 1.0) for each in words]
    assert said.count(0) == PLACE
    assert len(limiter._words) <= 501


def test_suppressed_messages_are_reported_once() -> None:
    limiter = Limiter()
    for number in range(SAME + 4):
        limiter.admit("a.py:1", f"{number} wait", 0.0)
    assert limiter.due(WITHIN_S - 1) == []
    assert limiter.due(WITHIN_S) == [("a.py:1", "6 wait", 4)]
    assert limiter.due(WITHIN_S) == []


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.floats(0, 20)), max_size=200))
def test_every_message_is_logged_or_counted(steps: list[tuple[str, str, float]]) -> None:
    limiter, now, told = Limiter(), 0.0, 0
    for place, words, later in steps:
        now += later
        if (before := limiter.admit(place, words, now)) is not None:
            told += 1 + before
        told += sum(count for *_, count in limiter.due(now))
    assert told + sum(count for *_, count in limiter.due(float("inf"))) == len(steps)
