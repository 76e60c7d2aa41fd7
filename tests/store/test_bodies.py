"""Document bodies are validated before they are stored, and have a canonical form."""

import json
import math
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given

from sync.store import DocumentError, bodies

from .builders import json_objects


@pytest.mark.parametrize(
    ("number", "text"),
    # RFC 8785, appendix B, and ECMAScript's Number.prototype.toString
    [
        (0.0, "0"),
        (-0.0, "0"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (9007199254740992.0, "9007199254740992"),
        (295147905179352830000.0, "295147905179352830000"),
        (9.999999999999997e22, "9.999999999999997e+22"),
        (1e23, "1e+23"),
        (1e21, "1e+21"),
        (999999999999999900000.0, "999999999999999900000"),
        (0.000001, "0.000001"),
        (1e-7, "1e-7"),
        (333333333.33333329, "333333333.3333333"),
        (1424953923781206.2, "1424953923781206.2"),
        (1.0, "1"),
        (4.5, "4.5"),
        (0.002, "0.002"),
    ],
)
def test_numbers_are_written_as_in_rfc_8785(number: float, text: str) -> None:
    assert bodies.canonical("d", {"n": number}) == b'{"n":' + text.encode() + b"}"


def test_keys_are_sorted_by_utf_16_units_as_in_rfc_8785() -> None:
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    wanted = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    assert list(json.loads(bodies.canonical("d", dict.fromkeys(keys, 0)))) == wanted


def test_strings_are_escaped_as_in_rfc_8785() -> None:
    text = '\u20ac$\u000f\nA\'B"\\\\"/\u2028\u007f'
    assert bodies.canonical("d", {"s": text}).decode() == (
        '{"s":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/\u2028\u007f"}'
    )


@given(json_objects)
def test_canonical_form_has_the_same_meaning_and_is_its_own_canonical_form(body: dict[str, Any]) -> None:
    raw = bodies.canonical("d", body)
    assert json.loads(raw, parse_int=float) == json.loads(json.dumps(body), parse_int=float)
    bodies.accept("d", raw)
    assert bodies.recanonical("d", raw) == raw
    assert bodies.canonical("d", bodies.decode("d", raw)) == raw
    assert bodies.canonical("d", dict(reversed(list(body.items())))) == raw


@given(json_objects)
@example({"a": [1.0, -1.0, 0.0, [2.0]], "b": {"c": 3.0}, ".0,": ".0]", "d": "1.0}"})
@example({"a": -0.0})
@example({"a": [-0.05, -0.0]})
@example({"a": 1e-7, "b": 1e-5, "c": 1e16, "d": 1e21})
@example({"a": 0.1234567890123456, "b": 123456789012345.6, "c": 1234567890123456.0})
@example({"a": True, "b": None, "c": False, "d": 2**53 - 1, "e": 1 - 2**53})
@example({"\u20ac": 1, "\ufb33": 1, "\U0001f600": 1})
@example({"a": 'q"\\\n\u000f', 'b"': 1.0})
def test_canonical_form_equals_the_reference_implementations(body: dict[str, Any]) -> None:
    try:
        wanted = rfc8785.dumps(body)
    except rfc8785.IntegerDomainError:
        assert bodies._fast_canonical(body) is None
        return
    assert bodies._fast_canonical(body) in (None, wanted)
    assert bodies.canonical("d", body) == wanted


def test_readings_are_encoded_by_the_fast_path() -> None:
    body: dict[str, Any] = {
        "clock": 12.0,
        "log": "q3e5",
        "samples": [[0, 0.1234567890123456], [1000, -1.5], [2000, None]],
    }
    assert bodies._fast_canonical(body) == rfc8785.dumps(body)


@pytest.mark.parametrize(
    "body", [{"a": {1: 2}}, {"a": (1, 2)}, {"a": [math.nan]}, {"a": 2**53}, {"a": "\ud800"}]
)
def test_values_that_the_fast_path_would_convert_use_the_reference_path(body: dict[str, Any]) -> None:
    assert bodies._fast_canonical(body) is None


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"_id": "x"}, "_id"),
        ({"n": math.nan}, "nan"),
        ({"n": math.inf}, "inf"),
        ({"n": 2**53 + 1}, "9007199254740993"),
        ({"n": [-(2**53) - 1]}, "9007199254740993"),
        ({"n": 12345678901234567890}, "12345678901234567890"),
        ({"n": 10**400}, "10000"),
        ({1: "x"}, "strings"),
        ({"b": b"bytes"}, "bytes"),
        ({"s": "\ud800"}, "UTF-8"),
    ],
)
def test_body_that_json_cannot_represent_is_refused_with_the_reason(body: dict[str, Any], says: str) -> None:
    with pytest.raises(DocumentError, match=says) as caught:
        bodies.canonical("note:argo:1", body)
    assert str(caught.value).startswith("note:argo:1: ")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"1",
        b"{",
        b'{"a":NaN}',
        b'{"a":1e999}',
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"_rev":"1-a"}',
        b'{"\\u005frev":"1-a"}',
        b'{"a":9007199254740993}',
        b'{"a":[{"b":-12345678901234567890}]}',
        b"\xef\xbb\xbf{}",
        b'{"a":1}x',
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_json_text_that_is_not_a_body_is_refused(raw: bytes) -> None:
    with pytest.raises(DocumentError):
        bodies.accept("d", raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b' { "a" : 1 } ',
        b'{"a":9007199254740991}',
        b'{"a":9007199254740992}',
        b'{"a":295147905179352830000}',
        b'{"a":9007199254740993.5}',
        b'{"a":"12345678901234567890"}',
        b'{"a":0.30000000000000004}',
        b'{"a":{"_id":1}}',
        b'{"":1}',
    ],
)
def test_json_text_of_a_body_is_accepted(raw: bytes) -> None:
    bodies.accept("d", raw)


@pytest.mark.parametrize(
    "nest", [lambda inner: [inner], lambda inner: {"a": inner}], ids=["arrays", "objects"]
)
def test_depth_is_limited_to_64(nest: Any) -> None:
    value: Any = 1
    for _ in range(bodies.DEPTH_LIMIT - 1):
        value = nest(value)
    assert bodies.canonical("d", {"v": value})
    with pytest.raises(DocumentError, match="deeper than 64"):
        bodies.canonical("d", {"v": nest(value)})
    with pytest.raises(DocumentError, match="deeper than 64"):
        bodies.accept("d", json.dumps({"v": nest(value)}).encode())


def test_body_that_contains_itself_is_refused() -> None:
    body: dict[str, Any] = {}
    body["self"] = body
    with pytest.raises(DocumentError, match="nested"):
        bodies.canonical("d", body)


def test_size_is_limited() -> None:
    raw = b'{"a":"' + b"x" * bodies.SIZE_LIMIT + b'"}'
    with pytest.raises(DocumentError, match="more than"):
        bodies.accept("d", raw)
    with pytest.raises(DocumentError, match="more than"):
        bodies.canonical("d", {"a": "x" * bodies.SIZE_LIMIT})


@pytest.mark.parametrize("document_id", ["", "_design/x", "a\0b", "x" * 251, "\u20ac" * 84, "\ud800"])
def test_id_that_other_implementations_could_not_store_is_refused(document_id: str) -> None:
    with pytest.raises(DocumentError, match="document id"):
        bodies.check_id(document_id)


@pytest.mark.parametrize(
    "document_id", ["a", "reading:argo:rpm:abcdef:000000000001", "x" * 250, "\u20ac" * 83]
)
def test_ordinary_id_is_accepted(document_id: str) -> None:
    bodies.check_id(document_id)
