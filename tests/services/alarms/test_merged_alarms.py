"""Vessels that have exchanged their states of an alarm agree on its phase, and on whether it is audible."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from sensors.severity import ALARM_SEVERITIES, Severity
from services.alarms.audible import AlarmFact, audible
from services.alarms.phases import Phase, phase_of
from sync.fleet.conflict_resolvers import merge_alarms
from sync.fleet.silences import Silence

UTC: Final = 1_790_000_000.0
ID: Final = "alarm:argo:bilge:qwerty:000000000001"

acknowledgements = st.lists(
    st.fixed_dictionaries(
        {"who": st.sampled_from(["anna", "ben"]), "when": st.just("2026-10-09T10:00:00.000Z")}
    ),
    max_size=2,
)
states = st.fixed_dictionaries(
    {
        "severity": st.sampled_from(ALARM_SEVERITIES),
        "cleared": st.none() | st.fixed_dictionaries({"boot": st.just(1), "clock": st.integers(0, 900)}),
        "acks": acknowledgements,
    }
)
"""States of one alarm, each as one vessel stored it."""


def fact(body: Mapping[str, Any]) -> AlarmFact:
    """Return the facts in an alarm's body."""
    return AlarmFact(
        ID,
        "argo",
        "bilge",
        Severity(body["severity"]),
        UTC - 60,
        cleared=body["cleared"] is not None,
        acknowledged=bool(body["acks"]),
    )


@given(st.lists(states, min_size=1, max_size=5), st.data(), st.sampled_from(ALARM_SEVERITIES))
def test_neither_order_nor_repetition_of_merges_matters(
    every: Sequence[Mapping[str, Any]], data: st.DataObject, silenced: Severity
) -> None:
    silence = Silence(ID, silenced, UTC - 5, UTC + 600)
    late = data.draw(st.lists(st.sampled_from(every), max_size=3))
    shuffled = data.draw(st.permutations([*every, *late]))
    one, other = fact(reduce(merge_alarms, every)), fact(reduce(merge_alarms, shuffled))
    assert other.phase is one.phase
    assert audible([other], [silence]) == audible([one], [silence])


@given(states, st.lists(states, min_size=1, max_size=5))
def test_late_states_undo_neither_acknowledgement_nor_clearing(
    newest: Mapping[str, Any], late: Sequence[Mapping[str, Any]]
) -> None:
    cleared = any(state["cleared"] is not None for state in (newest, *late))
    acknowledged = any(state["acks"] for state in (newest, *late))
    merged = fact(reduce(merge_alarms, late, newest))
    assert merged.phase is phase_of(cleared=cleared, acknowledged=acknowledged)
    if newest["acks"]:
        assert merged.phase in (Phase.ACKNOWLEDGED, Phase.NORMAL)
