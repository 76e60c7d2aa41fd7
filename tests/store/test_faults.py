"""If writing to the SD card fails, an error is raised, and data committed earlier is kept."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import apsw
import pytest

from sync.store import Database, FullError, InputOutputError, ReadOnlyError
from sync.store.engine import Engine

from .builders import everything, note

KINDS = {"full": (apsw.FullError, FullError), "error": (apsw.IOError, InputOutputError)}


class FailingFile(apsw.VFSFile):
    """File on a simulated SD card, whose writes and syncs fail at random."""

    def __init__(self, card: "FailingCard", name: "str | apsw.URIFilename | None", flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._card = card

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        self._card.turn()
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._card.turn()
        super().xSync(flags)


class FailingCard(apsw.VFS):
    """Simulated SD card, as an SQLite VFS, on which each write and sync fails with a set probability."""

    def __init__(self, name: str, seed: int, kind: type[apsw.Error]) -> None:
        super().__init__(name, "")
        self.name = name
        self.probability = 0.0
        self._random = Random(seed)
        self._kind = kind

    def turn(self) -> None:
        if self._random.random() < self.probability:
            raise self._kind("as the test wants")

    def xOpen(self, name: "str | apsw.URIFilename | None", flags: list[int]) -> FailingFile:  # noqa: N802
        return FailingFile(self, name, flags)


@pytest.fixture(params=[(kind, seed) for kind in KINDS for seed in range(4)], ids=lambda p: f"{p[0]}-{p[1]}")
def card(request: pytest.FixtureRequest) -> Iterator[FailingCard]:
    kind, seed = request.param
    made = FailingCard(f"card-{kind}-{seed}", seed, KINDS[kind][0])
    yield made
    made.unregister()


def test_failed_write_is_reported_and_does_not_harm_committed_data(path: Path, card: FailingCard) -> None:
    """If a transaction succeeds, all its documents are in the store.

    If it raises an exception, its documents are absent, or all present if the commit itself was interrupted.
    """
    expected: dict[str, tuple[str, bytes]] = {}
    refused = 0
    with Database.open(path, vfs=card.name) as store:
        for number in range(120):
            card.probability = 0.1 if number % 3 == 0 else 0.0
            made = {}
            try:
                with store.transaction():
                    for part in "abc":
                        document_id = f"{number:03d}:{part}"
                        made[document_id] = store.put(document_id, note(number))
                    if number % 7 == 0:
                        store.put_local(f"cp:{number}", {})
            except (FullError, InputOutputError):
                refused += 1
                assert store.get(f"{number:03d}:a") is None
                continue
            for document_id, revision in made.items():
                expected[document_id] = (revision, b'{"n":%d,"type":"note"}' % number)
        card.probability = 0.0
        assert refused > 2
        assert everything(store) == expected
        assert store.check() == []
    with Database.open(path) as store:
        assert everything(store) == expected
        assert store.check() == []


def test_failed_checkpoint_loses_nothing_and_can_be_repeated(path: Path, card: FailingCard) -> None:
    with Database.open(path, vfs=card.name, checkpoint_pages=0) as store:
        for number in range(30):
            store.put(f"{number:03d}", {"text": "x" * 3000})
        before = everything(store)
        card.probability = 0.5
        failed = 0
        for _ in range(5):
            try:
                store.checkpoint()
            except (FullError, InputOutputError):
                failed += 1
        assert failed
        card.probability = 0.0
        assert everything(store) == before
        store.checkpoint()
        assert store.check() == []


def test_write_to_a_card_that_became_read_only_is_reported(path: Path) -> None:
    """The test opens the file read-only, because root may write even to files without write permission."""
    Database.open(path).close()
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    engine = Engine(connection, path, committed=lambda: None)
    with pytest.raises(ReadOnlyError, match="read-only"), engine.writing:
        engine.execute("DELETE FROM docs")
    engine.close()
