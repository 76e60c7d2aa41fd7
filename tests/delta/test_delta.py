"""Tests of creating and applying deltas, with each rule of the format and with arbitrary JSON."""

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sync import delta
from sync.store import bodies
from tests.delta.values import LONG, any_values, documents, edited, exact, values

EQUIPMENT: dict[str, Any] = {
    "type": "equipment",
    "vessel": "argo",
    "channels": ["equipment", "vessel.argo"],
    "sensor": "main-rpm",
    "name": "Main engine",
    "path": "propulsion.main.revolutions",
    "unit": "Hz",
    "value": 62.5,
    "state": "good",
    "time": "2026-03-01T12:00:00.123Z",
    "boot": 4,
    "clock": 1234.5,
    "log": "abcdef",
    "sequence": 1233,
    "alarm": None,
}
ALARM: dict[str, Any] = {
    "type": "alarm",
    "vessel": "argo",
    "channels": ["alarms", "vessel.argo"],
    "raised": "2026-03-01T12:00:00Z",
    "cleared": None,
    "acks": [{"who": "bridge", "when": "2026-03-01T12:01:00Z"}],
}
ANCHORS: list[Any] = [[n, f"2026-03-01T12:00:{n:02}Z", "network", 0.01] for n in range(40)]

encode = msgspec.json.encode
either = edited(documents) | st.tuples(documents, documents)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(5, 5, {}, id="nothing_changed"),
        pytest.param(5, 6, [6], id="scalar_at_the_root_is_wrapped"),
        pytest.param(False, [], [[]], id="array_at_the_root_is_wrapped"),
        pytest.param({}, {"a": 2}, {"a": 2}, id="key_added"),
        pytest.param({}, {"a": None}, {"a": None}, id="key_with_null_added"),
        pytest.param({}, {"a": {"b": 9}}, {"a": [{"b": 9}]}, id="added_object_is_wrapped"),
        pytest.param({}, {"a": [1]}, {"a": [[1]]}, id="added_array_is_wrapped"),
        pytest.param({"a": 1, "b": 2}, {"b": 2}, {"a": []}, id="key_deleted"),
        pytest.param({"a": 1}, {}, {"a": []}, id="last_key_deleted"),
        pytest.param({"a": None}, {}, {"a": []}, id="null_deleted"),
        pytest.param({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "c": 2}}, {"a": {"b": 3}}, id="object_within"),
        pytest.param({"a": {"b": 1}}, {"a": [2]}, {"a": [[2]]}, id="object_becomes_array"),
        pytest.param({"a": [2]}, {"a": {"b": 1}}, {"a": [{"b": 1}]}, id="array_becomes_object"),
        pytest.param({"a": {"b": 1}}, {"a": {}}, {"a": [{}]}, id="replaced_where_deletions_are_longer"),
        pytest.param([1, 2, 3], [1, 9, 3], {"1": 9}, id="item_changed"),
        pytest.param([1, 2, 3], [1, 2, 3, 4, 5], {"3-": [4, 5]}, id="items_appended"),
        pytest.param(list(range(9)), [0, 1, 2], {"3-": []}, id="items_cut_off"),
        pytest.param([1, 2, 3], [2, 3], [[2, 3]], id="array_replaced_where_that_is_shorter"),
        pytest.param([], [1], [[1]], id="empty_array_filled"),
        pytest.param([1], [], [[]], id="array_emptied"),
        pytest.param([1, [21, 22], 3], [1, [21, 5], 3], {"1": {"1": 5}}, id="array_within_array"),
        pytest.param([[1, 2, 3], "four", 5], [[1, 2, 3], [4], 5], {"1": [[4]]}, id="item_becomes_array"),
        pytest.param(
            ANCHORS,
            [[9, *ANCHORS[0][1:]], *ANCHORS[1:], [40]],
            {"0": {"0": 9}, "40-": [[40]]},
            id="item_changed_and_another_appended",
        ),
        pytest.param(
            list(range(20)), [*range(5), *range(6, 20)], {"5-": list(range(6, 20))}, id="item_taken_out"
        ),
        pytest.param(
            list(range(9)), [7, *range(1, 7), 99, 7, 8], {"0": 7, "7-": [99, 7, 8]}, id="changed_and_put_in"
        ),
        pytest.param({"0": 1, "1-": [2]}, {"1-": [2], "[]": 3}, {"[]": 3, "0": []}, id="keys_like_markers"),
        pytest.param({"a": 1, "": 1}, {"a": 1, "": 2}, {"": 2}, id="empty_key_changed"),
        pytest.param({"a": 1}, {"a": 1.0}, {"a": 1.0}, id="integer_becomes_float"),
        pytest.param({"a": 0.0}, {"a": -0.0}, {"a": -0.0}, id="zero_changes_sign"),
        pytest.param(
            {"a": 1, "b": 0}, {"a": True, "b": False}, {"a": True, "b": False}, id="number_or_truth"
        ),
        pytest.param({"a": 2**64}, {"a": 2**64 + 1}, {"a": 2**64 + 1}, id="integers_beyond_64_bits"),
        pytest.param("short", "shore", ["shore"], id="short_text_is_replaced"),
        pytest.param("a" * 80, "a" * 40 + "bc" + "a" * 39, ["40=1-2+bc|39=", 0, 2], id="text_patched"),
        pytest.param("a" * 80, "a" * 80 + "b", ["80=1+b|", 0, 2], id="text_lengthened"),
        pytest.param("a" * 80, "a" * 61, ["61=19-", 0, 2], id="text_shortened"),
        pytest.param("b" + "a" * 80, "a" * 80, ["1-80=", 0, 2], id="text_loses_its_start"),
        pytest.param(
            "é水🛶" * 9, "é水🛶" * 5 + "é水⛵" + "é水🛶" * 3, ["50=4-3+⛵|27=", 0, 2], id="text_in_bytes"
        ),
        pytest.param("é" * 80, "é" * 40 + "è" + "é" * 39, ["80=2-2+è|78=", 0, 2], id="no_half_characters"),
        pytest.param("|" * 80, "|" * 30 + "3+|" + "|" * 49, ["30=2+3+|50=", 0, 2], id="text_like_operations"),
        pytest.param("a" * 80, "b" * 80, ["b" * 80], id="text_replaced_where_a_patch_is_longer"),
    ],
)
def test_delta_has_the_form_that_the_format_requires(old: Any, new: Any, expected: Any) -> None:
    assert exact(delta.make(old, new)) == exact(expected)
    assert exact(delta.apply(old, expected)) == exact(new)


