"""Documents that are too large or exceed a peer's daily quota are rejected, but not lost."""

import base64
import gc
import hashlib
import json
import os
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.syncd import daily_quotas
from sync import documents
from sync.blip import ErrorReceived, ResponseReceived
from sync.documents import DocumentType
from sync.peer import limits
from sync.peer.quotas import DAY_S, LARGEST, Allowance, ExhaustedAllowance, Measure, Quota, Quotas
from sync.replication.errors import MessageError
from sync.replication.messages import GetAttachment
from sync.store import Database
from sync.store.blobs import BlobWriter

from .fleet import LOG, fleet
from .rig import Clock, assert_same, open_database
from .script import Script, passive


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "log.db") as opened:
        yield opened


def quota(clock: Clock, *, size: int = 1_000_000, revisions: int = 1_000) -> Quota:
    return Quota("user:mate", Allowance(size, revisions), clock=clock)


def blob_digest(content: bytes) -> str:
    return "sha1-" + base64.b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode()


def push(script: Script, number: int, size: int) -> tuple[int, str]:
    """Push a note of `size` characters. Return the error's code and text, or code 0 if it is accepted."""
    body = json.dumps({"type": "note", "text": "x" * size}).encode()
    message = {"Profile": "rev", "id": f"note:argo:{number}", "rev": "1-abc", "sequence": str(number)}
    reply = script.ask(message, body)
    if isinstance(reply, ErrorReceived):
        return reply.code, reply.message
    assert isinstance(reply, ResponseReceived)
    return 0, ""


def test_document_that_is_too_large_is_refused_permanently_and_others_are_accepted(store: Database) -> None:
    clock = Clock()
    script = passive(store, clock=clock, quota=quota(clock))
    code, words = push(script, 1, LARGEST)
    assert (code, str(LARGEST) in words) == (413, True)
    assert push(script, 2, LARGEST - 100) == (0, "")
    assert not script.is_over
    assert store.count("note:") == 1


def test_bytes_over_the_daily_quota_are_refused_until_the_next_day(store: Database) -> None:
    clock = Clock()
    found = quota(clock)
    script = passive(store, clock=clock, quota=found)
    codes = [push(script, number, 200_000)[0] for number in range(10)]
    assert codes == [0] * 5 + [429] * 5
    assert "user:mate" in push(script, 9, 100)[1]
    assert found.bite is not None
    assert (found.bite.owner, found.bite.measure, found.bite.refused) == ("user:mate", Measure.BYTES, 6)
    clock.now += found.bite.seconds
    assert found.bite is None
    assert push(script, 9, 100) == (0, "")


def test_refused_data_is_not_kept_in_memory(store: Database) -> None:
    refusals: list[weakref.ref[MessageError]] = []

    class Watched(Quota):
        def objection(self, document_id: str, size: int) -> MessageError | None:
            found = super().objection(document_id, size)
            if found is not None:
                refusals.append(weakref.ref(found))
            return found

    clock = Clock()
    script = passive(store, clock=clock, quota=Watched("user:mate", Allowance(10**6, 1), clock=clock))
    gc.disable()
    try:
        for number in range(20):
            push(script, number, 1_000)
        assert len(refusals) == 19
        assert sum(refusal() is not None for refusal in refusals) <= 1
    finally:
        gc.enable()


def test_revisions_over_the_daily_quota_are_refused(store: Database) -> None:
    clock = Clock()
    found = quota(clock, revisions=3)
    script = passive(store, clock=clock, quota=found)
    assert [push(script, number, 10)[0] for number in range(5)] == [0, 0, 0, 429, 429]
    bite = found.bite
    assert bite is not None
    assert (bite.measure, bite.limit, bite.refused) == (Measure.REVISIONS, 3, 2)
    assert 0 < bite.seconds <= DAY_S


def test_known_revisions_are_not_charged(store: Database) -> None:
    clock = Clock()
    script = passive(store, clock=clock, quota=quota(clock, revisions=3))
    for _ in range(5):
        assert push(script, 1, 10) == (0, "")
    assert push(script, 2, 10) == (0, "")


def test_quota_is_shared_by_all_connections_of_a_user(store: Database) -> None:
    clock = Clock()
    quotas = Quotas(lambda _: Allowance(10**6, 2), clock=clock)
    scripts = [passive(store, clock=clock, quota=quotas.quota_of("user:mate")) for _ in range(3)]
    other = passive(store, clock=clock, quota=quotas.quota_of("user:cook"))
    assert [push(script, number, 10)[0] for number, script in enumerate(scripts)] == [0, 0, 429]
    assert push(other, 9, 10) == (0, "")
    assert [bite.owner for bite in quotas.bites] == ["user:mate"]


