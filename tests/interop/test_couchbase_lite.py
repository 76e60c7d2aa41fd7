"""Tests of replication between a real Couchbase Lite and Logboat's listener."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sync.peer.quotas import DAY_S, LARGEST, Allowance, Quota
from sync.store import Database
from tests import polling
from tests.interop.couchbase_lite.client import (
    BOTH,
    PULL,
    PUSH,
    CouchbaseLite,
    Resolver,
)
from tests.interop.couchbase_lite.client import Database as App
from tests.interop.couchbase_lite.counting import CountingRelay
from tests.interop.couchbase_lite.listening import ListenerThread
from tests.peer.rig import Clock, Wire

WAIT = 60.0
VALUES = {
    "text": 'Ölstand „voll" \U0001f6a2 \t\n',
    "empty": "",
    "numbers": [0, -1, 1.5, 1e-7, 2**53, -(2**53), 120000.25],
    "truth": [True, False, None],
    "nested": {"a": {"b": [{"c": []}, {}]}},
}


@pytest.fixture
def app(couchbase_lite: CouchbaseLite, numbers: Iterator[int]) -> Iterator[App]:
    database = couchbase_lite.open(f"app{next(numbers)}")
    yield database
    database.close()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "log.db") as database:
        yield database


@pytest.fixture
def listener(log: Database) -> Iterator[ListenerThread]:
    with ListenerThread(log) as running_listener:
        yield running_listener


def change(log: Database, document: str, **fields: Any) -> str:
    """Change fields of a document in Logboat's database, or store a new document with these fields."""
    before = log.get(document)
    if before is None or before.deleted:
        return log.put(document, fields)
    return log.put(document, before.body | fields, parent=before.rev)


def wait_until(log: Database, happened: Callable[[], bool]) -> None:
    """Check a condition after each change in Logboat's database, and wait until it is true."""
    deadline = time.monotonic() + WAIT
    with log.watch() as watcher:
        while not happened():
            assert watcher.wait(deadline - time.monotonic()), f"did not happen within {WAIT:.0f} s"


def wait_until_body(log: Database, document: str, body: dict[str, Any]) -> None:
    wait_until(log, lambda: body_of(log, document) == body)


def body_of(log: Database, document: str) -> dict[str, Any] | None:
    found = log.get(document)
    return None if found is None or found.deleted else found.body


def assert_alike(log: Database, app: App) -> None:
    """Assert that both databases have the same documents, revisions and bodies, and no conflicts."""
    here = {document.id: (document.rev, document.body) for document in log.documents()}
    there = {}
    for document in app.ids():
        found = app.get(document)
        assert found is not None
        there[document] = found.rev, found.body
    assert here == there
    assert log.conflicts() == []


def replicate(app: App, url: str, **options: Any) -> None:
    """Replicate once from Couchbase Lite, and assert that there was no error."""
    replicator = app.replicator(url, **options)
    status = replicator.run()
    assert status.error is None
    assert replicator.failed() == {}


def meet(ours: Database, theirs: Database) -> None:
    """Replicate two Logboat databases with each other."""
    wire = Wire(ours, theirs)
    wire.settle()
    assert wire.active.session.problem is None
    assert wire.passive.session.problem is None
    wire.cut()


# Directions


def test_pushed_documents_arrive_unchanged(log: Database, app: App, listener: ListenerThread) -> None:
    app.put_many({f"note:argo:{n}": {"n": n, **VALUES} for n in range(500)})
    app.put("note:argo:0", {"n": -1})
    change(log, "note:brigid:1", ours=True)
    replicate(app, listener.url, kind=PUSH)
    assert app.ids() == {f"note:argo:{n}" for n in range(500)}
    assert log.count() == 501
    assert body_of(log, "note:argo:0") == {"n": -1}
    assert body_of(log, "note:argo:499") == {"n": 499, **VALUES}


