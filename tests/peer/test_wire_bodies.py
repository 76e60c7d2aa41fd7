"""Blobs, attachments and reserved keys are converted between stored bodies and bodies in messages."""

import contextlib
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.peer.wire_bodies import (
    PATH_LIMIT,
    BlobInfo,
    blobs_in,
    delta_base,
    from_peer,
    may_hold_blobs,
    to_gateway,
)
from sync.replication.errors import MessageError
from tests.store.builders import json_objects, json_values

ONE = "sha1-" + "A" * 27 + "="
TWO = "sha1-" + "B" * 27 + "="

blobs = st.fixed_dictionaries(
    {"@type": st.just("blob"), "digest": st.sampled_from([ONE, TWO])},
    optional={"length": json_values, "content_type": json_values},
)
bodies = st.recursive(
    json_objects | blobs,
    lambda inner: st.dictionaries(
        st.text("a~/1 é", min_size=1, max_size=3), inner | st.lists(inner), max_size=3
    ),
    max_leaves=6,
).filter(lambda body: isinstance(body, dict) and body.get("@type") != "blob")


def blob(digest: str = ONE, **more: Any) -> dict[str, Any]:
    return {"@type": "blob", "digest": digest, "length": 5, "content_type": "image/jpeg"} | more


def raw(body: Any) -> bytes:
    return json.dumps(body).encode()


