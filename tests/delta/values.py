"""Hypothesis strategies for JSON values and edited documents, and an exact comparison of JSON values."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

MARKERS = ("", "0", "1", "0-", "1-", "2-", "-", "[]", "+", "3=", "_id", "01", "a/b")
"""Object keys that have, or resemble keys that have, a special meaning in deltas of arrays and strings."""

LONG = "The engine was started at the quay, warmed up for ten minutes and left running at idle — 水 🛶 é."

integers = st.integers() | st.integers(-3, 3) | st.sampled_from((2**53, -(2**63), 2**64, 10**30))
floats = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from((0.0, -0.0, 1.0, 1e300))
texts = st.text(max_size=12) | st.text("aé水🛶|+=-0", max_size=150) | st.just(LONG)
any_texts = texts | st.text(st.characters(exclude_categories=()), max_size=80)
"""Strings that may contain lone surrogates, which some JSON decoders accept."""
keys = st.sampled_from(MARKERS) | st.text(max_size=4)
scalars = st.none() | st.booleans() | integers | floats | texts


def trees(leaves: st.SearchStrategy[Any], max_leaves: int = 20) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=6) | st.dictionaries(keys, inner, max_size=6),
        max_leaves=max_leaves,
    )


values = trees(scalars)
any_values = trees(scalars | any_texts)
documents = st.dictionaries(keys, values, max_size=8)


def exact(value: Any) -> str:
    """Return a string that is equal for two JSON values only if their types, signs and digits are equal."""
    return json.dumps(value, sort_keys=True)


@st.composite
def edited(
    draw: st.DrawFn, originals: st.SearchStrategy[Any], leaves: st.SearchStrategy[Any] = values
) -> tuple[Any, Any]:
    """Draw a JSON value, and the same value after one to three small edits at any depth."""
    old = draw(originals)
    new = old
    for _ in range(draw(st.integers(1, 3))):
        new = _edit(draw, new, leaves)
    return old, new


def _edit(draw: st.DrawFn, value: Any, leaves: st.SearchStrategy[Any]) -> Any:
    if draw(st.integers(0, 9)) == 0:
        return draw(leaves)
    if isinstance(value, dict):
        return _edit_object(draw, value, leaves)
    if isinstance(value, list):
        return _edit_sequence(draw, value, lambda item: _edit(draw, item, leaves), leaves)
    if isinstance(value, str):
        letters = st.sampled_from("aé水🛶|+=-0")
        return "".join(_edit_sequence(draw, list(value), lambda _: draw(letters), letters))
    return draw(leaves)


def _edit_object(draw: st.DrawFn, value: dict[str, Any], leaves: st.SearchStrategy[Any]) -> dict[str, Any]:
    new = dict(value)
    what = draw(st.sampled_from(("put", "change", "delete")))
    if what == "put" or not new:
        new[draw(keys)] = draw(leaves)
        return new
    key = draw(st.sampled_from(sorted(new)))
    if what == "delete":
        del new[key]
    else:
        new[key] = _edit(draw, new[key], leaves)
    return new


def _edit_sequence(
    draw: st.DrawFn, value: list[Any], change: Callable[[Any], Any], leaves: st.SearchStrategy[Any]
) -> list[Any]:
    new = list(value)
    what = draw(st.sampled_from(("insert", "change", "delete", "append", "truncate")))
    at = draw(st.integers(0, max(len(new) - 1, 0)))
    if what == "append" or not new:
        new.append(draw(leaves))
    elif what == "insert":
        new.insert(at, draw(leaves))
    elif what == "change":
        new[at] = change(new[at])
    elif what == "delete":
        del new[at]
    else:
        del new[at:]
    return new