@pytest.mark.parametrize(
    ("old", "given_delta", "new"),
    [
        pytest.param({"a": 1}, {"a": [1, 2]}, {"a": 2}, id="replaced"),
        pytest.param({"a": 1, "b": 2}, {"a": [1, 0, 0]}, {"b": 2}, id="deleted"),
    ],
)
def test_deltas_of_json_diff_patch_are_applied(old: Any, given_delta: Any, new: Any) -> None:
    assert delta.apply(old, given_delta) == new


@settings(deadline=None)
@given(either | edited(any_values) | st.tuples(any_values, any_values))
@example(({"text": LONG}, {"text": LONG.replace("🛶", "🛥")}))
@example(({"text": "\ud83d" + LONG}, {"text": "\ud83d" + LONG + "."}))
@example(({"a": [["\ud83d", 1], 2, 3]}, {"a": [["\ud83d", 2], 3]}))
def test_applying_a_made_delta_returns_exactly_the_new_value(pair: tuple[Any, Any]) -> None:
    old, new = pair
    before = copy.deepcopy(pair)
    made = delta.make(old, new)
    assert exact(delta.apply(old, made)) == exact(new)
    assert exact(pair) == exact(before), "an argument was modified"


def test_new_keys_at_any_depth_are_in_the_order_of_canonical_json() -> None:
    old = bodies.canonical("x", {"bounds": {"b": 1, "d": {"z": 1}}, "epoch": 0})
    bounds = {"a": 2, "b": 1, "c": 0.5, "d": {"y": [{"q": 1, "p": 2}], "z": 1}}
    new = bodies.canonical("x", {"bounds": bounds, "epoch": 0})
    made = delta.make_json(old, new)
    assert made is not None
    assert delta.apply_json(old, made) == new


@settings(deadline=None)
@given(values)
def test_a_value_that_did_not_change_has_the_empty_delta(value: Any) -> None:
    assert delta.make(value, copy.deepcopy(value)) == {}