def pointed(body: Any, pointer: str) -> Any:
    for part in pointer[1:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        body = body[int(key)] if isinstance(body, list) else body[key]
    return body


def test_blobs_are_found_at_any_depth_with_their_paths() -> None:
    body = {"photo": blob(), "log": [1, {"a/b~c": blob(TWO, length=7, content_type=None)}]}
    assert blobs_in(body) == {
        ONE: BlobInfo(5, "image/jpeg", "/photo"),
        TWO: BlobInfo(7, None, "/log/1/a~1b~0c"),
    }


def test_object_without_a_valid_digest_is_not_a_blob() -> None:
    for digest in ("", "sha1-", "md5-" + "A" * 27 + "=", ONE + "\n", 5, None, [ONE]):
        assert blobs_in({"photo": {"@type": "blob", "digest": digest}}) == {}


def test_first_of_several_paths_to_one_blob_is_reported() -> None:
    assert blobs_in({"b": blob(), "a": blob()})[ONE].path == "/b"


def test_hostile_lengths_and_types_count_as_unknown() -> None:
    hostile: list[Any] = [-1, 1.5, True, "5", None, [], {}]
    for length in hostile:
        assert blobs_in({"x": blob(length=length, content_type=[1])})[ONE] == BlobInfo(None, None, "/x")


def test_blob_below_the_depth_limit_is_not_found() -> None:
    body: Any = blob()
    for _ in range(100):
        body = {"x": body}
    assert blobs_in(body) == {}


def test_long_keys_over_many_blobs_do_not_make_long_paths() -> None:
    body = {"k" * 100_000: [blob(f"sha1-{number:027d}=") for number in range(2000)]}
    found = blobs_in(body)
    assert len(found) == 2000
    assert {info.path for info in found.values()} == {""}
    assert to_gateway(raw(body)) == raw(body)
    at_limit = {"k" * (PATH_LIMIT - 1): blob()}
    assert b"_attachments" in to_gateway(raw(at_limit))


@pytest.mark.parametrize(
    "text", [b'{"p":{"@type":"blob"}}', b'{"p":{"\\u0040type":"blob"}}', b'{"p":{"@type":"\\u0062lob"}}']
)
def test_body_with_a_blob_is_parsed_however_it_is_written(text: bytes) -> None:
    assert may_hold_blobs(text)


def test_body_without_a_blob_is_not_parsed() -> None:
    assert not may_hold_blobs(b'{"type":"reading","text":"a blob\\n"}')


@given(bodies, st.data())
def test_escapes_do_not_hide_a_blob(body: dict[str, Any], data: st.DataObject) -> None:
    text = raw(body).decode()
    for word in ('"@type"', '"blob"', '"digest"'):
        at = data.draw(st.integers(1, len(word) - 2))
        text = text.replace(word, word[:at] + f"\\u{ord(word[at]):04x}" + word[at + 1 :])
    assert from_peer(text.encode()).blobs == blobs_in(body)


def test_gateway_is_sent_blobs_as_attachments_too() -> None:
    body = {"type": "note", "log": [blob(extra="kept", stub=False)], "photo": blob(TWO)}
    shown = json.loads(to_gateway(raw(body), 3))
    assert shown.pop("_attachments") == {
        "blob_/log/0": {
            "digest": ONE,
            "length": 5,
            "content_type": "image/jpeg",
            "extra": "kept",
            "stub": True,
            "revpos": 3,
        },
        "blob_/photo": {
            "digest": TWO,
            "length": 5,
            "content_type": "image/jpeg",
            "stub": True,
            "revpos": 3,
        },
    }
    assert shown == body


@pytest.mark.parametrize("text", [b'{"a" : 1}', b"{}", b'{"@type":"x","b":"blob"}', b'{"a":"\\u0001"}'])
def test_body_without_blobs_is_sent_to_a_gateway_unchanged(text: bytes) -> None:
    assert to_gateway(text) == text


@given(bodies)
def test_body_sent_to_a_gateway_is_restored_when_it_is_returned(body: dict[str, Any]) -> None:
    shown = to_gateway(raw(body), 2)
    incoming = from_peer(shown)
    assert json.loads(incoming.raw) == body
    assert incoming.blobs == blobs_in(body)
    assert not incoming.removed
    attachments = json.loads(shown).get("_attachments", {})
    assert {entry["digest"] for entry in attachments.values()} == set(blobs_in(body))
    for name, entry in attachments.items():
        assert pointed(body, name.removeprefix("blob_"))["digest"] == entry["digest"]


@pytest.mark.parametrize("text", [b"{}", b'{ "a" : 1.50, "b": "\\n" }', b'{"a_":"x_"}', b'{"a":{"b":["c"]}}'])
def test_body_without_reserved_keys_is_unchanged(text: bytes) -> None:
    assert from_peer(text).raw is text


def test_reserved_key_below_the_top_level_is_kept() -> None:
    text = b'{ "a":{"_b":1}, "c":"_d" }'
    assert from_peer(text).raw is text


def test_reserved_keys_are_removed_and_all_other_text_is_unchanged() -> None:
    text = b'{"_id":"x","a":1.50,"_rev":"1-a","b":[ 1 ],"_deleted":true,"c":12345678901234567890}'
    assert from_peer(text).raw == b'{"a":1.50,"b":[ 1 ],"c":12345678901234567890}'


def test_escaped_reserved_key_is_removed_too() -> None:
    assert from_peer(b'{"\\u005fid":"x","a":1}').raw == b'{"a":1}'
    assert from_peer(b'{"\\u005Fremoved":true}').removed


@pytest.mark.parametrize("space", [b" ", b"\n", b"\t\r\n"])
def test_white_space_before_the_body_changes_nothing(space: bytes) -> None:
    assert from_peer(space + b'{"_id":1,"a":2}').raw == b'{"a":2}'
    assert from_peer(space + b'{"a":2}').raw == space + b'{"a":2}'


@pytest.mark.parametrize(
    ("value", "removed"), [("true", True), ("false", False), ("null", False), ("1", False), ('"true"', False)]
)
def test_a_document_that_left_the_channels_is_flagged(value: str, removed: bool) -> None:
    incoming = from_peer(b'{"_id":"x","_removed": ' + value.encode() + b" }")
    assert (incoming.removed, incoming.raw) == (removed, b"{}")


def test_an_attachment_that_a_gateway_changed_changes_its_blob() -> None:
    body = {
        "log": [0, blob(caption="mast")],
        "_attachments": {"blob_/log/1": {"digest": TWO, "length": 9, "revpos": 3, "stub": True, "@type": 5}},
    }
    incoming = from_peer(raw(body))
    assert json.loads(incoming.raw) == {
        "log": [0, {"@type": "blob", "digest": TWO, "length": 9, "caption": "mast"}]
    }
    assert incoming.blobs == {TWO: BlobInfo(9, None, "/log/1")}


def test_attachments_that_are_not_blobs_of_the_body_are_kept() -> None:
    body = {
        "photo": blob(),
        "_attachments": {
            "chart.png": {"digest": ONE, "stub": True},
            "blob_/photo": {"digest": ONE},
            "blob_/gone": {"digest": ONE},
            "blob_/photo/digest": {"digest": ONE},
            "blob_": {"digest": ONE},
            "blob_1": {"digest": ONE},
            "blob_/_attachments/chart.png": {"digest": TWO},
            "nothing": 5,
            "nowhere": {"digest": "x"},
            "inline": {"digest": TWO, "data": "AAAA", "follows": True, "length": 3, "more": [1]},
        },
    }
    incoming = from_peer(raw(body))
    assert json.loads(incoming.raw) == {
        "photo": blob(),
        "_attachments": {
            "chart.png": {"digest": ONE, "stub": True},
            "blob_/gone": {"digest": ONE},
            "blob_/photo/digest": {"digest": ONE},
            "blob_": {"digest": ONE},
            "blob_/_attachments/chart.png": {"digest": TWO},
            "inline": {"digest": TWO, "length": 3},
        },
    }


def test_attachments_that_are_not_blobs_of_the_body_are_fetched_and_sent_to_a_gateway() -> None:
    chart = {"digest": TWO, "length": 9, "content_type": "image/png", "revpos": 1, "stub": True}
    body = {"photo": blob(), "_attachments": {"chart.png": chart}}
    incoming = from_peer(raw(body))
    assert incoming.blobs == {
        ONE: BlobInfo(5, "image/jpeg", "/photo"),
        TWO: BlobInfo(9, "image/png", "/_attachments/chart.png"),
    }
    shown = json.loads(to_gateway(incoming.raw, 4))
    assert shown["_attachments"].keys() == {"chart.png", "blob_/photo"}
    assert shown["_attachments"]["chart.png"] == chart | {"revpos": 4}
    assert json.loads(from_peer(raw(shown)).raw) == body | {
        "_attachments": {"chart.png": chart | {"revpos": 4}}
    }


@pytest.mark.parametrize("digest", ["x", 5, None, ""])
def test_an_attachment_with_a_malformed_digest_does_not_change_its_blob(digest: object) -> None:
    incoming = from_peer(raw({"photo": blob(), "_attachments": {"blob_/photo": {"digest": digest}}}))
    assert json.loads(incoming.raw) == {"photo": blob()}


@given(st.dictionaries(st.sampled_from(["_attachments", "_id", "_removed", "a", "b"]), json_values | bodies))
def test_rest_of_the_body_is_kept_whatever_reserved_keys_contain(body: dict[str, Any]) -> None:
    kept = {key: value for key, value in body.items() if key[0] != "_"}
    came = json.loads(from_peer(raw(body)).raw)
    came.pop("_attachments", None)
    assert came == kept


@given(
    st.dictionaries(
        st.sampled_from(["blob_/a", "blob_/a/0", "blob_/b/x", "blob_/a/-1", "blob_/a/1e9", "c", "blob_0"]),
        json_values | blobs,
    ),
    json_values | blobs | st.lists(blobs),
    json_values | blobs,
)
def test_hostile_attachments_raise_nothing_and_leave_only_what_can_be_stored(
    entries: Any, a: Any, b: Any
) -> None:
    incoming = from_peer(raw({"a": a, "b": {"x": b}, "_attachments": entries}))
    came = json.loads(incoming.raw)
    assert came.keys() - {"_attachments"} == {"a", "b"}
    for entry in came.get("_attachments", {}).values():
        assert entry["digest"] in incoming.blobs


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"null",
        b'"_"',
        b'{"_a":1',
        b'{"_a":1}x',
        b"\xff",
        b'{"_\xff":1}',
        b'{"_a":' + b"[" * 100_000,
    ],
)
def test_input_that_is_not_a_json_object_is_refused_with_a_message(text: bytes) -> None:
    with pytest.raises(MessageError, match="not a JSON object"):
        from_peer(text)


