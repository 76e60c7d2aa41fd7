"""Rights are checked before deltas, bodies, blobs and proofs, so a forbidden write causes little work."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sync import delta
from sync.blip import ErrorReceived, ResponseReceived
from sync.peer import limits, wire_bodies
from sync.replication.messages import GetAttachment, ProveAttachment, Rev
from sync.store import Database, Document

from .rig import open_database
from .script import Script, assert_sound, passive

DIGEST = "sha1-" + "A" * 27 + "="


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "store.db") as database:
        yield database
        assert_sound(database)


class Costs:
    """Counter of expensive operations on received data: deltas applied and bodies decoded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.patched = self.decoded = 0
        apply, decode = delta.apply_json, wire_bodies.from_peer

        def counted_apply(*given: Any) -> bytes:
            self.patched += 1
            return apply(*given)

        def counted_decode(*given: Any) -> wire_bodies.Incoming:
            self.decoded += 1
            return decode(*given)

        monkeypatch.setattr(delta, "apply_json", counted_apply)
        monkeypatch.setattr(wire_bodies, "from_peer", counted_decode)


def refused(reply: Any) -> tuple[int, str]:
    assert isinstance(reply, ErrorReceived), reply
    return reply.code, reply.message


def not_bad(document_id: str, _revision: str, deleted: bool) -> str | None:
    return "not yours" if document_id == "bad" or deleted else None


def test_id_that_may_not_be_written_is_refused_before_anything_is_read(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = store.put("bad", {"n": 1})
    script = passive(store, id_rule=not_bad)
    costs = Costs(monkeypatch)
    photo = b'{"photo":{"@type":"blob","digest":"' + DIGEST.encode() + b'","length":3}}'
    for more in ({}, {"history": (base,), "delta_source": base}):
        assert refused(script.push("bad", "2-a", photo, **more)) == (403, "bad: not yours")
    assert (costs.patched, costs.decoded) == (0, 0)
    assert script.taken(GetAttachment) == []
    assert isinstance(script.push("good", "1-a", b"{}"), ResponseReceived)
    assert refused(script.push("good", "2-a", b"{}", deleted=True, history=("1-a",)))[0] == 403


@pytest.mark.parametrize("is_here", [True, False])
def test_blobs_of_a_forbidden_document_are_neither_fetched_nor_proven(store: Database, is_here: bool) -> None:
    from sync.peer.selection import Selection

    def rule(document: Document) -> str | None:
        return "too bold" if document.body.get("bold") else None

    digest = store.blobs.put(b"abc") if is_here else DIGEST
    script = passive(store, rule=rule, readable=Selection(within=frozenset({"notes"})))
    photo = b'"photo":{"@type":"blob","digest":"' + digest.encode() + b'","length":3}}'
    assert refused(script.push("d", "1-a", b'{"bold":true,' + photo)) == (403, "d: too bold")
    assert script.taken(GetAttachment) + script.taken(ProveAttachment) == []
    script.post(Rev("e", "1-a", b'{"bold":false,' + photo).encode())
    script.rest(1.0)
    assert len(script.taken(ProveAttachment if is_here else GetAttachment)) == 1
    script.peer.session.end()


# Deltas


def large(store: Database, size: int) -> str:
    return store.put("d", {"text": "x" * size, "n": 0})


@pytest.mark.parametrize("size", [limits.DELTA_BYTES, 5 * limits.DELTA_STORED])
def test_delta_of_a_large_document_is_never_applied_and_the_whole_body_is_requested(
    store: Database, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    base = large(store, size)
    script = passive(store)
    costs = Costs(monkeypatch)
    for _ in range(20):
        code, _ = refused(script.push("d", "2-a", b'{"n":1}', history=(base,), delta_source=base))
        assert code == 422
    assert costs.patched == 0
    assert isinstance(script.push("d", "2-a", b'{"n":1}', history=(base,)), ResponseReceived)


def test_large_document_is_not_read_for_a_delta(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    base = large(store, 5 * limits.DELTA_STORED)
    script = passive(store)
    monkeypatch.setattr(store, "get", lambda *_, **__: pytest.fail("it was read"))
    assert refused(script.push("d", "2-a", b"{}", history=(base,), delta_source=base))[0] == 422


def test_endless_deltas_are_applied_one_after_the_other_and_delay_nothing_else(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = large(store, limits.DELTA_BYTES - 100)
    script = passive(store, rule=lambda document: "not this" if document.id == "d" else None)
    costs, began = Costs(monkeypatch), script.clock.now
    numbers = [
        script.post(Rev("d", f"2-{number:02x}", b'{"n":1}', history=(base,), delta_source=base).encode())
        for number in range(50)
    ]
    script.pump()
    assert costs.patched <= 2 + limits.WORK_ALLOWANCE // (limits.PATCH_COST * limits.DELTA_BYTES)
    assert isinstance(script.push("other", "1-a", b"{}"), ResponseReceived)
    script.rest(120.0)
    assert all(number in script.replies for number in numbers)
    assert costs.patched == 50
    least = (49 * limits.PATCH_COST * limits.DELTA_BYTES - limits.WORK_ALLOWANCE) / limits.WORK_RATE
    assert script.clock.now - began >= 0.95 * least


def test_small_deltas_do_not_wait(store: Database) -> None:
    base = store.put("d", {"text": "x" * 1000})
    script: Script = passive(store)
    began = script.clock.now
    for number in range(50):
        reply = script.push("d", f"{number + 2}-a", b'{"n":%d}' % number, history=(base,), delta_source=base)
        assert isinstance(reply, ResponseReceived)
        base = f"{number + 2}-a"
    assert script.clock.now - began < 50 * 2 * limits.COMMIT_AFTER
