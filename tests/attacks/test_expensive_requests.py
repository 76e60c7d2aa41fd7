"""Attacks with requests for large blobs and their proofs, and with deltas of large documents.

Such requests are small but expensive to process.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from sync import documents
from sync.blip.frames import FrameKind
from sync.peer import limits
from sync.store import Database

from .attacker import Begun, Facts, Target
from .intruder import Intruder
from .siege import CREW, Siege, Size, besieged

PICTURED = documents.equipment_id("brigid", "engine")
"""Id of the document with the large blob, in a channel that the well-behaved client does not pull."""
LARGE = documents.note_id("argo", "01JYYYYYYYYYYYYYYYYYYYYYYY")
MIB = 1024 * 1024


@contextmanager
def laden(folder: Path, size: Size) -> Iterator[tuple[Siege, str, str]]:
    """Yield a vessel with a large blob and document, the digest of the blob, and the document's revision."""
    found: list[str] = []

    def prepare(data: Path) -> None:
        data.mkdir(parents=True, exist_ok=True)
        note = {"type": "note", "vessel": "argo", "channels": ["notes", "vessel.argo"]}
        with Database.open(data / "log.db", policy=documents.POLICY) as database:
            pieces = [bytes([number % 251]) * MIB for number in range(size.pick(8, 60))]
            digest = database.blobs.put(pieces)
            photo = {"@type": "blob", "digest": digest, "length": len(pieces) * MIB}
            engine = {"type": "equipment", "vessel": "brigid", "sensor": "engine"}
            database.put(PICTURED, engine | {"channels": ["equipment", "vessel.brigid"], "photo": photo})
            text = ["x" * 1000] * size.pick(2_000, 19_000)
            found.extend((digest, database.put(LARGE, note | {"text": text})))

    with besieged(folder, prepare=prepare) as siege:
        yield siege, found[0], found[1]


async def questions(
    target: Target, begun: Begun, *, profile: str, digest: str, count: int, seconds: float
) -> Facts:
    """Request a blob, or a proof of its possession, `count` times without waiting for answers."""
    intruder = await Intruder.enter(target, CREW)
    begun()
    began = time.monotonic()
    asked = {"Profile": profile, "digest": digest, "docID": PICTURED}
    for number in range(count):
        intruder.ask(asked, b"nonce %04d and more of it" % number if profile == "proveAttachment" else b"")
    try:
        async with asyncio.timeout(seconds):
            await intruder.until(lambda: len(intruder.replies) == count)
    except TimeoutError:
        pass
    answered = [number for number, kind in intruder.replies.items() if kind is FrameKind.RESPONSE]
    facts = {"seconds": time.monotonic() - began, "proofs": len(answered), "over": intruder.is_over}
    intruder.leave()
    return facts


async def deltas(target: Target, begun: Begun, *, revision: str, count: int) -> Facts:
    """Send deltas of a few bytes for the large document, each based on the same revision."""
    intruder = await Intruder.enter(target, CREW)
    begun()
    for number in range(count):
        rev = f"2-{number:032x}"
        properties = {"Profile": "rev", "id": LARGE, "rev": rev, "deltaSrc": revision, "history": revision}
        intruder.ask(properties, json.dumps({"edit": number}).encode())
    await intruder.until(lambda: len(intruder.replies) == count)
    kinds = list(intruder.replies.values())
    facts = {"answered": len(kinds), "errors": kinds.count(FrameKind.ERROR), "over": intruder.is_over}
    intruder.leave()
    return facts


@pytest.mark.parametrize("profile", ["proveAttachment", "getAttachment"])
def test_requests_for_a_large_blob_do_not_disturb_other_clients(
    tmp_path: Path, size: Size, profile: str
) -> None:
    count = size.pick(40, 400)
    with laden(tmp_path, size) as (siege, digest, _):
        attack = partial(questions, profile=profile, digest=digest, count=count, seconds=size.pick(5.0, 60.0))
        report = siege.under(attack)
        report.assert_held(size)
    if profile == "proveAttachment":
        facts = report.facts
        length = size.pick(8, 60) * MIB
        most = (facts["seconds"] * limits.WORK_RATE + limits.WORK_ALLOWANCE) / (2 * length) + 1
        assert 1 <= facts["proofs"] <= most, report
        assert not facts["over"]


def test_deltas_of_a_large_document_do_not_disturb_other_clients(tmp_path: Path, size: Size) -> None:
    count = size.pick(50, 200)
    with laden(tmp_path, size) as (siege, _, revision):
        report = siege.under(partial(deltas, revision=revision, count=count))
        report.assert_held(size)
    assert report.facts == {"answered": count, "errors": count, "over": False}