def test_blob_larger_than_the_remaining_quota_is_not_requested(store: Database) -> None:
    clock = Clock()
    script = passive(store, clock=clock, quota=quota(clock))
    blob = {"@type": "blob", "digest": "sha1-" + "A" * 27 + "=", "length": 900_000}
    push(script, 1, 200_000)
    message = {"Profile": "rev", "id": "note:argo:2", "rev": "1-abc", "sequence": "2"}
    reply = script.ask(message, json.dumps({"photo": blob}).encode())
    assert isinstance(reply, ErrorReceived)
    assert reply.code == 429
    assert script.requests == []


def untold(number: int, content: bytes) -> tuple[dict[str, str], bytes]:
    """Return the properties and body of a revision that does not state the length of its blob."""
    blob = {"@type": "blob", "digest": blob_digest(content)}
    message = {"Profile": "rev", "id": f"note:argo:{number}", "rev": "1-abc", "sequence": str(number)}
    return message, json.dumps({"photo": blob}).encode()


def test_blob_of_unstated_length_is_charged_as_it_arrives(store: Database) -> None:
    clock = Clock()
    found = quota(clock)
    script = passive(store, clock=clock, quota=found)
    photo = os.urandom(300_000)
    asked = script.post(*untold(1, photo))
    script.rest(1.0)
    _, event = script.take(GetAttachment)
    script.answer(event, body=photo)
    script.rest(1.0)
    assert isinstance(script.replies[asked], ResponseReceived)
    assert store.blobs.has(blob_digest(photo))
    assert 690_000 < found.room <= 700_000


