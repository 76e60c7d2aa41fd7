"""The estimated number of values in a JSON text is never smaller than the actual number."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sync.replication import json_size

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=40,
)


def count(value: Any) -> int:
    """Return the number of values and keys in a JSON value."""
    if isinstance(value, dict):
        return 1 + sum(1 + count(inner) for inner in value.values())
    if isinstance(value, list):
        return 1 + sum(map(count, value))
    return 1


@given(VALUES)
def test_no_value_is_missed(value: Any) -> None:
    text = json.dumps(value, separators=(",", ":")).encode()
    assert json_size.nodes(text) >= count(value)
    most = count(value) - 1
    assert json_size.exceeds(text, most) or len(text) <= most


def test_ordinary_text_is_counted_exactly() -> None:
    assert json_size.nodes(b'{"a":[1,2,{"b":null}],"c":"d"}') == 10
    assert json_size.nodes(b"5") == 1
    assert not json_size.exceeds(b"[" + b"1," * 10 + b"1]", 12)
    assert json_size.exceeds(b"[" + b"1," * 10 + b"1]", 11)