def test_pulled_documents_arrive_unchanged(log: Database, app: App, listener: ListenerThread) -> None:
    with log.transaction():
        for n in range(500):
            log.put(f"note:argo:{n}", {"n": n, **VALUES})
    change(log, "note:argo:0", n=-1)
    app.put("note:brigid:1", {"theirs": True})
    replicate(app, listener.url, kind=PULL)
    assert log.get("note:brigid:1") is None
    assert len(app.ids()) == 501
    assert app.body("note:argo:0") == {"n": -1, **VALUES}
    assert app.body("note:argo:499") == {"n": 499, **VALUES}


def test_push_and_pull_make_both_databases_identical(
    log: Database, app: App, listener: ListenerThread
) -> None:
    for n in range(20):
        change(log, f"note:argo:{n}", n=n)
        app.put(f"note:brigid:{n}", {"n": n})
    replicate(app, listener.url, kind=BOTH)
    assert len(app.ids()) == 40
    assert_alike(log, app)


def test_alternating_changes_are_replicated(log: Database, app: App, listener: ListenerThread) -> None:
    app.put("note:argo:1", {"turn": 0})
    replicate(app, listener.url)
    for turn in range(1, 7):
        if turn % 2:
            change(log, "note:argo:1", turn=turn)
        else:
            app.put("note:argo:1", {"turn": turn})
        replicate(app, listener.url)
        assert_alike(log, app)
    found = app.get("note:argo:1")
    assert found is not None
    assert (found.rev.split("-")[0], found.body) == ("7", {"turn": 6})


def test_second_replication_transfers_only_new_documents(
    log: Database, app: App, listener: ListenerThread
) -> None:
    app.put_many({f"note:argo:{n}": {} for n in range(50)})
    replicate(app, listener.url)
    app.put("note:argo:new", {})
    change(log, "note:brigid:new")
    replicator = app.replicator(listener.url)
    assert replicator.run().error is None
    assert {(ended.id, ended.pushed) for ended in replicator.documents} == {
        ("note:argo:new", True),
        ("note:brigid:new", False),
    }


def test_continuous_replication_transfers_each_change_at_once(
    log: Database, app: App, listener: ListenerThread
) -> None:
    replicator = app.replicator(listener.url, continuous=True)
    replicator.start()
    replicator.wait("idle")
    for turn in range(5):
        app.put("note:argo:1", {"turn": turn})
        wait_until_body(log, "note:argo:1", {"turn": turn})
        replicator.forget()
        change(log, "note:brigid:1", turn=turn)
        replicator.wait_pulled("note:brigid:1")
        assert app.body("note:brigid:1") == {"turn": turn}
    assert replicator.stop().error is None
    assert_alike(log, app)


@pytest.mark.parametrize("kind", [PUSH, PULL])
def test_deletions_are_replicated(log: Database, app: App, listener: ListenerThread, kind: Any) -> None:
    app.put("note:argo:1", {"n": 1})
    app.put("note:argo:2", {"n": 2})
    replicate(app, listener.url)
    if kind is PUSH:
        app.delete("note:argo:1")
    else:
        held = log.get("note:argo:1")
        assert held is not None
        log.delete("note:argo:1", parent=held.rev)
    replicate(app, listener.url, kind=kind)
    held = log.get("note:argo:1")
    assert held is not None
    assert held.deleted
    assert app.ids() == {"note:argo:2"}
    assert_alike(log, app)


def test_deleted_document_can_be_created_again(log: Database, app: App, listener: ListenerThread) -> None:
    app.put("note:argo:1", {"n": 1})
    replicate(app, listener.url)
    app.delete("note:argo:1")
    replicate(app, listener.url)
    change(log, "note:argo:1", n=2)
    replicate(app, listener.url)
    assert app.body("note:argo:1") == {"n": 2}
    assert_alike(log, app)


def test_long_document_is_replicated_in_both_directions(
    log: Database, app: App, listener: ListenerThread
) -> None:
    text = os.urandom(1_500_000).hex()
    app.put("note:argo:1", {"text": text})
    change(log, "note:brigid:1", text=text[::-1])
    replicate(app, listener.url)
    assert_alike(log, app)


