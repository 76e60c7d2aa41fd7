"""Alarm rules about equipment agree with a plain model that sees all samples at once, whatever happens."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .builders import Aboard, contact, rule

RULES = [
    {"starts_above": 0, "per_s": 600.0},
    {"starts_above": 2, "per_s": 900.0},
    {"runs_above_s": 200.0, "per_s": 600.0},
    {"runs_above_s": 700.0, "per_s": 3600.0},
    {"runs_longer_s": 150.0},
    {"runs_longer_s": 900.0},
    {"idle_for_s": 200.0},
    {"idle_for_s": 1200.0},
]
_PAUSE = st.integers(1, 200_000)
_STEP = st.one_of(
    st.tuples(st.just("sample"), _PAUSE, st.sampled_from([True, False, None])),
    st.tuples(st.just("sample"), _PAUSE, st.booleans()),
    st.tuples(st.just("elapse"), _PAUSE, st.none()),
    st.tuples(st.just("restart"), st.integers(0, 400_000), st.none()),
    st.tuples(st.just("power"), _PAUSE, st.tuples(st.integers(0, 1_000_000), st.booleans())),
)


@pytest.mark.parametrize("keys", RULES, ids=str)
@given(steps=st.lists(_STEP, max_size=40))
def test_alarms_are_those_of_the_model_whatever_the_restarts(
    keys: dict[str, Any], steps: list[tuple[str, int, Any]]
) -> None:
    aboard = Aboard(contact(rule(**keys)))
    for step, pause, what in steps:
        match step:
            case "sample":
                aboard.offer(what, pause)
            case "elapse":
                aboard.elapse(pause)
            case "restart":
                aboard.ms += pause
                aboard.restart()
                continue
            case "power":
                aboard.cut_power(pause, what[0], is_anchored=what[1])
                continue
        if aboard.has_value:
            assert aboard.is_raised == aboard.expected()
        elif aboard.intake.row is not None and aboard.expected():
            assert aboard.is_raised
