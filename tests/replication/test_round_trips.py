"""Decoding an encoded replication message returns an equal message."""

from hypothesis import given
from hypothesis import strategies as st

from sync.replication.messages import (
    DEFAULT,
    NOT_WANTED,
    SEND,
    AnnouncedChange,
    Changes,
    ChangesReply,
    CollectionCheckpoint,
    DeliveryTerms,
    GetAttachment,
    GetCheckpoint,
    GetCheckpointReply,
    GetCollections,
    GetCollectionsReply,
    GetRev,
    GetRevReply,
    NoRev,
    Proposal,
    ProposalAnswer,
    ProposeChanges,
    ProposeChangesReply,
    ProveAttachment,
    ProveAttachmentReply,
    Request,
    Rev,
    SetCheckpoint,
    SetCheckpointReply,
    SubChanges,
    Versioning,
    decode,
    proof,
)
from tests.blip.wire import Wire
from tests.replication.builders import (
    DIGEST,
    answered,
    clients,
    collections,
    digests,
    histories,
    ids,
    letters,
    received,
    revisions,
    sequences,
    texts,
)

channels = st.lists(st.text(letters.filter(lambda c: c != ","), min_size=1, max_size=9), max_size=3).map(
    tuple
)
changes = st.builds(AnnouncedChange, sequences, ids, revisions, st.integers(0, 7), st.integers(0, 10**6))
proposals = st.builds(Proposal, ids, revisions, st.none() | revisions, st.integers(0, 10**6))
names = st.from_regex(r"([a-z]{1,8}\.)?[a-z]{1,8}", fullmatch=True)
bodies = st.sampled_from([b"{}", b'{"local":7}', b'{"remote":"5::7"}'])
terms = st.builds(
    DeliveryTerms, st.none() | st.integers(1, 100), st.none() | st.booleans(), st.booleans(), st.booleans()
)


@st.composite
def revs(draw: st.DrawFn) -> Rev:
    revision, history = draw(histories())
    return Rev(
        draw(ids),
        revision,
        draw(st.binary(min_size=1)),
        draw(st.none() | sequences),
        draw(st.booleans()),
        history,
        draw(st.none() | revisions),
        draw(st.booleans()),
        draw(st.none() | revisions),
        draw(collections),
        draw(st.booleans()),
    )


@st.composite
def collection_requests(draw: st.DrawFn) -> GetCollections:
    wanted = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    return GetCollections(tuple(wanted), tuple(draw(clients) for _ in wanted))


requests: st.SearchStrategy[Request] = st.one_of(
    st.builds(GetCheckpoint, clients, collections),
    st.builds(SetCheckpoint, clients, bodies, st.none() | texts, collections),
    collection_requests(),
    st.builds(
        SubChanges,
        since=st.none() | sequences,
        batch=st.none() | st.integers(1, DEFAULT.batch),
        continuous=st.booleans(),
        active_only=st.booleans(),
        revocations=st.booleans(),
        send_replacements=st.booleans(),
        future=st.booleans(),
        versioning=st.sampled_from(Versioning),
        channels=channels,
        document_ids=st.lists(ids, max_size=3).map(tuple),
        collection=collections,
    ),
    st.builds(Changes, st.lists(changes, min_size=1, max_size=5).map(tuple), collections),
    st.builds(
        ProposeChanges, st.lists(proposals, min_size=1, max_size=5).map(tuple), st.booleans(), collections
    ),
    revs(),
    st.builds(NoRev, ids, revisions, st.none() | sequences, st.integers(400, 599), st.none() | texts),
    st.builds(GetRev, ids, st.none() | revisions, collections),
    st.builds(GetAttachment, st.just(DIGEST), st.none() | ids, st.booleans(), collections),
    st.builds(
        ProveAttachment, st.just(DIGEST), st.binary(min_size=16, max_size=255), st.none() | ids, collections
    ),
)