@given(st.binary(max_size=40) | st.text('{}[]":,_a\\u05f@type blob0', max_size=40).map(str.encode))
def test_any_bytes_yield_a_body_or_a_message_error(text: bytes) -> None:
    functions: list[Callable[[bytes], object]] = [
        from_peer,
        to_gateway,
        lambda delta: delta_base(b'{"_attachments":{}}', delta),
    ]
    for function in functions:
        with contextlib.suppress(MessageError):
            function(text)


@pytest.mark.parametrize(
    ("delta", "is_shown"),
    [
        (b'{"a":1}', False),
        (b'{"_attachments":{"blob_/a":[]}}', True),
        (b'{"\\u005fattachments":[]}', True),
        (b'{"a":{"_attachments":1}}', False),
        (b"[]", False),
        (b'{"_attachments":{"chart.png":[]}}', False),
        (b'{"_attachments":{"chart.png":{"length":7},"blob_/photo":{"digest":"x"}}}', True),
    ],
)
def test_delta_of_a_blobs_attachment_is_based_on_the_gateways_version(delta: bytes, is_shown: bool) -> None:
    base = raw({"photo": blob(), "_attachments": {"chart.png": {"digest": TWO}}})
    assert delta_base(base, delta) == (to_gateway(base) if is_shown else base)


def test_delta_of_the_first_plain_attachment_is_based_on_the_gateways_version() -> None:
    base = raw({"photo": blob()})
    assert delta_base(base, b'{"_attachments":{"chart.png":[{}]}}') == to_gateway(base)


def test_blob_is_compressible_unless_its_type_is_already_compressed() -> None:
    for kind, worth in {
        "text/plain": True,
        "image/svg+xml": True,
        "image/jpeg": False,
        "application/gzip": False,
        "application/octet-stream": True,
    }.items():
        assert BlobInfo(1, kind, "/a").is_compressible is worth
    assert BlobInfo(1, None, "/a").is_compressible


def test_an_incoming_body_can_be_compared_and_shared() -> None:
    assert from_peer(b"{}") == from_peer(b"{}")
    with pytest.raises(AttributeError):
        from_peer(b"{}").raw = b""  # type: ignore[misc]
    assert msgspec.json.decode(from_peer(b"{}").raw) == {}