def test_number_that_json_cannot_preserve_fails_only_its_document(
    log: Database, app: App, listener: ListenerThread
) -> None:
    app.put("note:argo:1", {"n": -(2**63)})
    app.put("note:argo:2", {"n": 1})
    replicator = app.replicator(listener.url, kind=PUSH)
    assert replicator.run().error is None
    failed = replicator.failed()
    assert failed.keys() == {"note:argo:1"}
    assert failed["note:argo:1"].code == 10_400
    assert "write it as a string" in failed["note:argo:1"].message
    assert [document.id for document in log.documents()] == ["note:argo:2"]


def test_document_edited_offline_and_passed_on_by_another_vessel_is_accepted(
    log: Database, app: App, listener: ListenerThread, tmp_path: Path
) -> None:
    with Database.open(tmp_path / "other.db") as other:
        change(other, "note:argo:1", n=0)
        meet(other, log)
        replicate(app, listener.url, kind=PULL)
        for n in range(1, 60):
            change(other, "note:argo:1", n=n)
        meet(other, log)
    replicate(app, listener.url, kind=PULL)
    assert app.body("note:argo:1") == {"n": 59}
    assert_alike(log, app)


# Deltas


@pytest.mark.parametrize("kind", [PUSH, PULL])
@pytest.mark.parametrize("deltas", [True, False], ids=["deltas", "no-deltas"])
def test_small_change_of_a_long_document_takes_few_bytes_with_deltas(
    log: Database, app: App, kind: Any, deltas: bool
) -> None:
    long = {"noise": os.urandom(10_000).hex(), "n": 0}  # short enough for the store to keep the old body
    with ListenerThread(log, deltas=deltas) as listener, CountingRelay(listener.port) as relay:
        url = f"ws://127.0.0.1:{relay.port}/log"
        app.put("note:argo:1", long)
        replicate(app, url)
        if kind is PUSH:
            app.put("note:argo:1", {**long, "n": 1})
        else:
            change(log, "note:argo:1", n=1)
        relay.reset()
        replicate(app, url, kind=kind)
        carried = relay.there if kind is PUSH else relay.back
    assert app.body("note:argo:1") == {**long, "n": 1}
    assert_alike(log, app)
    assert (carried < 5_000) is deltas


def test_repeated_deltas_make_both_databases_identical(
    log: Database, app: App, listener: ListenerThread
) -> None:
    body: dict[str, Any] = {f"line {n}": f"what was said about line {n} of the log" for n in range(30)}
    app.put("note:argo:1", body)
    replicate(app, listener.url)
    for turn in range(6):
        body[f"line {turn}"] = f"what was then said about line {turn} of the log"
        body.pop(f"line {29 - turn}")
        body["list"] = [*range(turn), {"turn": turn}]
        if turn % 2:
            app.put("note:argo:1", body)
        else:
            held = log.get("note:argo:1")
            assert held is not None
            log.put("note:argo:1", body, parent=held.rev)
        replicate(app, listener.url)
        assert app.body("note:argo:1") == body
        assert_alike(log, app)


# Blobs


@pytest.mark.parametrize("size", [0, 1, 70_000, 2_000_000])
def test_a_blob_is_pushed(log: Database, app: App, listener: ListenerThread, size: int) -> None:
    content = os.urandom(size)
    app.put("note:argo:1", {"text": "see picture"})
    app.put_blob("note:argo:1", "picture", content, content_type="image/png")
    replicate(app, listener.url, kind=PUSH)
    body = body_of(log, "note:argo:1")
    assert body is not None
    assert body["picture"]["@type"] == "blob"
    assert log.blobs.read(body["picture"]["digest"]) == content
    assert "_attachments" not in body
    assert_alike(log, app)


