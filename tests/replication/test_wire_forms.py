"""Encoded messages match, byte for byte, the protocol's documentation and Couchbase's implementations."""

import base64
import hashlib
from typing import cast

import pytest

from sync.blip import ErrorReceived, RequestReceived
from sync.replication.messages import (
    DEFAULT,
    SEND,
    AnnouncedChange,
    Changes,
    ChangesReply,
    CollectionCheckpoint,
    DeliveryTerms,
    EncodedMessage,
    Failure,
    GetCheckpoint,
    GetCollections,
    GetCollectionsReply,
    MessageError,
    NoRev,
    Proposal,
    ProposalAnswer,
    ProposeChanges,
    ProposeChangesReply,
    RemovalFlags,
    Rev,
    SetCheckpoint,
    SubChanges,
    decode,
    proof,
)
from tests.blip.wire import Wire
from tests.replication.builders import PARENT, REVISION, asked, reply


def test_get_checkpoint_is_encoded() -> None:
    assert GetCheckpoint("cp-1").encode() == EncodedMessage({"Profile": "getCheckpoint", "client": "cp-1"})


def test_set_checkpoint_names_the_revision_that_it_replaces() -> None:
    assert "rev" not in SetCheckpoint("cp-1", b"{}").encode().properties
    assert SetCheckpoint("cp-1", b"{}", "0-3", 2).encode() == EncodedMessage(
        {"Profile": "setCheckpoint", "collection": "2", "client": "cp-1", "rev": "0-3"}, b"{}"
    )


def test_revision_that_a_gateway_repeats_in_a_checkpoint_is_removed() -> None:
    body = b'{"_rev":"0-3","config_hash":"x","last_sequence":"7"}'
    event = asked("setCheckpoint", body, client="cp-1", rev="0-3")
    assert SetCheckpoint.decode(event, DEFAULT) == SetCheckpoint(
        "cp-1", b'{"config_hash":"x","last_sequence":"7"}', "0-3"
    )


def test_get_collections_is_encoded() -> None:
    request = GetCollections(("_default", "sea.logs"), ("cp-1", "cp-2"))
    assert request.encode() == EncodedMessage(
        {"Profile": "getCollections"},
        b'{"collections":["_default","sea.logs"],"checkpoint_ids":["cp-1","cp-2"]}',
    )


def test_get_collections_reply_distinguishes_missing_checkpoint_and_missing_collection() -> None:
    sent = GetCollectionsReply((CollectionCheckpoint("1-cc", b'{"local":5}'), CollectionCheckpoint(), None))
    assert sent.encode().body == b'[{"local":5,"rev":"1-cc","_rev":"1-cc"},{},null]'
    theirs = reply(b'[{"local":5,"_rev":"0-1"},{},null]')
    assert GetCollectionsReply.decode(theirs, DEFAULT, asked=3).checkpoints == (
        CollectionCheckpoint("0-1", b'{"local":5}'),
        CollectionCheckpoint(),
        None,
    )


def test_subscription_to_channels_has_couchbase_lites_form() -> None:
    request = SubChanges(
        since='"5::7"', batch=200, continuous=True, send_replacements=True, channels=("alarms", "notes")
    )
    assert request.encode() == EncodedMessage(
        {
            "Profile": "subChanges",
            "since": '"5::7"',
            "batch": "200",
            "continuous": "true",
            "sendReplacementRevs": "true",
            "versioning": "rev-trees",
            "filter": "sync_gateway/bychannel",
            "channels": "alarms,notes",
        }
    )
    theirs = asked(
        "subChanges",
        since="7",
        batch="200",
        sendReplacementRevs="1",
        versioning="rev-trees",
        revocations="true",
        filter="sync_gateway/bychannel",
        channels="alarms,notes",
    )
    assert decode(theirs) == SubChanges(
        since="7", batch=200, send_replacements=True, revocations=True, channels=("alarms", "notes")
    )


