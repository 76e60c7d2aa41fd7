"""A forwarding policy assigns each document to one of its parts, and conditions select the active parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import documents
from sync.gateway.policy import PolicyConditions, PolicyEntry, Situation, parts

ETHERNET, SATELLITE = Situation(frozenset({"eth0"})), Situation(frozenset({"eth1", "satellite"}))
READING = documents.reading_id("argo", "main", "qwerty", 1)
ALARM = documents.alarm_id("argo", "main", "qwerty", 1)


@pytest.mark.parametrize(
    ("text", "situation", "holds"),
    [
        ("interface != satellite", ETHERNET, True),
        ("interface != satellite", SATELLITE, False),
        ("interface == satellite", SATELLITE, True),
        ("interface==eth0", ETHERNET, True),
        ("interface != satellite", Situation(None), False),
        ("interface == satellite", Situation(None), False),
        ("hours == 22:00-06:00", Situation(minute=23 * 60), True),
        ("hours == 22:00-06:00", Situation(minute=5 * 60 + 59), True),
        ("hours == 22:00-06:00", Situation(minute=6 * 60), False),
        ("hours == 08:00-18:00", Situation(minute=8 * 60), True),
        ("hours != 08:00-18:00", Situation(minute=8 * 60), False),
        ("interface == eth0 and hours == 08:00-18:00", Situation(frozenset({"eth0"}), 9 * 60), True),
        ("interface == eth0 and hours == 08:00-18:00", Situation(frozenset({"eth0"}), 19 * 60), False),
    ],
)
def test_condition_is_evaluated(text: str, situation: Situation, *, holds: bool) -> None:
    assert PolicyConditions.parse(text).are_met(situation) is holds


@pytest.mark.parametrize(
    "text",
    ["", "satellite", "interface = eth0", "hours == 8-18", "hours == 08:00-08:00", "hours == 25:00-26:00"],
)
def test_invalid_condition_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a condition|begin and end at the same time"):
        PolicyConditions.parse(text)


@given(st.integers(0, 1439), st.integers(0, 1439), st.integers(0, 1439))
def test_hours_and_their_negation_divide_the_day(begin: int, end: int, minute: int) -> None:
    if begin == end:
        return
    hours = f"{begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}"
    there, not_there = (
        PolicyConditions.parse(f"hours == {hours}"),
        PolicyConditions.parse(f"hours != {hours}"),
    )
    situation = Situation(minute=minute)
    assert there.are_met(situation) is not not_there.are_met(situation)
    assert PolicyConditions.parse(str(there)) == there


def test_without_a_policy_everything_is_sent_and_history_has_its_own_part() -> None:
    live, history = parts(())
    assert live.holds(ALARM)
    assert not live.holds(READING)
    assert history.holds(READING)
    assert not live.holds("forwarded:office:argo")
    assert live.holds("recipe:of-an-app")


def test_document_belongs_to_the_first_entry_with_its_channel_if_any() -> None:
    first, second = parts([PolicyEntry(("alarms", "vessel.brigid")), PolicyEntry(("readings", "alarms"))])
    of_brigid = documents.reading_id("brigid", "main", "qwerty", 1)
    assert first.holds(ALARM)
    assert first.holds(of_brigid)
    assert not second.holds(ALARM)
    assert not second.holds(of_brigid)
    assert second.holds(READING)
    assert not any(part.holds("boot:argo:qwerty:1") for part in (first, second))


def test_parts_keep_their_names_when_hours_and_limits_change() -> None:
    before = parts(
        [
            PolicyEntry(("alarms",)),
            PolicyEntry(("readings",), PolicyConditions.parse("hours == 01:00-02:00"), 5.0),
        ]
    )
    after = parts([PolicyEntry(("alarms",)), PolicyEntry(("readings",))])
    assert [part.name for part in before] == [part.name for part in after]