@pytest.mark.parametrize("size", [0, 1, 70_000, 2_000_000])
def test_a_blob_is_pulled(log: Database, app: App, listener: ListenerThread, size: int) -> None:
    content = os.urandom(size)
    reference = {
        "@type": "blob",
        "digest": log.blobs.put(content),
        "length": size,
        "content_type": "image/png",
    }
    log.put("note:argo:1", {"text": "see picture", "picture": reference})
    replicate(app, listener.url, kind=PULL)
    blob = app.get_blob("note:argo:1", "picture")
    assert blob is not None
    assert (blob.data, blob.type, blob.digest) == (content, "image/png", reference["digest"])


def test_attachment_outside_the_body_reaches_an_app_and_survives_its_replication(
    log: Database, app: App, listener: ListenerThread
) -> None:
    content = bytes(range(256)) * 300
    entry = {"digest": log.blobs.put(content), "length": len(content), "content_type": "image/jpeg"}
    held = {"leak.jpg": entry | {"stub": True, "revpos": 1}}
    change(log, "note:argo:1", text="from the office", _attachments=held)
    replicate(app, listener.url)
    assert app.body("note:argo:1") == {"text": "from the office", "_attachments": held}
    change(log, "note:argo:1", text="tightened")
    replicate(app, listener.url)
    assert app.body("note:argo:1") == {"text": "tightened", "_attachments": held}
    app.put("note:argo:1", {"text": "done", "_attachments": held})
    replicate(app, listener.url)
    assert body_of(log, "note:argo:1") == {"text": "done", "_attachments": held}


# Conflicts


@pytest.mark.parametrize(
    ("resolver", "end"),
    [
        (Resolver.LOCAL, {"of": "app", "app": True}),
        (Resolver.REMOTE, {"of": "log", "log": True}),
        (Resolver.MERGE, {"of": "app", "app": True, "log": True}),
        (Resolver.DELETE, None),
    ],
)
def test_conflict_is_resolved_by_couchbase_lite_and_both_sides_are_identical(
    log: Database, app: App, listener: ListenerThread, resolver: Resolver, end: dict[str, Any] | None
) -> None:
    app.put("note:argo:1", {"of": "both"})
    replicate(app, listener.url)
    app.put("note:argo:1", {"of": "app", "app": True})
    held = log.get("note:argo:1")
    assert held is not None
    log.put("note:argo:1", {"of": "log", "log": True}, parent=held.rev)
    app.replicator(listener.url, resolver=resolver).run(left=listener.wait_until_left)
    replicate(app, listener.url, resolver=resolver)
    assert app.body("note:argo:1") == end
    assert body_of(log, "note:argo:1") == end
    assert_alike(log, app)


def test_default_resolution_keeps_the_higher_generation(
    log: Database, app: App, listener: ListenerThread
) -> None:
    app.put("note:argo:1", {"n": 0})
    replicate(app, listener.url)
    app.put("note:argo:1", {"of": "app"})
    change(log, "note:argo:1", n=1)
    change(log, "note:argo:1", n=2)
    app.replicator(listener.url).run()
    replicate(app, listener.url)
    assert app.body("note:argo:1") == {"n": 2}
    assert_alike(log, app)


def test_default_resolution_keeps_the_deletion(log: Database, app: App, listener: ListenerThread) -> None:
    app.put("note:argo:1", {"n": 0})
    replicate(app, listener.url)
    app.delete("note:argo:1")
    change(log, "note:argo:1", n=1)
    change(log, "note:argo:1", n=2)
    app.replicator(listener.url).run()
    replicate(app, listener.url)
    assert app.ids() == set()
    assert body_of(log, "note:argo:1") is None
    assert_alike(log, app)


