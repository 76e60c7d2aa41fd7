"""The store behaves like a simple model of dictionaries in any sequence of operations and restarts."""

import copy
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sync.store import ConflictError, Database, InsertOutcome, bodies, revisions

ids = st.sampled_from([f"{kind}:{number}" for kind in ("note", "reading", "alarm") for number in range(4)])
bodies_ = st.dictionaries(
    st.sampled_from(["a", "b"]), st.integers(0, 3) | st.text("xyz", max_size=3), max_size=2
)


@dataclass
class Entry:
    rev: str
    raw: bytes
    deleted: bool
    sequence: int


@dataclass
class Model:
    """Model of a document store, with the content that the store is expected to have."""

    entries: dict[str, Entry] = field(default_factory=dict)
    sequence: int = 0
    local: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    expiry: dict[str, int] = field(default_factory=dict)
    floor: int = 0

    def set(self, document_id: str, rev: str, raw: bytes, *, deleted: bool = False) -> None:
        self.sequence += 1
        self.entries[document_id] = Entry(rev, raw, deleted, self.sequence)

    def purge(self, document_id: str) -> None:
        self.entries.pop(document_id, None)
        self.expiry.pop(document_id, None)


class StoreMachine(RuleBasedStateMachine):
    """Hypothesis state machine whose rules apply the same operation to the store and to the model."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="store-"))
        self.now = 0.0
        self.model = Model()
        self.undo: list[Model] = []
        self.open()

    def open(self) -> None:
        self.store = Database.open(self.folder / "log.db", clock=lambda: self.now)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)

    @rule(document_id=ids, body=bodies_)
    def put(self, document_id: str, body: dict[str, object]) -> None:
        entry = self.model.entries.get(document_id)
        if entry is not None and not entry.deleted:
            with pytest.raises(ConflictError):
                self.store.put(document_id, body)
            return
        made = self.store.put(document_id, body)
        raw = bodies.canonical(document_id, body)
        assert made == revisions.make(entry.rev if entry else None, deleted=False, body=raw)
        self.model.set(document_id, made, raw)

    @rule(document_id=ids, body=bodies_)
    def put_if_absent(self, document_id: str, body: dict[str, object]) -> None:
        stored = self.store.put_if_absent(document_id, body)
        assert stored == (document_id not in self.model.entries)
        if stored:
            raw = bodies.canonical(document_id, body)
            self.model.set(document_id, revisions.make(None, deleted=False, body=raw), raw)

    @rule(document_id=ids, body=bodies_, stale=st.booleans())
    def update(self, document_id: str, body: dict[str, object], stale: bool) -> None:
        entry = self.model.entries.get(document_id)
        parent = "1-stale" if stale or entry is None else entry.rev
        if entry is None or stale:
            with pytest.raises(ConflictError):
                self.store.put(document_id, body, parent=parent)
            return
        made = self.store.put(document_id, body, parent=parent)
        self.model.set(document_id, made, bodies.canonical(document_id, body))

    @rule(document_id=ids)
    def delete(self, document_id: str) -> None:
        entry = self.model.entries.get(document_id)
        if entry is None:
            return
        self.model.set(document_id, self.store.delete(document_id, parent=entry.rev), b"{}", deleted=True)

    @rule(
        document_id=ids,
        raw=st.sampled_from([b"{}", b'{"n": 1}', b'{"n":2 }']),
        gap=st.integers(1, 30),
        deleted=st.booleans(),
    )
    def receive(self, document_id: str, raw: bytes, gap: int, deleted: bool) -> None:
        """Insert a received revision that is `gap` generations above the current one."""
        entry = self.model.entries.get(document_id)
        generation = gap + (revisions.generation(entry.rev) if entry else 0)
        revision = f"{generation}-{self.model.sequence:x}"
        line = [f"{number}-{self.model.sequence:x}" for number in range(generation - 1, generation - gap, -1)]
        outcome = self.store.insert(
            document_id,
            revision,
            [*line, entry.rev] if entry else line,
            raw,
            deleted=deleted,
            allow_conflict=False,
        )
        if document_id.startswith("reading:") and document_id < f"reading:{self.model.floor}":
            assert outcome is InsertOutcome.UNWANTED
            return
        assert outcome is InsertOutcome.NEW
        self.model.set(document_id, revision, raw, deleted=deleted)
        assert self.store.insert(document_id, revision, line, raw, deleted=deleted) is InsertOutcome.KNOWN

    @rule(document_id=ids)
    def purge(self, document_id: str) -> None:
        assert self.store.purge([document_id]) == (document_id in self.model.entries)
        self.model.purge(document_id)

    @rule(number=st.integers(0, 3))
    def raise_floor(self, number: int) -> None:
        self.store.set_floor("reading:", f"reading:{number}")
        self.model.floor = max(self.model.floor, number)

    @rule(document_id=ids, at=st.integers(1, 9))
    def expire(self, document_id: str, at: int) -> None:
        if document_id in self.model.entries:
            self.store.set_expiry(document_id, at)
            self.model.expiry[document_id] = at

    @rule()
    def time_passes(self) -> None:
        self.now += 1
        gone = [document_id for document_id, at in self.model.expiry.items() if at <= self.now]
        assert self.store.purge_expired() == len(gone)
        for document_id in gone:
            self.model.purge(document_id)

    @rule(key=st.sampled_from(["cp-1", "cp-2"]), body=bodies_)
    def write_local(self, key: str, body: dict[str, object]) -> None:
        number, _ = self.model.local.get(key, (0, b""))
        made = self.store.put_local(key, body, parent=f"0-{number}" if number else None)
        assert made == f"0-{number + 1}"
        self.model.local[key] = (number + 1, bodies.canonical(key, body))

    @rule()
    def transaction_begins(self) -> None:
        if len(self.undo) < 3:
            self.undo.append(copy.deepcopy(self.model))
            self.scopes = [*getattr(self, "scopes", []), self.store.transaction()]
            self.scopes[-1].__enter__()

    @rule(fails=st.booleans())
    def transaction_ends(self, fails: bool) -> None:
        if not self.undo:
            return
        before = self.undo.pop()
        error = RuntimeError("a whim") if fails else None
        self.scopes.pop().__exit__(type(error) if error else None, error, None)
        if fails:
            self.model = before

    @rule()
    def restart(self) -> None:
        """Close the store and open it again. Uncommitted data is lost, and all other data is kept."""
        if self.undo:
            self.model = self.undo[0]
        self.undo, self.scopes = [], []
        self.store.close()
        self.open()

    @rule()
    def tidy(self) -> None:
        if not self.undo:
            self.store.compact()

    @invariant()
    def store_and_model_agree(self) -> None:
        model = self.model
        in_order = sorted(model.entries.items(), key=lambda item: item[1].sequence)
        assert [(c.id, c.sequence, c.rev, c.deleted, c.size) for c in self.store.changes()] == [
            (document_id, e.sequence, e.rev, e.deleted, len(e.raw)) for document_id, e in in_order
        ]
        assert {
            d.id: (d.rev, d.raw, d.deleted, d.conflicted) for d in self.store.documents(deleted=True)
        } == {document_id: (e.rev, e.raw, e.deleted, False) for document_id, e in model.entries.items()}
        assert self.store.last_sequence == model.sequence
        assert self.store.count() == sum(not e.deleted for e in model.entries.values())
        for document_id in model.entries:
            assert self.store.expiry(document_id) == model.expiry.get(document_id)
        for key, (number, raw) in model.local.items():
            found = self.store.get_local(key)
            assert found is not None
            assert (found.rev, found.raw) == (f"0-{number}", raw)
        assert self.store.check(deep=not self.undo) == []


StoreMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
TestStore = StoreMachine.TestCase
