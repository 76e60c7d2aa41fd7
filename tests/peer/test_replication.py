"""After a replication, two stores contain the same documents, and no unnecessary data was sent."""

from pathlib import Path

import pytest

from sync.peer.progress import Direction
from sync.store import Database

from .rig import Clock, Wire, assert_same, contents, databases, replicate


def fill(database: Database, prefix: str, count: int) -> None:
    with database.transaction():
        for number in range(count):
            database.put(f"{prefix}-{number:05d}", {"n": number, "from": prefix})


@pytest.mark.parametrize(("push", "pull"), [(True, False), (False, True), (True, True)])
def test_documents_are_replicated_in_the_requested_direction(tmp_path: Path, push: bool, pull: bool) -> None:
    with databases(tmp_path) as (ours, theirs):
        fill(ours, "ours", 450)
        fill(theirs, "theirs", 450)
        wire = replicate(ours, theirs, active={"push": push, "pull": pull})
        assert theirs.count() == 450 + 450 * push
        assert ours.count() == 450 + 450 * pull
        assert wire.active.ledger.progress.pushed == 450 * push
        assert wire.active.ledger.progress.pulled == 450 * pull
        if push and pull:
            assert_same(ours, theirs)


def test_second_replication_sends_only_what_has_changed(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        fill(ours, "ours", 1000)
        fill(theirs, "theirs", 1000)
        replicate(ours, theirs)
        ours.put("one", {"more": True})
        wire = replicate(ours, theirs)
        assert wire.active.ledger.progress.pushed == 1
        assert sum(wire.frames.values()) < 20
        assert_same(ours, theirs)


def test_received_revision_is_not_sent_back(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        fill(ours, "ours", 600)
        fill(theirs, "theirs", 600)
        wire = Wire(ours, theirs, active={"continuous": True})
        wire.settle()
        assert_same(ours, theirs)
        assert wire.passive.ledger.progress.total == 600
        assert wire.active.ledger.progress.total == 1200
        wire.cut()


def test_continuous_replication_sends_changes_as_they_occur(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        wire = Wire(ours, theirs, active={"continuous": True})
        wire.settle()
        ours.put("a", {"x": 1})
        theirs.put("b", {"x": 2})
        wire.wake()
        wire.settle()
        assert_same(ours, theirs)
        revision = ours.put("b", {"x": 3}, parent=ours.get("b").rev)  # type: ignore[union-attr]
        wire.wake()
        wire.settle()
        assert theirs.get("b").rev == revision  # type: ignore[union-attr]
        wire.active.stop()
        wire.settle()
        assert wire.active.session.is_over


def test_deletions_replicate(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        fill(ours, "d", 3)
        replicate(ours, theirs)
        ours.delete("d-00000", parent=ours.get("d-00000").rev)  # type: ignore[union-attr]
        theirs.delete("d-00001", parent=theirs.get("d-00001").rev)  # type: ignore[union-attr]
        replicate(ours, theirs)
        assert_same(ours, theirs)
        assert ours.count() == 1


def test_document_events_name_each_document(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        fill(ours, "ours", 3)
        fill(theirs, "theirs", 2)
        wire = replicate(ours, theirs)
        pushed = {ended.id for ended in wire.told if ended.direction is Direction.PUSH}
        pulled = {ended.id for ended in wire.told if ended.direction is Direction.PULL}
        assert pushed == {f"ours-{n:05d}" for n in range(3)}
        assert pulled == {f"theirs-{n:05d}" for n in range(2)}


def test_document_rewritten_many_times_while_disconnected_causes_no_conflict(tmp_path: Path) -> None:
    single = "equipment:argo:main-rpm"
    with databases(tmp_path) as (ours, theirs):
        for name in ("plain", single):
            ours.put(name, {"n": 0})
        replicate(ours, theirs)
        for name in ("plain", single):
            for number in range(200):
                ours.put(name, {"n": number + 1}, parent=ours.get(name).rev)  # type: ignore[union-attr]
        replicate(ours, theirs)
        assert_same(ours, theirs)
        assert theirs.get("plain").body == {"n": 200}  # type: ignore[union-attr]
        assert theirs.get(single).body == {"n": 200}  # type: ignore[union-attr]


def test_document_rewritten_many_times_reaches_a_puller_without_a_conflict(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        ours.put("plain", {"n": 0})
        replicate(theirs, ours, active={"pull": True, "push": False})
        for number in range(200):
            ours.put("plain", {"n": number + 1}, parent=ours.get("plain").rev)  # type: ignore[union-attr]
        replicate(theirs, ours, active={"pull": True, "push": False})
        assert theirs.leaves("plain")[0].body == {"n": 200}
        assert theirs.conflicts() == []


def test_conflict_is_resolved_by_the_puller_and_pushed_back(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        fill(ours, "d", 20)
        replicate(ours, theirs)
        for number in range(20):
            name = f"d-{number:05d}"
            parent = ours.get(name).rev  # type: ignore[union-attr]
            ours.put(name, {"by": "ours", "n": number}, parent=parent)
            theirs.put(name, {"by": "theirs", "n": number}, parent=parent)
        replicate(ours, theirs)
        assert_same(ours, theirs)
        before = contents(ours)
        wire = replicate(ours, theirs)
        assert wire.active.ledger.progress.pushed == 0
        assert contents(theirs) == before


def test_push_alone_reports_a_conflict_and_loses_nothing(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        ours.put("d", {"by": "ours"})
        theirs.put("d", {"by": "theirs"})
        ours.put("e", {})
        wire = replicate(ours, theirs, active={"pull": False})
        assert theirs.get("d").body == {"by": "theirs"}  # type: ignore[union-attr]
        assert theirs.get("e") is not None
        (failed,) = [ended for ended in wire.told if ended.problem is not None]
        assert failed.id == "d"
        assert failed.problem is not None
        assert failed.problem.code == 409


def test_read_only_peer_sends_documents_and_accepts_none(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        fill(theirs, "theirs", 5)
        replicate(ours, theirs, active={"push": False}, passive={"read_only": True})
        assert ours.count() == 5
        ours.put("mine", {})
        wire = Wire(ours, theirs, active={"pull": False}, passive={"read_only": True})
        wire.settle()
        assert wire.active.session.problem is not None
        assert wire.active.session.problem.code == 403
        assert theirs.count() == 5


def test_idle_replication_has_no_deadline(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        fill(ours, "ours", 10)
        clock = Clock()
        wire = Wire(ours, theirs, clock=clock, active={"continuous": True})
        wire.settle()
        assert wire.active.deadline is None
        assert wire.passive.deadline is None
        wire.cut()


def test_client_without_write_access_still_pulls_and_is_told_what_was_not_pushed(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        fill(theirs, "theirs", 5)
        ours.put("mine", {})
        wire = Wire(ours, theirs, passive={"read_only": True})
        wire.settle()
        assert wire.active.session.problem is not None
        assert wire.active.session.problem.code == 403
        assert ours.count() == 6
        assert [ended.id for ended in wire.told if ended.problem is not None] == ["mine"]
        replicate(ours, theirs)  # pushed once permitted, because nothing was marked as pushed
        assert_same(ours, theirs)


def test_client_without_read_access_still_pushes_and_is_told_of_conflicts(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        ours.put("both", {"from": "ours"})
        theirs.put("both", {"from": "theirs"})
        ours.put("mine", {})
        wire = Wire(ours, theirs, passive={"write_only": True})
        wire.settle()
        assert wire.active.session.is_over
        assert wire.active.session.problem is not None
        assert wire.active.session.problem.code == 403
        assert theirs.get("mine") is not None
        assert [ended.id for ended in wire.told if ended.problem is not None] == ["both"]


def test_pulled_revisions_are_not_remembered_where_nothing_may_be_pushed(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        ours.put("mine", {})
        wire = Wire(ours, theirs, active={"continuous": True}, passive={"read_only": True})
        wire.settle()
        fill(theirs, "theirs", 50)
        wire.wake()
        wire.settle()
        assert ours.count() == 51
        assert wire.active.sender is not None
        assert not wire.active.sender._echo
        wire.cut()
