"""A list of ancestors sent to a peer has no gaps, and ends at the first ancestor that the peer has."""

from hypothesis import given
from hypothesis import strategies as st

from sync.store import revisions


def line(*generations: int) -> list[str]:
    return [f"{generation}-{generation:02x}" for generation in generations]


def test_history_without_gaps_ends_at_the_known_ancestor_or_the_depth() -> None:
    history = line(*range(29, 0, -1))
    assert revisions.handed_on("30-1e", history, known=("25-19",), depth=50)[:5] == line(29, 28, 27, 26, 25)
    assert revisions.handed_on("30-1e", history, known=(), depth=10) == history[:10]
    assert revisions.handed_on("30-1e", history, known=("1-01",), depth=10) == [*history[:9], "1-01"]


def test_gap_ends_a_history_without_a_known_ancestor() -> None:
    assert revisions.handed_on("9-09", line(8, 7, 3, 2), known=(), depth=50) == line(8, 7)
    assert revisions.handed_on("9-09", line(4), known=(), depth=50) == []


def test_gap_above_a_known_ancestor_is_filled_with_reproducible_ids() -> None:
    sent = revisions.handed_on("9-09", line(8, 4, 3), known=("4-04",), depth=50)
    assert [revisions.generation(found) for found in sent] == [8, 7, 6, 5, 4, 3]
    assert [found for found in sent if found in line(8, 4, 3)] == line(8, 4, 3)
    assert sent == revisions.handed_on("9-09", line(8, 4, 3), known=("4-04",), depth=50)


def test_huge_gap_is_left_only_at_the_depth() -> None:
    sent = revisions.handed_on("2000000000-a", ["1999999999-b", "1-01"], known=("1-01",), depth=50)
    assert [revisions.generation(found) for found in sent] == [*range(1999999999, 1999999950, -1), 1]


@given(
    generations=st.sets(st.integers(1, 200), max_size=40),
    named=st.integers(0, 60),
    depth=st.integers(1, 60),
)
def test_generations_are_consecutive_except_for_one_gap_at_the_depth(
    generations: set[int], named: int, depth: int
) -> None:
    history = line(*sorted(generations, reverse=True))
    known = history[named : named + 1]
    sent = revisions.handed_on("201-c9", history, known=known, depth=depth)
    assert len(sent) <= depth
    assert not known or known[0] in sent
    found = [201, *map(revisions.generation, sent)]
    for index in range(1, len(found)):
        gap = found[index - 1] - found[index]
        assert gap == 1 or (gap > 1 and index == depth and sent[-1] in known)
    assert [revision for revision in sent if revision in history] == [r for r in history if r in sent]
