"""The values of a sensor in the last ten minutes are shown as a row of bars."""

from hypothesis import given
from hypothesis import strategies as st

from services.screens.top.recent import SPAN_S, Recent
from services.terminal.present import BARS, PLAIN_BARS


def recent(*values: tuple[float, float | bool | None]) -> Recent:
    made = Recent()
    for clock, value in values:
        made.add(clock, value)
    return made


def test_rising_values_give_rising_bars() -> None:
    made = recent(*((float(second), float(second)) for second in range(600)))
    assert made.line(599.0, width=8) == "▁▂▃▄▅▆▇█"
    assert made.line(599.0, width=8, unicode=False) == PLAIN_BARS


def test_values_older_than_the_span_are_dropped() -> None:
    made = recent((10.0, 1.0), (SPAN_S + 20.0, 5.0))
    assert made.line(SPAN_S + 20.0, width=20).strip() == BARS[4]


def test_interval_without_values_is_blank() -> None:
    made = recent((2.0, 1.0), (7.0, None), (12.0, 3.0))
    assert made.line(12.0, width=120)[-3:] == "▁ █"


def test_value_counts_once_however_often_it_is_read() -> None:
    made = recent((1.0, 1.0), (1.0, 100.0), (2.0, 3.0))
    assert list(made.cells.values()) == [(4.0, 2)]


def test_bars_do_not_move_within_an_interval() -> None:
    made = recent(*((float(second), float(second % 60)) for second in range(0, 600, 3)))
    assert made.line(540.0, width=10) == made.line(599.0, width=10)


def test_past_values_precede_observed_ones_and_replace_none() -> None:
    seen, past = recent((603.0, 9.0)), recent((580.0, 1.0), (604.0, 1.0))
    seen.follow(past)
    assert seen.cells == {116: (1.0, 1), 120: (9.0, 1)}
    seen.add(605.0, 3.0)
    assert seen.cells[121] == (3.0, 1)


def test_contacts_have_bars_too() -> None:
    assert recent((1.0, False), (6.0, True)).line(6.0, width=120)[-2:] == "▁█"


@given(
    st.lists(st.tuples(st.floats(0, 1e9), st.one_of(st.none(), st.floats(), st.booleans())), max_size=300),
    st.integers(1, 200),
)
def test_span_and_width_are_limited(values: list[tuple[float, float | None]], width: int) -> None:
    made = recent(*sorted(values, key=lambda found: found[0]))
    assert len(made.cells) <= 120
    line = made.line(1e9 if made.is_empty else made.last, width=width)
    assert len(line) <= width
    assert set(line) <= {" ", *BARS}
