"""Any input from a peer is either decoded to a message or rejected with a MessageError that has a reason."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.blip import RequestReceived, ResponseReceived
from sync.replication.checkpoint import Checkpoint
from sync.replication.messages import (
    DEFAULT,
    Addressing,
    ChangesReply,
    GetCheckpoint,
    GetCheckpointReply,
    GetCollections,
    GetCollectionsReply,
    GetRevReply,
    MessageError,
    Mode,
    ProposeChangesReply,
    ProveAttachment,
    ProveAttachmentReply,
    SetCheckpointReply,
    SubChanges,
    decode,
)
from tests.replication.builders import DIGEST, PARENT, REVISION, asked, letters, reply

PROFILES = [
    "getCheckpoint",
    "setCheckpoint",
    "getCollections",
    "subChanges",
    "changes",
    "proposeChanges",
    "rev",
    "norev",
    "getRev",
    "getAttachment",
    "proveAttachment",
    "putRev",
]
NAMES = (
    *("collection", "client", "rev", "since", "batch", "continuous", "filter", "channels", "versioning"),
    *(
        "activeOnly",
        "future",
        "id",
        "sequence",
        "deleted",
        "history",
        "deltaSrc",
        "noconflicts",
        "replacedRev",
    ),
    *("error", "reason", "digest", "docID", "compress", "ifNotRev", "maxHistory", "deltas", "blobs"),
    *("conflictIncludesRev", "sendReplacementRevs", "revocations"),
)
tokens = st.sampled_from(
    [
        "",
        "0",
        "1",
        "-1",
        "true",
        "null",
        "sync_gateway/bychannel",
        PARENT,
        REVISION,
        "2-5b1d,1-9c3a",
        ",",
        "[",
        DIGEST,
    ]
)
properties = st.dictionaries(st.sampled_from(NAMES), tokens | st.text(letters), max_size=8)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(letters, max_size=8) | tokens,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.sampled_from(
                ["docIDs", "collections", "checkpoint_ids", "status", "rev", "local", "localCompleted"]
            ),
            inner,
        )
    ),
    max_leaves=20,
)
bodies = st.binary(max_size=40) | values.map(lambda value: json.dumps(value).encode())


def outcome_of(read: Callable[[], Any]) -> Any:
    """Return the result of `read`, or the MessageError that it raises. Any other exception fails the test."""
    try:
        return read()
    except MessageError as error:
        return error


@given(st.sampled_from(PROFILES), properties, bodies, st.booleans())
def test_any_request_is_decoded_or_raises_a_message_error(
    profile: str, given_properties: dict[str, str], body: bytes, no_reply: bool
) -> None:
    event = RequestReceived(1, {"Profile": profile, **given_properties}, body, no_reply=no_reply)
    outcome = outcome_of(lambda: decode(event))
    if isinstance(outcome, MessageError):
        assert outcome.text
        assert outcome.code >= 400
    else:
        assert outcome.profile == profile


REPLIES: list[Callable[[ResponseReceived], Any]] = [
    lambda event: GetCheckpointReply.decode(event, DEFAULT),
    lambda event: SetCheckpointReply.decode(event, DEFAULT),
    lambda event: GetCollectionsReply.decode(event, DEFAULT, asked=2),
    lambda event: ChangesReply.decode(event, DEFAULT, asked=2),
    lambda event: ProposeChangesReply.decode(event, DEFAULT, asked=2),
    lambda event: GetRevReply.decode(event, DEFAULT),
    lambda event: ProveAttachmentReply.decode(event, DEFAULT),
    lambda event: Checkpoint.decode(event.body),
]


@given(st.sampled_from(REPLIES), properties, bodies)
def test_any_reply_is_decoded_or_raises_a_message_error(
    read: Callable[[ResponseReceived], Any], given_properties: dict[str, str], body: bytes
) -> None:
    outcome = outcome_of(lambda: read(ResponseReceived(1, given_properties, body)))
    assert not isinstance(outcome, MessageError) or outcome.text


LONG = "x" * 70_000
DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (asked("getCheckpoint"), "'client' is missing"),
        (asked("getCheckpoint", client=LONG), "more than 255 bytes"),
        (asked("getCheckpoint", client="c", collection="one"), "'collection' is 'one'"),
        (asked("getCheckpoint", client="c", collection="-1"), "whole number from 0"),
        (asked("setCheckpoint", b"[]", client="c"), "body of setCheckpoint is malformed"),
        (asked("setCheckpoint", b"{" + b" " * 300_000 + b"}", client="c"), "more than 262144 bytes"),
        (asked("getCollections", b'{"collections":["a"],"checkpoint_ids":[]}'), "1 collections, but 0"),
        (asked("getCollections", b'{"collections":[],"checkpoint_ids":[]}'), "0 collections"),
        (asked("getCollections", b'{"collections":["a","a"],"checkpoint_ids":["1","2"]}'), "listed twice"),
        (
            asked("getCollections", b'{"collections":["a b"],"checkpoint_ids":["1"]}'),
            "not a collection name",
        ),
        (
            asked("getCollections", b'{"collections":["a"],"checkpoint_ids":[""]}'),
            "checkpoint id' is missing",
        ),
        (asked("subChanges", since="5::7"), "'since' is not JSON"),
        (asked("subChanges", since="[" * 900), "'since' is not JSON"),
        (asked("subChanges", since=f'"{LONG}"'), "'since' has more than 1024 bytes"),
        (asked("subChanges", batch="0"), "'batch' is '0'"),
        (asked("subChanges", batch="٣"), "whole number"),
        (asked("subChanges", continuous="perhaps"), "'continuous' is 'perhaps'"),
        (asked("subChanges", filter="sync_gateway/bychannel"), "requires 'channels'"),
        (asked("subChanges", filter="mine", channels="a"), "'channels' is only allowed with"),
        (asked("subChanges", filter="mine", word=LONG), "'word' has more than 4096 bytes"),
        (asked("subChanges", b'{"docIDs":[""]}'), "does not have 1 to 255 bytes"),
        (asked("subChanges", b'{"docIDs":[1]}'), "body of subChanges is malformed"),
        (asked("changes"), "body of changes is malformed"),
        (asked("changes", DEEP), "body of changes is malformed"),
        (asked("changes", b'[["\xff","a","1-9c3a"]]'), "'sequence' is not JSON"),
        (asked("changes", b'[[null,"a","1-9c3a"]]'), "'sequence' is null"),
        (asked("changes", b'[[1,"a\\u0000","1-9c3a"]]'), "contains a NUL"),
        (asked("changes", b'[[1,"a","9c3a"]]'), "is not a revision id"),
        (asked("changes", b'[[1,"a","5f@abc"]]'), "is not a revision id"),
        (asked("changes", b'[[1,"a","1-9c3a",8]]'), "unknown deletion flag"),
        (asked("proposeChanges", b'[["a"]]'), "body of proposeChanges is malformed"),
        (asked("rev", b"{}", id="a"), "no 'rev'"),
        (asked("rev", id="a", rev=PARENT), "the body is empty"),
        (asked("rev", b"{}", id=LONG, rev=PARENT), "does not have 1 to 255 bytes"),
        (asked("rev", b"{}", id="a", rev=PARENT, history=REVISION), "is not older"),
        (asked("rev", b"{}", id="a", rev=REVISION, history="," * 5000), "more than 1000 revisions"),
        (asked("rev", b"{}", id="a", rev=REVISION, history=f"{PARENT},"), "not a revision id"),
        (asked("rev", b"{}", id="a", rev=REVISION, deltaSrc="old"), "'old' is not a revision id"),
        (asked("norev", error="404"), "does not identify the revision"),
        (asked("norev", id="a", rev=PARENT, error="many"), "'error' is 'many'"),
        (asked("getRev"), "'id' is missing"),
        (asked("getAttachment", digest="md5-1"), "not a digest"),
        (asked("getAttachment", digest=DIGEST, docID=LONG), "does not have 1 to 255 bytes"),
        (asked("proveAttachment", digest=DIGEST), "the nonce has 0 bytes"),
        (asked("proveAttachment", bytes(256), digest=DIGEST), "the nonce has 256 bytes"),
    ],
)
def test_malformed_request_is_a_400_or_413_that_states_what_is_wrong(
    event: RequestReceived, words: str
) -> None:
    with pytest.raises(MessageError) as caught:
        decode(event)
    assert words in caught.value.text
    assert len(caught.value.text) < 300
    assert (caught.value.domain, caught.value.code) in [("HTTP", 400), ("HTTP", 413)]


def test_a_list_over_the_limit_is_refused() -> None:
    few = replace(DEFAULT, batch=2, document_ids=2, channels=2, collections=2)
    three = b'[[1,"a","1-9c3a"],[2,"b","1-9c3a"],[3,"c","1-9c3a"]]'
    events = [
        asked("changes", three),
        asked("proposeChanges", b'[["a","1-9c3a"],["b","1-9c3a"],["c","1-9c3a"]]'),
        asked("subChanges", b'{"docIDs":["a","b","c"]}'),
        asked("subChanges", filter="sync_gateway/bychannel", channels="a,b,c"),
        asked("subChanges", filter="mine", a="1", b="2", c="3"),
        asked("getCollections", b'{"collections":["a","b","c"],"checkpoint_ids":["1","2","3"]}'),
    ]
    for event in events:
        assert decode(event)
        with pytest.raises(MessageError, match="the limit is 2"):
            decode(event, few)


def test_batch_over_the_limit_is_reduced_to_it() -> None:
    assert decode(asked("subChanges", batch="999999")) == SubChanges(batch=DEFAULT.batch)


@pytest.mark.parametrize("body", [b"[0,0,0]", b"[[],[],[]]", b'["1-9c3a"]', b"[7]", b"[[7]]", b"{}", b"[0"])
def test_a_malformed_answer_is_refused(body: bytes) -> None:
    with pytest.raises(MessageError):
        ChangesReply.decode(reply(body), DEFAULT, asked=2)


@pytest.mark.parametrize(
    "body", [b"[0,0,0]", b"[[]]", b'[{"rev":"1-9c3a"}]', b'[{"status":409,"rev":"x"}]', b"[-1]"]
)
def test_a_malformed_verdict_is_refused(body: bytes) -> None:
    with pytest.raises(MessageError):
        ProposeChangesReply.decode(reply(body), DEFAULT, asked=2)


def test_reply_about_collections_that_were_not_requested_is_refused() -> None:
    with pytest.raises(MessageError, match="1 items, not 2"):
        GetCollectionsReply.decode(reply(b"[{}]"), DEFAULT, asked=2)


def test_unknown_profile_is_a_404_in_the_blip_domain() -> None:
    with pytest.raises(MessageError) as caught:
        decode(asked("putRev"))
    assert (caught.value.domain, caught.value.code) == ("BLIP", 404)


def test_unsupported_form_of_revision_ids_is_a_501_of_litecore() -> None:
    with pytest.raises(MessageError) as caught:
        decode(asked("subChanges", versioning="hashes"))
    assert (caught.value.domain, caught.value.code) == ("LiteCore", 501)


@pytest.mark.parametrize("channel", ["", "a,b"])
def test_channel_with_a_comma_cannot_be_sent(channel: str) -> None:
    with pytest.raises(ValueError, match="contain a comma"):
        SubChanges(channels=("notes", channel)).encode()


def test_parameter_cannot_be_mistaken_for_a_property() -> None:
    with pytest.raises(ValueError, match="name of a subChanges property"):
        SubChanges(filter="mine", parameters={"since": "5"}).encode()


@pytest.mark.parametrize("size", [15, 256])
def test_nonce_must_have_the_length_required_by_the_protocol(size: int) -> None:
    with pytest.raises(ValueError, match="16 to 255"):
        ProveAttachment(DIGEST, bytes(size)).encode()


def test_first_message_can_select_the_default_collection() -> None:
    addressing = Addressing()
    addressing.admit(GetCheckpoint("c"))
    assert addressing.mode is Mode.DEFAULT
    addressing.admit(SubChanges())
    with pytest.raises(MessageError, match="only if getCollections was"):
        addressing.admit(SubChanges(collection=0))
    with pytest.raises(MessageError, match="must be the first"):
        addressing.admit(GetCollections(("a",), ("c",)))


def test_first_message_can_select_collections() -> None:
    addressing = Addressing()
    addressing.admit(GetCollections(("a", "b"), ("1", "2")))
    assert addressing.mode is Mode.COLLECTIONS
    addressing.admit(SubChanges(collection=1))
    with pytest.raises(MessageError, match="collection 2 of 2"):
        addressing.admit(SubChanges(collection=2))
    with pytest.raises(MessageError, match="each message needs"):
        addressing.admit(SubChanges())
    with pytest.raises(MessageError, match="must be the first"):
        addressing.admit(GetCollections(("a",), ("c",)))


def test_collection_before_the_mode_is_selected_is_refused_and_selects_nothing() -> None:
    addressing = Addressing()
    with pytest.raises(MessageError, match="only if getCollections was"):
        addressing.admit(SubChanges(collection=0))
    assert addressing.mode is Mode.UNDECIDED