@given(requests)
def test_every_request_survives_encoding(request: Request) -> None:
    assert decode(received(request.encode())) == request


@given(requests)
def test_every_request_can_be_sent_over_a_blip_connection(request: Request) -> None:
    wire = Wire()
    sent = request.encode()
    wire.left.send_request(
        sent.properties, sent.body, urgent=sent.urgent, compressed=sent.compressed, no_reply=sent.no_reply
    )
    _, (event,) = wire.carry()
    assert decode(event) == request  # type: ignore[arg-type]


@given(texts, st.dictionaries(st.sampled_from(["who", "since when", "x"]), texts))
def test_a_filter_keeps_its_parameters(name: str, parameters: dict[str, str]) -> None:
    request = SubChanges(filter=name, parameters=parameters)
    assert decode(received(request.encode())) == request


@given(
    st.lists(st.integers(0, 0) | st.sampled_from([304, 409]) | st.lists(revisions, max_size=3).map(tuple)),
    terms,
)
def test_answers_to_changes_survive_encoding(
    answers: list[int | tuple[str, ...]], how: DeliveryTerms
) -> None:
    sent = ChangesReply(tuple(answers), how)
    assert ChangesReply.decode(answered(sent.encode()), DEFAULT, asked=len(answers)) == sent


@given(st.lists(st.builds(ProposalAnswer, st.just(0) | st.integers(300, 599), st.none())), terms)
def test_verdicts_on_proposals_survive_encoding(verdicts: list[ProposalAnswer], how: DeliveryTerms) -> None:
    sent = ProposeChangesReply(tuple(verdicts), how)
    assert ProposeChangesReply.decode(answered(sent.encode()), DEFAULT, asked=len(verdicts)) == sent


@given(revisions)
def test_conflict_verdict_contains_the_current_revision(current: str) -> None:
    sent = ProposeChangesReply((SEND, ProposalAnswer(409, current), SEND))
    assert ProposeChangesReply.decode(answered(sent.encode()), DEFAULT, asked=3) == sent


@given(st.lists(st.none() | st.builds(CollectionCheckpoint, st.none() | texts, bodies)))
def test_checkpoints_of_collections_survive_encoding(
    checkpoints: list[CollectionCheckpoint | None],
) -> None:
    sent = GetCollectionsReply(tuple(checkpoints))
    assert GetCollectionsReply.decode(answered(sent.encode()), DEFAULT, asked=len(checkpoints)) == sent


@given(texts, bodies, revisions)
def test_plain_replies_survive_encoding(revision: str, body: bytes, document: str) -> None:
    checkpoint = GetCheckpointReply(revision, body)
    assert GetCheckpointReply.decode(answered(checkpoint.encode()), DEFAULT) == checkpoint
    stored = SetCheckpointReply(revision)
    assert SetCheckpointReply.decode(answered(stored.encode()), DEFAULT) == stored
    current = GetRevReply(document, body)
    assert GetRevReply.decode(answered(current.encode()), DEFAULT) == current


@given(st.binary(min_size=1, max_size=255), st.lists(st.binary()))
def test_proof_does_not_depend_on_how_the_content_is_split(nonce: bytes, parts: list[bytes]) -> None:
    sent = ProveAttachmentReply(proof(nonce, parts))
    assert ProveAttachmentReply.decode(answered(sent.encode()), DEFAULT).proof == proof(
        nonce, [b"".join(parts)]
    )


@given(digests)
def test_each_change_has_an_answer_and_trailing_accepted_proposals_have_none(digest: str) -> None:
    assert ProposeChangesReply((SEND,) * 3).encode().body == b"[]"
    assert ChangesReply((NOT_WANTED,) * 3).encode().body == b"[0,0,0]"
    wanted = ChangesReply((NOT_WANTED, (f"1-{digest}",), NOT_WANTED)).encode()
    assert wanted.body == f'[0,["1-{digest}"],0]'.encode()
