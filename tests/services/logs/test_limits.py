"""The limits on how often the same message is repeated."""

from hypothesis import given
from hypothesis import strategies as st

from services.logs.limits import PLACE, SAME, WITHIN_S, Limiter


def test_the_same_is_said_a_few_times_a_minute_and_what_was_kept_back_is_told() -> None:
    limiter = Limiter()
    said = [limiter.admit("a.py:1", f"{number} samples wait", number * 0.1) for number in range(100)]
    assert (SAME, WITHIN_S) == (3, 60.0)
    assert said == [0] * SAME + [None] * (100 - SAME)
    assert limiter.admit("a.py:1", "7 samples wait", WITHIN_S) == 100 - SAME
    assert limiter.admit("a.py:1", "8 samples wait", WITHIN_S + 1) == 0


def test_others_are_not_held_back() -> None:
    limiter = Limiter()
    for number in range(100):
        limiter.admit("a.py:1", "one", number / 100)
    assert limiter.admit("a.py:1", "two", 1.0) == 0
    assert limiter.admit("b.py:1", "one", 1.0) == 0


def test_a_place_that_says_ever_other_words_has_a_limit_and_memory_has_one() -> None:
    limiter = Limiter()
    words = ["".join(chr(97 + int(digit)) for digit in str(number)) for number in range(20_000)]
    said = [limiter.admit("a.py:1", each, 1.0) for each in words]
    assert said.count(0) == PLACE
    assert len(limiter._words) <= 501


def test_what_was_kept_back_and_not_said_since_is_told_once() -> None:
    limiter = Limiter()
    for number in range(SAME + 4):
        limiter.admit("a.py:1", f"{number} wait", 0.0)
    assert limiter.due(WITHIN_S - 1) == []
    assert limiter.due(WITHIN_S) == [("a.py:1", "6 wait", 4)]
    assert limiter.due(WITHIN_S) == []


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.floats(0, 20)), max_size=200))
def test_nothing_goes_uncounted(steps: list[tuple[str, str, float]]) -> None:
    limiter, now, told = Limiter(), 0.0, 0
    for place, words, later in steps:
        now += later
        if (before := limiter.admit(place, words, now)) is not None:
            told += 1 + before
        told += sum(count for *_, count in limiter.due(now))
    assert told + sum(count for *_, count in limiter.due(float("inf"))) == len(steps)
