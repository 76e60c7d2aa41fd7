"""A malicious delta is either rejected with a DeltaError that names the position, or has a bounded result."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sync import delta
from sync.delta import DeltaError
from tests.delta.values import MARKERS, any_values, documents, exact, scalars, trees, values

encode = msgspec.json.encode

operations = st.tuples(st.integers(0, 9), st.sampled_from(("=", "-", "+a|", "+é|", "+ab", "|", " ")))
patches = st.lists(operations, max_size=4).map(lambda found: "".join(f"{n}{what}" for n, what in found))
indices = st.sampled_from(MARKERS) | st.integers(0, 4).map(str) | st.integers(0, 4).map("{}-".format)
marked: st.SearchStrategy[list[Any]] = (
    st.just([])
    | values.map(lambda value: [value])
    | st.tuples(values, values).map(list)
    | st.tuples(patches | values, st.just(0), st.sampled_from((0, 2, 2, 3, None, True, "2", 2.0))).map(list)
)
likely = st.recursive(
    scalars | marked,
    lambda inner: st.dictionaries(indices, inner, max_size=4) | st.lists(inner, max_size=4),
    max_leaves=12,
)
"""Values that resemble deltas, so that many of them are partly processed before they are rejected."""
bases = trees(scalars | st.sampled_from(("abc", "é水🛶")), 12)


@settings(deadline=None, max_examples=400)
@given(bases, likely | any_values)
@example({"a": "abc"}, {"a": ["3\ud800", 0, 2]})
@example({"a": "\ud800"}, {"a": ["3=", 0, 2]})
def test_any_json_as_a_delta_returns_a_value_or_raises_a_delta_error(base: Any, wild: Any) -> None:
    before = exact((base, wild))
    with suppress(DeltaError):
        delta.apply(base, wild)
    assert exact((base, wild)) == before, "an argument was modified"


@settings(deadline=None, max_examples=150)
@given(documents, st.dictionaries(st.sampled_from(MARKERS), likely, max_size=5))
def test_result_is_never_longer_than_base_and_delta_together(base: Any, wild: Any) -> None:
    try:
        new = delta.apply_json(encode(base), encode(wild))
    except DeltaError:
        return
    assert len(new) <= len(encode(base)) + len(encode(wild))


@settings(deadline=None)
@given(
    st.binary(max_size=40)
    | st.sampled_from((b"", b"{", b"[1]", b"3", b"null", b'{"a":1e999}', b'{"\xff":1}'))
)
def test_any_bytes_as_a_delta_return_a_document_or_raise_a_delta_error(raw: bytes) -> None:
    try:
        new = delta.apply_json(b'{"a":1}', raw)
    except DeltaError:
        return
    assert isinstance(msgspec.json.decode(new), dict)


@pytest.mark.parametrize(
    ("base", "wild", "where"),
    [
        ({"a": {"b": [1, 2]}}, {"a": {"b": {"7": 1}}}, "/a/b"),
        ({"a": {"b": [1, {}]}}, {"a": {"b": {"1": {"c": []}}}}, "/a/b/1/c"),
        ({"a": [1]}, {"a": {"0": []}}, "/a/0"),
        ({}, [], "/"),
        ({"a": 1}, {"a\n": {}}, "/a\\n"),
    ],
)
def test_error_names_the_place_where_the_delta_does_not_fit(base: Any, wild: Any, where: str) -> None:
    with pytest.raises(DeltaError) as caught:
        delta.apply(base, wild)
    assert f" at '{where}': " in str(caught.value)


def test_error_stays_short_however_long_the_keys_are() -> None:
    wild: Any = []
    for _ in range(60):
        wild = {"k" * 100_000: wild}
    base: Any = {"k" * 100_000: 1}
    for _ in range(58):
        base = {"k" * 100_000: base}
    with pytest.raises(DeltaError) as caught:
        delta.apply(base, wild)
    assert len(str(caught.value)) < 400


def test_deletion_of_an_empty_key_is_refused() -> None:
    """Couchbase Lite's delta from {"":1,"a":1} to {"":1,"a":2} deletes the empty key by mistake."""
    with pytest.raises(DeltaError, match="empty key"):
        delta.apply_json(b'{"":1,"a":1}', b'{"":1,"a":2,"":[]}')


def test_deletion_of_an_empty_key_is_not_sent() -> None:
    old = {"": 1, "a": "x" * 90, "b": {"": 1, "c": 2}}
    assert delta.make(old, old | {"b": {"c": 2}}) == {"b": [{"c": 2}]}
    assert delta.make_json(encode(old), encode({"a": old["a"], "b": old["b"]})) is None


