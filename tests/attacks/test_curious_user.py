"""A user who may read only notes cannot obtain information about other documents from the sync daemon."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sync import documents
from sync.blip import ErrorReceived, ResponseReceived
from sync.replication.messages import (
    AnnouncedChange,
    Changes,
    GetAttachment,
    GetRev,
    Proposal,
    ProposeChanges,
    ProveAttachment,
    Rev,
)
from sync.store import Database

from .curious import Curious, Reply, curious
from .siege import GOOD, Siege, besieged, user

SPY = "spy"
PLAN = b"a plan of the engine room" * 1000
HERE = documents.equipment_id("brigid", "bilge")
ABSENT = documents.equipment_id("brigid", "stern")
OWN = documents.note_id("argo", "01JXXXXXXXXXXXXXXXXXXXXXXX")


@contextmanager
def vessel(folder: Path) -> Iterator[tuple[Siege, str, str]]:
    """Yield a vessel with a document that the user may not read, the digest of its blob, and its revision."""
    found: list[str] = []

    def prepare(data: Path) -> None:
        data.mkdir(parents=True, exist_ok=True)
        with Database.open(data / "log.db", policy=documents.POLICY) as database:
            digest = database.blobs.put(PLAN)
            photo = {"@type": "blob", "digest": digest, "length": len(PLAN)}
            body = {"type": "equipment", "vessel": "brigid", "sensor": "bilge", "photo": photo}
            found.extend((digest, database.put(HERE, body | {"channels": ["equipment", "vessel.brigid"]})))

    with besieged(folder, toml=user(SPY, "channels = ['notes']"), prepare=prepare) as siege:
        yield siege, found[0], found[1]


def note(digest: str) -> bytes:
    photo = {"@type": "blob", "digest": digest, "length": len(PLAN)}
    body = {"type": "note", "vessel": "argo", "channels": ["notes", "vessel.argo"], "photo": photo}
    return json.dumps(body).encode()


def said(reply: Reply, name: str) -> tuple[Any, ...]:
    """Return the content of a reply, with the document id replaced in error messages."""
    if isinstance(reply, ErrorReceived):
        return "error", reply.domain, reply.code, reply.message.replace(name, "…")
    return "reply", dict(reply.properties), reply.body


def test_spy_cannot_get_a_blob_with_a_proof_from_the_vessel_itself(tmp_path: Path) -> None:
    async def steal(siege: Siege, digest: str) -> None:
        async with curious(siege.target, SPY) as spy, curious(siege.target, SPY) as accomplice:
            pushed = spy.post(Rev(OWN, "1-aa", note(digest)).encode())
            question = await spy.asked("proveAttachment")
            nonce = question.body
            for asker, named in ((spy, None), (spy, OWN), (spy, HERE), (accomplice, HERE)):
                reply = await asker.ask(ProveAttachment(digest, nonce, named).encode())
                assert isinstance(reply, ErrorReceived), "the vessel has answered its own question"
            async with curious(siege.target, GOOD) as friend:  # may read the blob, but not relay this proof
                reply = await friend.ask(ProveAttachment(digest, nonce, HERE).encode())
                assert isinstance(reply, ErrorReceived)
            spy.answer(question, b"sha1-" + b"A" * 27 + b"=")
            assert isinstance(await spy.reply_to(pushed), ErrorReceived)
            for named in (None, OWN, HERE):
                reply = await spy.ask(GetAttachment(digest, named).encode())
                assert isinstance(reply, ErrorReceived)
        async with curious(siege.target, GOOD) as friend:
            reply = await friend.ask(GetAttachment(digest, HERE).encode())
            assert isinstance(reply, ResponseReceived)
            assert reply.body == PLAN

    with vessel(tmp_path) as (siege, digest, _):
        asyncio.run(steal(siege, digest))


async def everything(spy: Curious, name: str, revision: str) -> list[tuple[Any, ...]]:
    """Send messages of every type about a document, and return the replies."""
    found = []
    for offered, parent in ((revision, None), ("1-ff", None), ("2-ff", revision), ("9-ff", "8-ff")):
        proposals = ProposeChanges((Proposal(name, offered, parent),), conflict_includes_revision=True)
        found.append(await spy.ask(proposals.encode()))
        found.append(await spy.ask(Changes((AnnouncedChange("7", name, offered),), insists=True).encode()))
    found.append(await spy.ask(GetRev(name).encode()))
    found.append(await spy.ask(GetRev(name, revision).encode()))
    for body in (b'{"n":1}', b'{"photo":{"none":{"x":1}}}', b"[1]", b'{"channels":["notes"]}'):
        rev = Rev(name, "2-ff", body, history=(revision,), delta_source=revision)
        found.append(await spy.ask(rev.encode()))
    found.append(await spy.ask(Rev(name, "2-ff", b"{}", history=(revision,)).encode()))
    found.append(await spy.ask(Rev(name, revision, b"{}").encode()))
    return [said(reply, name) for reply in found]


def test_hidden_document_gets_the_same_answers_as_one_that_does_not_exist(tmp_path: Path) -> None:
    async def look(siege: Siege, revision: str) -> None:
        async with curious(siege.target, SPY) as spy:
            here = await everything(spy, HERE, revision)
            absent = await everything(spy, ABSENT, revision)
            assert here == absent
            assert len(here) == 16
            assert not any(revision.partition("-")[2] in str(what) for what in here[:10])

    with vessel(tmp_path) as (siege, _, revision):
        asyncio.run(look(siege, revision))