@pytest.mark.parametrize("by", ["here", "elsewhere", "there"])
def test_app_deletion_is_accepted_although_a_closed_branch_has_a_higher_generation(
    log: Database, app: App, listener: ListenerThread, tmp_path: Path, by: str
) -> None:
    current = log.put("note:argo:1", {"n": 0})
    replicate(app, listener.url)
    ended = "9-" + "cd" * 16
    log.insert("note:argo:1", ended, [], {}, deleted=True)
    with Database.open(tmp_path / "tender.db") as tender:
        meet(tender, log)
        tender.insert("note:argo:1", ended, [], {}, deleted=True)
        if by == "there":
            app.delete("note:argo:1")
        elif by == "here":
            log.delete("note:argo:1", parent=current)
        else:
            log.insert("note:argo:1", "2-" + "ab" * 16, [current], {}, deleted=True)
        replicate(app, listener.url)
        meet(tender, log)
        assert app.body("note:argo:1") is None
        assert body_of(log, "note:argo:1") is None
        assert body_of(tender, "note:argo:1") is None
        app.put("note:argo:1", {"n": 1})
        replicate(app, listener.url)
        replicate(app, listener.url)
        meet(tender, log)
        assert body_of(log, "note:argo:1") == {"n": 1}
        assert body_of(tender, "note:argo:1") == {"n": 1}
        assert_alike(log, app)


@pytest.mark.parametrize("by", ["here", "there"])
@pytest.mark.parametrize("edits", [19, 20, 60])
def test_document_rewritten_many_times_on_one_side_is_no_conflict(
    log: Database, app: App, listener: ListenerThread, by: str, edits: int
) -> None:
    change(log, "note", n=0)
    replicate(app, listener.url, kind=BOTH)
    for number in range(1, edits + 1):
        if by == "here":
            change(log, "note", n=number)
        else:
            app.put("note", {"n": number})
    replicate(app, listener.url, kind=BOTH)
    assert body_of(log, "note") == {"n": edits}
    assert app.body("note") == {"n": edits}
    assert_alike(log, app)
    change(log, "note", n=-1)
    replicate(app, listener.url, kind=BOTH)
    assert_alike(log, app)


def test_documents_created_on_both_sides_with_the_same_id_become_identical(
    log: Database, app: App, listener: ListenerThread
) -> None:
    app.put("note:argo:1", {"of": "app"})
    log.put("note:argo:1", {"of": "log"})
    app.replicator(listener.url, resolver=Resolver.MERGE).run()
    replicate(app, listener.url, resolver=Resolver.MERGE)
    assert app.body("note:argo:1") == {"of": "app"}
    assert_alike(log, app)


def test_push_only_replication_of_a_conflict_is_refused_with_409(
    log: Database, app: App, listener: ListenerThread
) -> None:
    app.put("note:argo:1", {"n": 0})
    replicate(app, listener.url)
    app.put("note:argo:1", {"of": "app"})
    change(log, "note:argo:1", n=1)
    replicator = app.replicator(listener.url, kind=PUSH)
    assert replicator.run().error is None
    assert {document: failure.code for document, failure in replicator.failed().items()} == {
        "note:argo:1": 10_409
    }
    assert body_of(log, "note:argo:1") == {"n": 1}
    assert log.conflicts() == []


# Authentication


@pytest.mark.parametrize("password", ["secret: 1", "sécret"])
def test_user_with_the_password_is_admitted(log: Database, app: App, password: str) -> None:
    app.put("note:argo:1", {})
    with ListenerThread(log, users={"bridge": password}) as listener:
        replicate(app, listener.url, user="bridge", password=password)
    assert log.count() == 1


@pytest.mark.parametrize(
    ("user", "password"),
    [("bridge", "wrong"), ("nobody", "secret"), (None, None)],
    ids=["wrong password", "wrong user", "none"],
)
def test_client_without_the_password_is_refused(
    log: Database, app: App, user: str | None, password: str | None
) -> None:
    app.put("note:argo:1", {})
    with ListenerThread(log, users={"bridge": "secret"}) as listener:
        status = app.replicator(listener.url, user=user, password=password).run()
    assert status.error is not None
    assert (status.error.domain, status.error.code) == ("CouchbaseLite", 10_401)
    assert log.count() == 0