def test_subscription_to_documents_names_them_in_the_body_and_ignores_other_properties() -> None:
    assert SubChanges(document_ids=("a", "b")).encode().body == b'{"docIDs":["a","b"]}'
    request = decode(asked("subChanges", b'{"docIDs":["a"],"else":[1]}', client_sgr2="true"))
    assert request == SubChanges(document_ids=("a",), is_gateway=True)


def test_changes_omit_unneeded_fields() -> None:
    changes = (
        AnnouncedChange("1", "a", PARENT),
        AnnouncedChange('"7:8"', "b", REVISION, RemovalFlags.DELETED),
        AnnouncedChange("[3,4]", "c", REVISION, RemovalFlags.REMOVED),
        AnnouncedChange("4", "d", REVISION, size=700),
    )
    sent = Changes(changes).encode()
    assert sent.body == (
        b'[[1,"a","1-9c3a"],["7:8","b","2-5b1d",true],[[3,4],"c","2-5b1d",4],[4,"d","2-5b1d",0,700]]'
    )
    assert (sent.urgent, sent.compressed, sent.no_reply) == (True, True, False)


def test_empty_list_of_changes_means_caught_up_and_has_no_reply() -> None:
    sent = Changes(()).encode()
    assert sent == EncodedMessage({"Profile": "changes"}, b"[]", urgent=True, compressed=True, no_reply=True)


def test_null_from_sync_gateway_means_caught_up() -> None:
    assert decode(asked("changes", b"null")) == Changes(())


def test_changes_of_other_implementations_are_decoded() -> None:
    body = b'[[1,"a","1-9c3a",false,0],["2::3","b","2-5b1d",6,10,"later"],[ [1, 2] ,"c","1-9c3a",null]]'
    assert decode(asked("changes", body, collection="0", ignoreNoConflicts="true")) == Changes(
        (
            AnnouncedChange("1", "a", PARENT),
            AnnouncedChange('"2::3"', "b", REVISION, RemovalFlags.REVOKED | RemovalFlags.REMOVED, 10),
            AnnouncedChange("[1,2]", "c", PARENT),
        ),
        0,
        insists=True,
    )


def test_proposals_omit_an_unknown_parent_unless_a_size_follows() -> None:
    proposals = (
        Proposal("a", PARENT),
        Proposal("b", REVISION, PARENT),
        Proposal("c", PARENT, size=9),
    )
    sent = ProposeChanges(proposals, conflict_includes_revision=True).encode()
    assert sent.properties == {"Profile": "proposeChanges", "conflictIncludesRev": "true"}
    assert sent.body == b'[["a","1-9c3a"],["b","2-5b1d","1-9c3a"],["c","1-9c3a","",9]]'


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"[0,0]", b"[null]"])
def test_omitted_answers_mean_unwanted_for_changes_and_accepted_for_proposals(body: bytes) -> None:
    assert ChangesReply.decode(reply(body), DEFAULT, asked=2).answers == (0, 0)
    assert ProposeChangesReply.decode(reply(body), DEFAULT, asked=2).verdicts == (SEND, SEND)


def test_answers_to_changes_are_encoded() -> None:
    theirs = reply(b'[0,["1-9c3a"],[],409]', maxHistory="20", blobs="true", deltas="true")
    assert ChangesReply.decode(theirs, DEFAULT, asked=5) == ChangesReply(
        (0, (PARENT,), (), 409, 0), DeliveryTerms(20, deltas=True, blobs=True)
    )


def test_request_for_no_history_still_gets_the_parent() -> None:
    assert ChangesReply.decode(reply(maxHistory="0"), DEFAULT, asked=0).terms.max_history == 1


def test_verdicts_on_proposals_are_encoded() -> None:
    sent = ProposeChangesReply(
        (SEND, ProposalAnswer(304), ProposalAnswer(409, REVISION), ProposalAnswer(409), SEND),
        DeliveryTerms(deltas=False),
    )
    encoded = sent.encode()
    assert encoded.body == b'[0,304,{"status":409,"rev":"2-5b1d"},409]'
    assert encoded.properties == {"deltas": "false"}