@settings(deadline=None)
@given(edited(documents))
def test_delta_of_documents_is_never_longer_than_the_new_document(pair: tuple[Any, Any]) -> None:
    old, new = (value if isinstance(value, dict) else {"value": value} for value in pair)
    made = delta.make_json(encode(old), encode(new))
    if made is not None:
        assert len(made) < len(encode(new))
        assert made.startswith(b"{")
        assert exact(msgspec.json.decode(delta.apply_json(encode(old), made))) == exact(new)


def test_delta_within_a_document_is_never_longer_than_replacing_the_part() -> None:
    old = {"sensors": {f"sensor-{n}": n for n in range(50)}, "anchors": ANCHORS, "text": LONG}
    new = {"sensors": {"sensor-7": 7}, "anchors": [*ANCHORS[1:], [1]], "text": LONG[::-1]}
    assert len(encode(delta.make(old, new))) <= len(encode(new)) + 2 * len(new)


def test_documents_with_nothing_in_common_have_no_delta() -> None:
    old, new = encode({"a": 1, "b": [2]}), encode({"c": 3})
    assert delta.make_json(old, new) is None


def test_overhead_of_naming_the_base_decides_whether_a_delta_is_made() -> None:
    old, new = encode({"a": "x" * 20, "b": 1}), encode({"a": "x" * 20, "b": 2})
    assert delta.make_json(old, new) == b'{"b":2}'
    assert delta.make_json(old, new, overhead=len(new) - 8) == b'{"b":2}'
    assert delta.make_json(old, new, overhead=len(new) - 7) is None


@pytest.mark.parametrize(
    ("old", "changes", "longest"),
    [
        pytest.param(EQUIPMENT, {"value": 63.25}, 20, id="equipment_value"),
        pytest.param(EQUIPMENT, {"state": "open", "value": None}, 40, id="equipment_state"),
        pytest.param(
            EQUIPMENT,
            {"value": 63.25, "time": "2026-03-01T12:00:10.123Z", "clock": 1244.5, "sequence": 1243},
            85,
            id="equipment_after_ten_seconds",
        ),
        pytest.param(ALARM, {"cleared": "2026-03-01T12:05:00Z"}, 40, id="alarm_cleared"),
        pytest.param(
            ALARM,
            {"acks": [*ALARM["acks"], {"who": "deck", "when": "2026-03-01T12:02:00Z"}]},
            65,
            id="alarm_acknowledged_by_another",
        ),
        pytest.param(
            {"type": "boot", "anchors": ANCHORS}, {"anchors": [*ANCHORS, [40, "t"]]}, 30, id="anchor_added"
        ),
        pytest.param(
            {"type": "note", "text": LONG}, {"text": LONG.replace("ten", "five")}, 40, id="note_corrected"
        ),
    ],
)
def test_typical_update_of_a_document_is_a_few_bytes(
    old: dict[str, Any], changes: dict[str, Any], longest: int
) -> None:
    new = old | changes
    made = delta.make_json(encode(old), encode(new))
    assert made is not None
    assert len(made) <= longest
    assert delta.apply_json(encode(old), made) == msgspec.json.encode(new, order="sorted")


def test_parts_are_shared_and_none_is_modified() -> None:
    old: dict[str, Any] = {"kept": [1, 2], "changed": {"a": [1], "b": 2}}
    new = delta.apply(old, {"changed": {"b": 3}})
    assert new["kept"] is old["kept"]
    assert new["changed"]["a"] is old["changed"]["a"]
    assert old == {"kept": [1, 2], "changed": {"a": [1], "b": 2}}


def test_depth_limit_of_deltas_covers_every_body_that_can_be_stored() -> None:
    assert delta.DEPTH_LIMIT >= bodies.DEPTH_LIMIT


@pytest.mark.parametrize("depth", [delta.DEPTH_LIMIT - 1, delta.DEPTH_LIMIT, delta.DEPTH_LIMIT + 1, 100_000])
@pytest.mark.parametrize("kind", ["object", "array"])
def test_nesting_beyond_the_limit_is_replaced_and_not_descended_into(kind: str, depth: int) -> None:
    old: Any = 1
    new: Any = 2
    for _ in range(depth):
        old, new = ({"a": old}, {"a": new}) if kind == "object" else ([old], [new])
    given_back = delta.apply(old, delta.make(old, new))
    for _ in range(depth):
        given_back = given_back["a"] if kind == "object" else given_back[0]
    assert given_back == 2
