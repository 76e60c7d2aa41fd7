"""All memory used for a peer is counted, and is freed when the session ends.

The counts determine which connections are closed when memory is short (`sync.net.memory`). The objects of a
connection refer to each other in cycles. Any object that a session does not discard at its end therefore
stays in memory until the garbage collector runs.
"""

import gc
import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from sync.replication.messages import (
    AnnouncedChange,
    Changes,
    EncodedMessage,
    Proposal,
    ProposeChanges,
    SubChanges,
)
from sync.store import Database, bodies, revisions

from .rig import open_database
from .script import Script, begun, passive

KB = 1000
SLACK = 150 * KB
"""Number of uncounted bytes that a session may use for its own objects."""
LEFT = 250 * KB
"""Number of bytes that may remain allocated for the store's shared tables and Python's free lists."""
DIGEST = "sha1-" + "A" * 27 + "="
JUNK = {"junk": "x" * 40 * KB}
"""Meaningless message property, almost as long as a frame may be."""
OLD = 900
"""Generation of a revision with many ancestors."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "store.db") as database:
        yield database


def ancestors(generation: int = OLD, count: int = 800) -> list[str]:
    """Return `count` ancestors of a revision of this generation, newest first."""
    return [f"{generation - number}-{number:08x}" for number in range(1, count + 1)]


def proposals(number: int, count: int = 500) -> ProposeChanges:
    return ProposeChanges(tuple(Proposal(f"d{number:04}{item:08}", "1-abc") for item in range(count)))


def document(number: int, text: int = 0) -> bytes:
    return json.dumps({"n": number, "text": "x" * text}).encode()


def with_junk(message: EncodedMessage) -> EncodedMessage:
    return msgspec.structs.replace(message, properties=message.properties | JUNK, compressed=False)


def blocked(store: Database) -> Script:
    """Return a client whose first proposals must wait, because another client was asked for the revisions."""
    other = passive(store)
    other.propose(*((proposal.id, proposal.revision) for proposal in proposals(0).proposals))
    return passive(store, clock=other.clock)


def lists_of_proposals(store: Database) -> Script:
    script = blocked(store)
    for number in range(30):
        script.post(proposals(number).encode())
    return script


def lists_with_junk(store: Database) -> Script:
    script = blocked(store)
    for number in range(30):
        script.post(with_junk(proposals(number, count=10).encode()))
    return script


def answered_lists(store: Database) -> Script:
    script = passive(store)
    for number in range(10):
        script.post(proposals(number).encode())
    return script


def lists_out_of_order(store: Database) -> Script:
    """Return a scripted gateway with `changes` messages that overtake a long earlier message."""
    script = begun(store, push=False, continuous=True)
    script.post({"Profile": "norev"}, bytes(200 * KB), no_reply=True)
    for number in range(30):
        changes = (AnnouncedChange(str(n), f"d{number:04}{n:08}", "1-abc") for n in range(500))
        script.post(Changes(tuple(changes)).encode())
    return script


def long_sequences(store: Database) -> Script:
    script = begun(store, push=False, continuous=True)
    for number in range(12):
        changes = (
            AnnouncedChange('"' + "s" * KB + f'{n}"', f"d{number:04}{n:08}", "1-abc") for n in range(100)
        )
        script.post(Changes(tuple(changes)).encode())
    return script


def long_histories(store: Database) -> Script:
    script = passive(store)
    for number in range(50):
        history = ",".join(ancestors())
        script.post(
            {"Profile": "rev", "id": f"d{number}", "rev": f"{OLD}-abc", "history": history}, document(number)
        )
    return script


def waiting_deltas(store: Database) -> Script:
    script = passive(store)
    script.peer.session.work._balance = 0
    for number in range(50):
        script.post(
            {"Profile": "rev", "id": f"d{number}", "rev": "2-abc", "deltaSrc": "1-abc", **JUNK},
            document(number, text=5 * KB),
        )
    return script


def waiting_for_blobs(store: Database) -> Script:
    script = passive(store)
    for number in range(50):
        body = {"photo": {"@type": "blob", "digest": DIGEST, "length": 3}, "text": "x" * KB}
        script.post({"Profile": "rev", "id": f"d{number}", "rev": "1-abc", **JUNK}, json.dumps(body).encode())
    return script


def deferred_tombstones(store: Database) -> Script:
    """Return a client that sends tombstones of branches, but not the revisions that replace the branches."""
    script, current = passive(store), f"{OLD}-abc"
    for number in range(50):
        store.insert(f"d{number}", current, [], document(number))
    script.propose(*((f"d{number}", "1-other") for number in range(50)))
    tombstone = revisions.make(current, deleted=True, body=bodies.EMPTY, closing=True)
    history = ",".join([current, *ancestors()])
    for number in range(50):
        properties = {"Profile": "rev", "id": f"d{number}", "rev": tombstone, "deleted": "1"}
        script.post(properties | {"history": history}, bodies.EMPTY)
    return script


def proofs(store: Database) -> Script:
    script = passive(store)
    digest = store.blobs.put(bytes(100 * KB))
    store.put("photo", {"photo": {"@type": "blob", "digest": digest, "length": 100 * KB}})
    script.peer.session.work._balance = 0
    for number in range(100):
        properties = {"Profile": "proveAttachment", "digest": digest, "docID": "photo", **JUNK}
        script.post(properties, number.to_bytes(20))
    return script


def waiting_checkpoints(store: Database) -> Script:
    script = passive(store)
    for number in range(80):
        script.post(
            {"Profile": "setCheckpoint", "client": f"c{number}", **JUNK}, document(number, text=15 * KB)
        )
    return script


def selected_documents(store: Database) -> Script:
    script = passive(store)
    script.post(SubChanges(document_ids=tuple(f"d{n:015}" for n in range(5000)), continuous=True).encode())
    return script


def known_revisions(store: Database) -> Script:
    """Return a subscriber that answers no `changes` message, and proposes revisions that the store has."""
    with store.transaction():
        known = [(f"d{number:030}", store.put(f"d{number:030}", {})) for number in range(4000)]
    script = passive(store)
    script.subscribe(continuous=True)
    for start in range(1000, 4000, 500):
        some = tuple(Proposal(*each) for each in known[start : start + 500])
        script.post(ProposeChanges(some).encode())
    return script


def known_ancestors(store: Database) -> Script:
    """Return a subscriber that claims to have 150 ancestors of each announced revision."""
    with store.transaction():
        for number in range(100):
            store.insert(f"d{number}", f"{OLD}-abc", [], document(number))
    script = passive(store)
    script.post(SubChanges(continuous=True).encode())
    script.pump()
    (changes, event), *_ = script.taken(Changes)
    answers = json.dumps([["9-a"] * 150] * len(changes.changes)).encode()
    script.connection.send_response(event.number, {}, answers)
    return script


ATTACKS = [
    lists_of_proposals,
    lists_with_junk,
    answered_lists,
    lists_out_of_order,
    long_sequences,
    long_histories,
    waiting_deltas,
    waiting_for_blobs,
    deferred_tombstones,
    proofs,
    waiting_checkpoints,
    selected_documents,
    known_revisions,
    known_ancestors,
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_memory_used_for_a_peer_is_counted_and_freed_at_the_end(
    attack: Callable[[Database], Script], store: Database
) -> None:
    script = attack(store)
    frames = []
    while (frame := script.connection.next_frame()) is not None:
        frames.append(frame)
    counted, taken, left = held(script, frames)
    assert not taken > 1.3 * counted + SLACK, f"{taken} bytes taken, {counted} counted"
    assert left < LEFT, f"{left} of {taken} bytes are left"


def held(script: Script, frames: list[bytes]) -> tuple[int, int, int]:
    """Deliver frames to a peer, and end its session.

    Return how many bytes the peer counted for the frames, how many it allocated, and how many remain
    allocated after the end of the session.
    """
    peer = script.peer
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        before, counted = tracemalloc.get_traced_memory()[0], peer.bytes_held
        assert peer.receive(frames) == len(frames)
        while peer.next_frame() is not None:
            pass
        counted = peer.bytes_held - counted
        taken = tracemalloc.get_traced_memory()[0] - before
        assert not script.is_over, peer.session.problem
        peer.session.end()
        left = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        gc.enable()
    return counted, taken, left
