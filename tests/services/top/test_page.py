"""The screen's text fits the terminal's width, and the terminal's height is divided among the panels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.screens.top import page
from services.screens.top.page import Item, ScreenPart, head_line, share
from services.terminal.present import StyledLine
from tests.services import documents as build
from tests.services.appliance import Appliance, logboat

from .aboard import PATIENCE_S, SYNCED, busy, looker

__all__ = ["logboat"]

heights = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 5), st.integers(0, 30)), min_size=1, max_size=5
)


@given(st.integers(-3, 100), heights)
def test_parts_get_no_more_lines_than_available_or_needed(
    room: int, parts: list[tuple[int, int, int]]
) -> None:
    wanted, least, most = (list(column) for column in zip(*parts, strict=True))
    given_out = share(max(room, 0), wanted, least, most)
    assert sum(given_out) <= max(room, 0)
    assert all(0 <= got <= want for got, want in zip(given_out, wanted, strict=True))
    if sum(given_out) < room:
        assert given_out == wanted


def test_each_part_gets_its_minimum_before_any_gets_more() -> None:
    assert share(10, [20, 20, 3], [3, 4, 3], [8, 8, 8]) == [3, 4, 3]
    assert share(16, [20, 20, 3], [3, 4, 3], [8, 8, 8]) == [8, 5, 3]
    assert share(4, [20, 20, 3], [3, 4, 3], [8, 8, 8]) == [3, 1, 0]


@pytest.mark.parametrize("width", [20, 39, 40, 59, 60, 80, 99, 100, 200])
def test_no_line_exceeds_the_width_of_the_screen(logboat: Appliance, width: int) -> None:
    busy(logboat)
    look = looker(logboat).collect(patience=PATIENCE_S)
    parts = [
        page.alarms_part(look, width),
        page.sensors_part(look, width),
        page.peers_part(look, width),
        page.lights_part(look, width, in_short=True),
        page.lights_part(look, width, in_short=False),
    ]
    lines = [
        *page.header(look, width),
        *(line for part in parts for item in part.items for line in item.lines),
    ]
    assert max(len(line.text) for line in lines) <= width
    for part in parts:
        assert len(head_line(part, width, first=3, room=1, is_chosen=True, unicode=True)) == width


def test_graph_stays_on_a_phone_when_a_contact_has_not_changed_for_minutes(logboat: Appliance) -> None:
    logboat.put(SYNCED, build.reading(*range(300), sensor="fuel-level", start=99_690.0))
    logboat.live(
        sensors={
            "bilge-float": build.live_sensor(False, unit="bool", path="bilge.main.highWater", clock=99_915.0),
            "fuel-level": build.live_sensor(0.7, unit="ratio", path="tanks.fuel.main.currentLevel"),
        }
    )
    look = looker(logboat).collect(patience=PATIENCE_S)
    bilge, fuel = [item.lines[0].text for item in page.sensors_part(look, 40).items]
    assert bilge.split()[:4] == ["bilge-float", "inactive", "1", "min"]
    assert [len(line.split()) for line in (bilge, fuel)] == [5, 6]  # the last word is the graph


def test_heading_shows_which_of_its_lines_are_visible() -> None:
    part = ScreenPart("sensors: 50", tuple(Item((StyledLine(str(place)),)) for place in range(50)))
    assert head_line(part, 40, first=12, room=8, is_chosen=True, unicode=False) == (
        "> sensors: 50 [13-20 of 50] ------------"
    )
    assert head_line(part, 40, first=0, room=50, is_chosen=False, unicode=False).startswith(
        "- sensors: 50 --"
    )


def test_heading_that_is_too_long_loses_its_last_detail_and_no_part_of_a_word() -> None:
    part = ScreenPart("peers and shore, 12 s ago", (Item((StyledLine("argo"),)),) * 9)
    assert head_line(part, 40, first=0, room=5, is_chosen=True, unicode=False) == (
        "> peers and shore, 12 s ago [1-5 of 9] -"
    )
    assert head_line(part, 30, first=0, room=5, is_chosen=True, unicode=False) == (
        "> peers and shore [1-5 of 9] -"
    )


@pytest.mark.parametrize("width", [40, 44, 59])
def test_counts_of_alarms_are_shown_completely_on_a_narrow_screen(logboat: Appliance, width: int) -> None:
    logboat.put(SYNCED, *(build.alarm(number) for number in range(1, 51)))
    logboat.live()
    part = page.alarms_part(looker(logboat).collect(patience=PATIENCE_S), width)
    shown = head_line(part, width, first=0, room=3, is_chosen=True, unicode=True)
    assert shown.startswith("> alarms: 50 active, 50 to ack")
    assert "…" not in shown
    assert ("[1-3 of " in shown) == (width > 40)


def test_alarm_is_described_completely_for_an_acknowledgement(logboat: Appliance) -> None:
    logboat.put(SYNCED, build.alarm(raised=99_820.0, acks=[{"who": "bo", "when": "2025-10-10T10:00:00Z"}]))
    logboat.live()
    look = looker(logboat).collect(patience=PATIENCE_S)
    assert page.alarm_words(look, "alarm:argo:rpm:abcdef:000000000017") == (
        "17: alarm, Overspeed (above 63, at 3840 rpm)\nargo rpm; ACTIVE, raised 3 min ago; acknowledged by bo"
    )
    assert page.alarm_words(look, "alarm:argo:rpm:abcdef:000000000099") is None


def test_flood_of_alarms_is_counted_instead_of_listed(logboat: Appliance) -> None:
    logboat.put(SYNCED, *(build.alarm(number) for number in range(1, 151)))
    logboat.live()
    look = looker(logboat).collect(patience=PATIENCE_S)
    part = page.alarms_part(look, 120)
    assert part.head == "alarms: 100 active, 100 not acknowledged of the most severe, 0 s ago"
    assert len(part.items) == 101
    assert part.items[-1].lines[0].text == "and 50 more alarms: logboat alarms"
    assert page.alarms_part(look, 40).head == "alarms: 100+ active, 100+ to ack, 0 s ago"


def test_screen_uses_the_same_text_as_the_commands(logboat: Appliance) -> None:
    """The screen shows the same text as `status`, `sensors`, `alarms`, `peers` and `lights` print."""
    busy(logboat)
    look = looker(logboat).collect(patience=PATIENCE_S)
    text = {
        "peers": page.peers_part(look, 100),
        "alarms": page.alarms_part(look, 200),
        "sensors": page.sensors_part(look, 200),
        "lights": page.lights_part(look, 200, in_short=False),
    }
    said = {
        name: "\n".join(line.text for item in part.items for line in item.lines)
        for name, part in text.items()
    }
    assert said["peers"].splitlines() == logboat("peers").lines
    status = logboat("status").out
    assert look.title in status
    assert f"to do: {look.todo}" in status
    for row in logboat("sensors").lines[2:]:
        for words in row.split("  "):
            if words.strip() and "OPEN" not in words:
                assert words.strip() in said["sensors"]
    for words in ("Overspeed (above 63, at 3840 rpm)", "Fuel is low (below 0.15, at 10.0 %)"):
        assert words in logboat("alarms").out
        assert words in said["alarms"]
    explained = logboat("lights", "--identity", str(logboat.root / "identity"), "explain", "--json").json
    for light in explained["lights"].values():
        assert light["means"] in said["lights"]
        assert light["pattern"] in said["lights"]