def test_blobs_of_unstated_length_write_no_more_than_the_daily_quota(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0
    write = BlobWriter.write

    def count(self: BlobWriter, data: bytes) -> None:
        nonlocal written
        written += len(data)
        write(self, data)

    monkeypatch.setattr(BlobWriter, "write", count)
    clock = Clock()
    found = quota(clock)
    scripts = [passive(store, clock=clock, quota=found) for _ in range(3)]
    photos = [os.urandom(600_000) for _ in range(6)]
    asked, events = [], []
    for number, photo in enumerate(photos):
        script = scripts[number % 3]
        asked.append((script, script.post(*untold(number, photo))))
        script.rest(1.0)
        events.append((script, script.take(GetAttachment)[1], photo))
    for script, event, photo in events:
        script.answer(event, body=photo)
        script.rest(1.0)
    replies = [script.replies[number] for script, number in asked]
    assert [reply.code for reply in replies if isinstance(reply, ErrorReceived)] == [429] * 5
    assert sum(store.blobs.has(blob_digest(photo)) for photo in photos) == 1
    assert written <= found.allowance.bytes
    assert found.room == 0
    reply = scripts[0].ask(*untold(9, os.urandom(10)))
    assert isinstance(reply, ErrorReceived), "what was sent in vain counts"
    assert reply.code == 429
    clock.now += DAY_S + 1
    large = os.urandom(1_100_000)
    number = scripts[0].post(*untold(10, large))
    scripts[0].rest(1.0)
    scripts[0].answer(scripts[0].take(GetAttachment)[1], body=large)
    scripts[0].rest(1.0)
    reply = scripts[0].replies[number]
    assert isinstance(reply, ErrorReceived)
    assert reply.code == 413


def test_blobs_requested_together_do_not_exceed_the_daily_quota(store: Database) -> None:
    clock = Clock()
    script = passive(store, clock=clock, quota=quota(clock))
    photos = [os.urandom(300_000) for _ in range(12)]
    asked = []
    for number, photo in enumerate(photos):
        blob = {"@type": "blob", "digest": blob_digest(photo), "length": len(photo)}
        message = {"Profile": "rev", "id": f"note:argo:{number}", "rev": "1-abc", "sequence": str(number)}
        asked.append(script.post(message, json.dumps({"photo": blob}).encode()))
    script.rest(1.0)
    by_digest = {blob_digest(photo): photo for photo in photos}
    came = 0
    while (wanted := script.taken(GetAttachment)) or came == 0:
        for question, event in wanted:
            came += 1
            script.answer(event, body=by_digest[question.digest])
        script.rest(1.0)
    assert came <= 1_000_000 // 300_000 + limits.BLOBS_AT_ONCE
    codes = [reply.code for number in asked if isinstance(reply := script.replies[number], ErrorReceived)]
    assert len(codes) == len(photos) - came
    assert set(codes) == {429}


def test_bytes_that_do_not_match_the_blob_are_charged_too(store: Database) -> None:
    clock = Clock()
    found = quota(clock)
    script = passive(store, clock=clock, quota=found)
    for number in range(5):
        blob = {"@type": "blob", "digest": blob_digest(bytes([number])), "length": 300_000}
        message = {"Profile": "rev", "id": f"note:argo:{number}", "rev": "1-abc", "sequence": str(number)}
        asked = script.post(message, json.dumps({"photo": blob}).encode())
        script.rest(1.0)
        for _, event in script.taken(GetAttachment):
            script.answer(event, body=bytes(300_000))
        script.rest(1.0)
    reply = script.replies[asked]
    assert isinstance(reply, ErrorReceived)
    assert reply.code == 429


def test_refused_document_stays_with_its_sender_and_arrives_the_next_day(tmp_path: Path) -> None:
    """A failure because of a quota is transient, so the checkpoint does not advance past the document.

    In this test, both peers run Logboat.
    """
    with fleet(tmp_path) as vessels:
        quotas = Quotas(lambda _: Allowance(10**9, 300), clock=vessels.clock)
        with vessels.stores[0].transaction():
            for number in range(1_000):
                vessels.write(0, documents.reading_id("v0", "rpm", LOG, number + 1))
        before = 0
        for day in range(4):
            vessels.meet(0, 1, quota=quotas.quota_of("vessel:v0"))
            held = vessels.stores[1].count("reading:")
            assert 300 <= held - before <= 300 + limits.BATCH or held == 1_000
            assert day or held < 1_000
            before = held
            vessels.clock.now += DAY_S
        assert_same(*vessels.stores)


def test_data_over_the_daily_quota_is_pulled_the_next_day(tmp_path: Path) -> None:
    with fleet(tmp_path) as vessels:
        quotas = Quotas(lambda _: Allowance(10**9, 300), clock=vessels.clock)
        with vessels.stores[1].transaction():
            vessels.write(1, "note:v1:too-large", {"text": "x" * LARGEST})
            for number in range(1_000):
                vessels.write(1, documents.reading_id("v1", "rpm", LOG, number + 1))
        before = 0
        for day in range(4):
            vessels.meet(0, 1, pull_quota=quotas.quota_of("vessel:v1"))
            held = vessels.stores[0].count("reading:")
            assert 300 <= held - before <= 300 + limits.BATCH or held == 1_000
            assert day or held < 1_000
            before = held
            vessels.clock.now += DAY_S
        assert before == 1_000
        assert vessels.stores[0].count("note:") == 0


BUDGETS = [10_000_000, 6_000_000_000, 24_000_000_000]


@pytest.mark.parametrize("budget", BUDGETS)
def test_no_honest_vessel_approaches_its_daily_quota(budget: int) -> None:
    """The data volume is calculated for 20 vessels that replicate after a month without contact.

    Each vessel has 50 sensors, whose values change every 10 s.
    """
    sensors = 20 * 50
    current = sensors * 86_400 // 10
    windows = sensors * 86_400 // 300 * 30
    bytes_a_window = 300 * 14 + 400
    history = min(windows * bytes_a_window, budget)  # a store contains no more than its budget
    found = daily_quotas.allowance("vessel:brigid", budget)
    assert current + history // bytes_a_window < found.revisions
    assert current * 600 + history < found.bytes


@pytest.mark.parametrize("budget", BUDGETS)
def test_no_honest_user_approaches_the_daily_quota(budget: int) -> None:
    found = daily_quotas.allowance("user:bridge", budget)
    assert found.revisions > 86_400 // 5 + 500
    assert found.bytes > 500 * 1_000 + 2 * 1_500_000
    assert found == daily_quotas.allowance("gateway:office", budget)


def test_largest_documents_of_logboat_are_permitted() -> None:
    series = 20 * 50 * 10
    assert series * len(f'"argo:{"x" * 16}:abcdef":123456789,') < daily_quotas.largest(
        "forwarded:office:argo"
    )
    assert daily_quotas.largest(documents.reading_id("argo", "rpm", LOG, 1)) > 4 * 64_000
    assert daily_quotas.largest(f"{DocumentType.NOTE}:argo:1") == LARGEST


def test_quota_counts_as_exhausted_only_after_it_has_refused_something() -> None:
    clock = Clock()
    found = quota(clock, revisions=1)
    found.charge(10)
    assert found.bite is None
    assert found.objection("a", 1) is not None
    assert found.bite == ExhaustedAllowance("user:mate", Measure.REVISIONS, 1, DAY_S, 1)