def test_revision_with_all_properties_is_encoded() -> None:
    rev = Rev(
        "a",
        "3-77",
        b"{}",
        '"5::7"',
        deleted=True,
        history=(REVISION, PARENT),
        delta_source=REVISION,
        no_conflicts=True,
        replaced=REVISION,
        collection=1,
    )
    assert rev.encode() == EncodedMessage(
        {
            "Profile": "rev",
            "collection": "1",
            "id": "a",
            "rev": "3-77",
            "sequence": '"5::7"',
            "deleted": "1",
            "history": "2-5b1d,1-9c3a",
            "deltaSrc": "2-5b1d",
            "noconflicts": "true",
            "replacedRev": "2-5b1d",
        },
        b"{}",
        compressed=True,
    )


def test_revision_of_other_implementations_is_decoded() -> None:
    theirs = asked(
        "rev",
        b"{}",
        id="a",
        rev="3-77",
        history="2-5b1d, 1-9c3a",
        deleted="true",
        noconflicts="1",
        deleted_branch="2-00",
        sequence="12",
    )
    assert decode(theirs) == Rev(
        "a",
        "3-77",
        b"{}",
        "12",
        deleted=True,
        history=(REVISION, PARENT),
        no_conflicts=True,
        deleted_branch=("2-00",),
    )


def test_a_norev_is_never_replied_to() -> None:
    assert NoRev("a", PARENT, "12", 404, "gone").encode() == EncodedMessage(
        {"Profile": "norev", "id": "a", "rev": PARENT, "sequence": "12", "error": "404", "reason": "gone"},
        no_reply=True,
    )


def test_proof_covers_length_nonce_and_content() -> None:
    nonce = bytes(range(20))
    plain = hashlib.sha1(b"\x14" + nonce + b"a chart").digest()
    assert proof(nonce, [b"a ", b"chart"]) == f"sha1-{base64.b64encode(plain).decode()}"


@pytest.mark.parametrize(
    ("domain", "code", "status", "unhandled"),
    [
        ("HTTP", 404, 404, False),
        ("BLIP", 404, 404, True),
        ("BLIP", 409, 409, False),
        ("LiteCore", 8, 409, False),
        ("LiteCore", 31, 422, False),
        ("LiteCore", 501, 501, False),
        ("POSIX", 54, 0, False),
    ],
)
def test_errors_of_a_peer_are_mapped_to_an_http_status_where_one_fits(
    domain: str, code: int, status: int, unhandled: bool
) -> None:
    failure = Failure.decode(ErrorReceived(1, domain, code, "why", {}))
    assert (failure.status, failure.is_unhandled, failure.text) == (status, unhandled, "why")


@pytest.mark.parametrize(
    ("theirs", "kept"),
    [
        ("1", "1"),
        ("1.50", "1.50"),
        ("18446744073709551616", "18446744073709551616"),
        ('"a  b"', '"a  b"'),
        ('"\\u00e9"', '"\\u00e9"'),
        ('[ 1, "5 :1" ]', '[1,"5 :1"]'),
        (' {"low" : 1} ', '{"low":1}'),
    ],
)
def test_sequence_is_returned_as_received_except_for_blanks(theirs: str, kept: str) -> None:
    (change,) = cast("Changes", decode(asked("changes", f'[[{theirs},"a","1-9c3a"]]'.encode()))).changes
    rev = cast("Rev", decode(asked("rev", b"{}", id="a", rev=PARENT, sequence=theirs)))
    assert change.sequence == rev.sequence == kept
    assert SubChanges(since=kept).encode().properties["since"] == kept


def test_message_error_is_sent_to_the_peer_as_a_failure() -> None:
    wire = Wire()
    wire.left.send_request({"Profile": "getCheckpoint"})
    _, (event,) = wire.carry()
    with pytest.raises(MessageError) as caught:
        decode(cast("RequestReceived", event))
    error = caught.value
    wire.right.send_error(1, error.code, error.text, domain=error.domain)
    (answer,), _ = wire.carry()
    assert Failure.decode(cast("ErrorReceived", answer)) == Failure("HTTP", 400, "'client' is missing")