@pytest.mark.parametrize(
    "nest",
    [
        pytest.param(lambda inner: {"a": inner}, id="object"),
        pytest.param(lambda inner: {"0": inner}, id="array"),
        pytest.param(lambda inner: [inner], id="wrapped"),
    ],
)
@pytest.mark.parametrize("depth", [delta.DEPTH_LIMIT + 1, 900, 100_000])
def test_deep_nesting_causes_no_recursion_error(depth: int, nest: Callable[[Any], Any]) -> None:
    base: Any = 1
    wild: Any = 2
    for _ in range(depth):
        base = {"a": base} if "a" in nest({}) else [base]
        wild = nest(wild)
    if isinstance(wild, list):
        assert delta.apply(base, wild) is wild[0]
    else:
        with pytest.raises(DeltaError, match="nested more than"):
            delta.apply(base, wild)


@pytest.mark.parametrize("depth", [500, 100_000])
def test_deep_json_text_is_a_delta_error_or_a_document(depth: int) -> None:
    raw = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
    with suppress(DeltaError):
        # The outermost brackets belong to the delta format, and the rest is the new value.
        assert delta.apply_json(b"{}", raw) == raw.replace(b"[]", b"")


SIZE = 300_000


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(lambda: "ab" * SIZE, lambda: "ba" * SIZE, id="text_shifted"),
        pytest.param(lambda: "a" * SIZE + "b", lambda: "b" + "a" * SIZE, id="text_turned_round"),
        pytest.param(lambda: "🛶" * SIZE, lambda: "🛶" * (SIZE - 1) + "é", id="text_of_many_bytes"),
        pytest.param(lambda: list(range(SIZE)), lambda: list(range(1, SIZE)), id="array_shifted"),
        pytest.param(
            lambda: [[n] for n in range(SIZE)], lambda: [[n + 1] for n in range(SIZE)], id="all_items_changed"
        ),
        pytest.param(lambda: {str(n): n for n in range(SIZE)}, dict, id="all_keys_deleted"),
        pytest.param(
            lambda: {str(n): n for n in range(SIZE)},
            lambda: {str(n): -n for n in range(SIZE)},
            id="all_keys_changed",
        ),
    ],
)
def test_large_values_are_compared_in_time_proportional_to_their_size(
    old: Callable[[], Any], new: Callable[[], Any]
) -> None:
    """An algorithm with quadratic cost would exceed the time limit of the test.

    The values are created inside the test. As parameters, they would occupy memory in every test worker until
    that worker ends.
    """
    wrapped = {"a": old()}, {"a": new()}
    made = delta.make(*wrapped)
    assert delta.apply(wrapped[0], made) == wrapped[1]
    assert len(encode(made)) <= len(encode(wrapped[1])) + 2


@pytest.mark.parametrize("patch", ["1-1+x|", "1=", "0=1=", "1-0+|"])
def test_patch_of_many_operations_is_applied_in_time_proportional_to_its_size(patch: str) -> None:
    old = {"a": "a" * SIZE}
    new = delta.apply(old, {"a": [patch * SIZE, 0, 2]})
    assert new["a"] in ("x" * SIZE, old["a"], "")


@pytest.mark.parametrize("patch", ["2+xyz3=", "3=2+xy", "3=2+x", "3=2+"])
def test_insertion_without_its_end_mark_is_refused(patch: str) -> None:
    with pytest.raises(DeltaError, match=r"has no '\|'"):
        delta.apply({"a": "abc"}, {"a": [patch, 0, 2]})


@pytest.mark.parametrize("length", ["9" * 10, "9" * 11, "9" * 100_000])
@pytest.mark.parametrize("operation", ["=", "-", "+x|"])
def test_absurd_length_in_a_patch_is_refused(length: str, operation: str) -> None:
    with pytest.raises(DeltaError):
        delta.apply({"a": "abc"}, {"a": [length + operation, 0, 2]})


@pytest.mark.parametrize("key", ["9" * 9, "9" * 100_000, "²", "٣", "-1", "1_0", "0x1", " 1", "1 ", "00"])
def test_key_that_is_no_index_is_refused(key: str) -> None:
    wilds: tuple[dict[str, Any], ...] = ({key: 1}, {f"{key}-": []})
    for wild in wilds:
        with pytest.raises(DeltaError):
            delta.apply([1, 2, 3], wild)