def test_unknown_database_is_not_found(app: App, listener: ListenerThread) -> None:
    status = app.replicator(listener.url.replace("/log", "/other")).run()
    assert status.error is not None
    assert status.error.code == 10_404


def test_the_listeners_own_certificate_is_pinned(log: Database, app: App) -> None:
    app.put("note:argo:1", {})
    with ListenerThread(log, tls=True, users={"bridge": "secret"}) as listener:
        replicate(app, listener.url, certificate=listener.certificate, user="bridge", password="secret")
    assert_alike(log, app)


def test_another_listeners_certificate_is_refused(log: Database, app: App, tmp_path: Path) -> None:
    app.put("note:argo:1", {})
    with (
        Database.open(tmp_path / "other.db") as other_log,
        ListenerThread(log, tls=True) as listener,
        ListenerThread(other_log, tls=True) as other,
    ):
        status = app.replicator(listener.url, certificate=other.certificate).run()
    assert status.error is not None
    assert status.error.code == 5008
    assert log.count() == 0


def test_read_only_listener_sends_but_accepts_no_documents(log: Database, app: App) -> None:
    app.put("note:argo:1", {})
    change(log, "note:brigid:1", n=1)
    with ListenerThread(log, read_only=True) as listener:
        replicate(app, listener.url, kind=PULL)
        replicator = app.replicator(listener.url, kind=PUSH)
        status = replicator.run()
    assert app.body("note:brigid:1") == {"n": 1}
    assert log.get("note:argo:1") is None
    codes = {failure.code for failure in replicator.failed().values()}
    assert 10_403 in codes | {status.error.code if status.error else 0}


# Selection


def test_only_the_requested_documents_are_replicated(
    log: Database, app: App, listener: ListenerThread
) -> None:
    for n in range(4):
        change(log, f"note:argo:{n}", n=n)
        app.put(f"note:brigid:{n}", {"n": n})
    replicate(app, listener.url, document_ids=["note:argo:1", "note:brigid:2", "note:none:3"])
    assert app.ids() == {"note:argo:1", *(f"note:brigid:{n}" for n in range(4))}
    assert {document.id for document in log.documents("note:brigid:")} == {"note:brigid:2"}


def test_only_the_requested_channels_are_pulled(log: Database, app: App, listener: ListenerThread) -> None:
    change(log, "note:argo:1", channels=["notes", "vessel.argo"])
    change(log, "note:brigid:1", channels=["notes", "vessel.brigid"])
    change(log, "alarm:argo:bilge-float:abcdef:000000000001", channels=["alarms", "vessel.argo"])
    change(log, "vessel:argo", channels=["vessels", "vessel.argo"])
    replicate(app, listener.url, kind=PULL, channels=["alarms", "vessel.brigid"])
    assert app.ids() == {"note:brigid:1", "alarm:argo:bilge-float:abcdef:000000000001"}


@pytest.mark.parametrize("continuous", [False, True], ids=["one after another", "one that goes on"])
def test_app_that_pulls_some_channels_receives_deletions_and_removals(
    log: Database, app: App, listener: ListenerThread, continuous: bool
) -> None:
    names = {"note-1", "note-2", "note-3"}
    for name in names:
        change(log, name, channels=["notes"])
    replicator = app.replicator(listener.url, kind=PULL, channels=["notes"], continuous=continuous)
    replicator.start()
    replicator.wait("idle" if continuous else "stopped")
    assert app.ids() == names
    replicator.forget()
    held = log.get("note-1")
    assert held is not None
    log.delete("note-1", parent=held.rev)
    change(log, "note-2", channels=["galley"])
    if continuous:
        replicator.wait_pulled("note-1", "note-2")
        assert replicator.stop().error is None
    else:
        replicate(app, listener.url, kind=PULL, channels=["notes"])
    assert app.ids() == {"note-3"}


# Rights and quotas


