"""Generation numbers near the limit cannot permanently prevent a document from being edited."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync.documents import POLICY
from sync.store import Database, DocumentError, InsertOutcome, revisions
from sync.store.revisions import GENERATION_LIMIT, RESTART, RESTART_OF_ONE, SOUND_LIMIT

from .builders import rev

LAST = rev(GENERATION_LIMIT - 1)
EQUIPMENT = "equipment:argo:bilge"
ALARM = "alarm:argo:bilge:abcdef:000000000007"


@contextmanager
def as_before() -> Iterator[None]:
    """Let the store accept any generation for the duration of the block, as earlier versions did."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(revisions, "SOUND_LIMIT", GENERATION_LIMIT)
        yield


@contextmanager
def frozen(path: Path, *ids: str, generation: int = GENERATION_LIMIT - 1) -> Iterator[Database]:
    """Yield a store, as written by an earlier version, in which documents have a very high generation."""
    with Database.open(path, policy=POLICY) as store:
        with as_before():
            for document_id in ids:
                before = store.put(document_id, {"state": "as it was"})
                store.insert(document_id, rev(generation), [before], {"state": "frozen"})
        yield store


@pytest.mark.parametrize("document_id", [EQUIPMENT, ALARM])
@pytest.mark.parametrize("generation", [GENERATION_LIMIT - 1, SOUND_LIMIT, SOUND_LIMIT - 1])
def test_document_at_the_last_generation_can_be_edited_again(
    tmp_path: Path, document_id: str, generation: int
) -> None:
    with frozen(tmp_path / "log.db", document_id, generation=generation) as store:
        first = store.put(document_id, {"state": "better"}, parent=rev(generation))
        second = store.put(document_id, {"state": "best"}, parent=first)
        assert revisions.generation(second) < SOUND_LIMIT
        found = store.get(document_id)
        assert found is not None
        assert (found.rev, found.body) == (second, {"state": "best"})
        assert store.conflicts() == []
        assert store.check() == []


@pytest.mark.parametrize("document_id", [EQUIPMENT, ALARM])
def test_replacement_outranks_older_revisions_in_other_stores(tmp_path: Path, document_id: str) -> None:
    with frozen(tmp_path / "log.db", document_id) as store:
        found = store.put(document_id, {"state": "better"}, parent=LAST)
        again = RESTART_OF_ONE if document_id == EQUIPMENT else RESTART
        assert revisions.generation(found) == again
    with Database.open(tmp_path / "other.db", policy=POLICY) as other:
        other.insert(document_id, rev(again - 1000), [], {"state": "as it was"})
        other.insert(document_id, found, [], {"state": "better"})
        current = other.get(document_id)
        assert current is not None
        assert current.rev == found


@pytest.mark.parametrize("document_id", [EQUIPMENT, ALARM])
def test_frozen_document_accepts_any_other_revision_from_a_peer(tmp_path: Path, document_id: str) -> None:
    with frozen(tmp_path / "log.db", document_id) as store:
        (wanted,) = store.missing([(document_id, rev(5, "b"))])
        assert wanted is not None
        found = store.insert(document_id, rev(5, "b"), [], {"state": "better"}, allow_conflict=False)
        assert found is InsertOutcome.NEW
        current = store.get(document_id)
        assert current is not None
        assert current.body == {"state": "better"}
        assert store.check() == []


def test_a_frozen_document_can_be_deleted(tmp_path: Path) -> None:
    with frozen(tmp_path / "log.db", ALARM, EQUIPMENT) as store:
        for document_id in (ALARM, EQUIPMENT):
            store.delete(document_id, parent=LAST)
            current = store.get(document_id)
            assert current is not None
            assert current.deleted
            store.put(document_id, {"state": "raised again"})
        assert store.check() == []


def test_store_with_frozen_documents_from_an_earlier_version_is_sound(tmp_path: Path) -> None:
    with frozen(tmp_path / "log.db", ALARM, EQUIPMENT) as store:
        assert store.check() == []
        assert sorted(store.unsound()) == [ALARM, EQUIPMENT]


@pytest.mark.parametrize("generation", [SOUND_LIMIT, GENERATION_LIMIT - 1])
def test_revision_that_could_have_no_successor_is_refused(tmp_path: Path, generation: int) -> None:
    with Database.open(tmp_path / "log.db", policy=POLICY) as store:
        for document_id in (EQUIPMENT, ALARM, "shopping"):
            with pytest.raises(DocumentError, match="there is no higher generation"):
                store.insert(document_id, rev(generation), [], {})
            with pytest.raises(DocumentError, match="there is no higher generation"):
                store.insert_new([(document_id, rev(generation), b"{}", False)])
        assert store.last_sequence == 0


@given(
    generations=st.lists(
        st.one_of(st.integers(1, 50), st.integers(SOUND_LIMIT - 3, SOUND_LIMIT + 3), st.just(2**31 - 1)),
        min_size=1,
        max_size=6,
        unique=True,
    ),
    document_id=st.sampled_from([EQUIPMENT, ALARM]),
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_our_next_edit_is_always_possible_and_current(
    tmp_path_factory: pytest.TempPathFactory, generations: list[int], document_id: str
) -> None:
    path = tmp_path_factory.mktemp("store") / "log.db"
    with Database.open(path, policy=POLICY) as store:
        with as_before():
            for number in generations:
                store.insert(document_id, rev(number), [], {"n": number})
        for text in ("one", "two"):
            current = store.get(document_id)
            assert current is not None
            made = store.put(document_id, {"text": text}, parent=current.rev)
            if document_id == EQUIPMENT:
                found = store.get(document_id)
                assert found is not None
                assert found.rev == made
            assert revisions.is_sound(made)
        assert store.check() == []


def test_branch_at_the_last_generation_loses_its_conflict(tmp_path: Path) -> None:
    with Database.open(tmp_path / "log.db", policy=POLICY) as store:
        with as_before():
            store.put(ALARM, {"state": "as it was"})
            store.insert(ALARM, LAST, [], {"state": "frozen"})
        assert store.insert(ALARM, rev(5, "b"), [], {"state": "better"}) is InsertOutcome.CONFLICT
        made = store.resolve(ALARM, rev(5, "b"), {"state": "best"})
        current = store.get(ALARM)
        assert current is not None
        assert (current.rev, current.body) == (made, {"state": "best"})
        assert store.conflicts() == []
        assert store.check() == []