def test_documents_over_the_daily_quota_are_pushed_on_the_next_day(log: Database, app: App) -> None:
    clock = Clock()
    quota = Quota("user:bridge", Allowance(100_000, 1_000), clock=clock)
    app.put_many({f"note:argo:{n}": {"text": "x" * 40_000} for n in range(5)})
    app.put("note:argo:huge", {"text": "x" * LARGEST})
    with ListenerThread(log, quota=quota) as listener:
        replicator = app.replicator(listener.url, kind=PUSH)
        replicator.run()
        refused = set(replicator.failed())
        assert "note:argo:huge" in refused
        clock.now += DAY_S
        while log.count() < 5:
            before = log.count()
            app.replicator(listener.url, kind=PUSH).run()
            assert log.count() > before
            clock.now += DAY_S
    assert log.get("note:argo:huge") is None


def test_app_whose_checkpoint_was_dropped_starts_over(
    log: Database, app: App, listener: ListenerThread
) -> None:
    app.put_many({f"note:argo:{n}": {} for n in range(20)})
    change(log, "note:brigid:1")
    replicate(app, listener.url)
    (kept,) = log.checkpoints.all()
    assert kept.size < 200
    assert kept.owner is not None
    assert log.checkpoints.drop(kept.owner, kept.client)
    app.put("note:argo:new", {})
    change(log, "note:brigid:2")
    replicate(app, listener.url)
    assert_alike(log, app)
    assert [each.client for each in log.checkpoints.all()] == [kept.client]


def test_app_continues_when_its_checkpoint_is_dropped_during_replication(
    log: Database, app: App, listener: ListenerThread
) -> None:
    replicator = app.replicator(listener.url, continuous=True)
    replicator.start()
    app.put("note:argo:1", {})
    replicator.wait_pushed("note:argo:1")
    polling.wait_until(lambda: bool(log.checkpoints.all()), lambda: "no checkpoint was stored")
    (kept,) = log.checkpoints.all()
    assert kept.owner is not None
    assert log.checkpoints.drop(kept.owner, kept.client)
    for number in range(2, 5):
        app.put(f"note:argo:{number}", {})
        replicator.wait_pushed(f"note:argo:{number}")
    assert replicator.stop().error is None
    assert_alike(log, app)


# Interruptions


def test_replication_resumes_after_a_restart(log: Database, app: App, listener: ListenerThread) -> None:
    app.put_many({f"note:argo:{n}": {} for n in range(20)})
    replicate(app, listener.url)
    listener.stop()
    listener.start()
    app.put("note:argo:new", {})
    replicator = app.replicator(listener.url)
    assert replicator.run().error is None
    assert [ended.id for ended in replicator.documents] == ["note:argo:new"]
    assert_alike(log, app)


def test_continuous_replication_survives_a_restart(log: Database, app: App, listener: ListenerThread) -> None:
    replicator = app.replicator(listener.url, continuous=True, max_attempts=None, max_attempt_wait_time=1)
    replicator.start()
    replicator.wait("idle")
    listener.stop()
    assert replicator.wait("offline", "stopped").level == "offline"
    app.put("note:argo:1", {})
    change(log, "note:brigid:1")
    listener.start()
    replicator.wait_pushed("note:argo:1")
    replicator.wait_pulled("note:brigid:1")
    assert replicator.stop().error is None
    assert_alike(log, app)


def test_continuous_replication_survives_a_broken_connection(
    log: Database, app: App, listener: ListenerThread
) -> None:
    with CountingRelay(listener.port) as relay:
        replicator = app.replicator(
            f"ws://127.0.0.1:{relay.port}/log", continuous=True, max_attempts=None, max_attempt_wait_time=1
        )
        replicator.start()
        replicator.wait("idle")
        relay.cut()
        replicator.wait("offline")
        app.put("note:argo:1", {})
        change(log, "note:brigid:1")
        replicator.wait_pushed("note:argo:1")
        replicator.wait_pulled("note:brigid:1")
        assert replicator.stop().error is None
    assert_alike(log, app)
