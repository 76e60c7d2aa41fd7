"""A wrong bit in the text of the schema is found, although SQLite considers the file undamaged."""

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from sync.store import Database, salvage, schema
from sync.store.schema_check import differences

from .builders import everything, fill
from .test_damage import content, findings

NEEDED = ";".join(schema.MIGRATIONS)
OPTIONAL = ";".join(schema.ADDED.values())


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of an undamaged store without a write-ahead log, which tests must not modify."""
    path = tmp_path_factory.mktemp("sound") / "log.db"
    with Database.open(path) as store:
        fill(store, 20)
    return path


def places(path: Path, scratch: Path) -> Iterator[int]:
    """Yield the file offsets of all bytes of the schema's SQL statements."""
    data = path.read_bytes()
    for text in statements(path):
        at = data.find(text)
        while at >= 0:
            changed = bytearray(data)
            changed[at] ^= 1
            scratch.write_bytes(changed)
            if text not in statements(scratch):  # otherwise the text is an unused copy from a page split
                yield from range(at, at + len(text))
            at = data.find(text, at + 1)


def statements(path: Path) -> list[bytes]:
    connection = apsw.Connection(str(path))
    try:
        connection.execute("PRAGMA writable_schema=ON").fetchall()  # for a schema that cannot be parsed
        rows = connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
    finally:
        connection.close()
    return [str(text).encode() for (text,) in rows]


def test_sound_store_has_the_schema_of_the_code(sound: Path) -> None:
    connection = apsw.Connection(str(sound))
    assert not [*differences(connection, NEEDED, optional=OPTIONAL)]
    connection.close()


@pytest.mark.parametrize(
    "count", [60, pytest.param(4000, marks=(pytest.mark.torture, pytest.mark.timeout(1800)))]
)
def test_any_bit_in_the_text_of_the_schema_is_found_and_no_document_is_lost(
    sound: Path, tmp_path: Path, count: int
) -> None:
    rng = random.Random(os.environ["LOGBOAT_SEED"])
    before, offsets = content(sound), [*places(sound, tmp_path / "scratch.db")]
    silent = 0
    for number in range(count):
        path, into = tmp_path / f"{number}.db", tmp_path / f"{number}-new.db"
        shutil.copyfile(sound, path)
        offset, bit = rng.choice(offsets), 1 << rng.randrange(8)
        damaged = bytearray(path.read_bytes())
        damaged[offset] ^= bit
        path.write_bytes(damaged)
        if findings(path, deep=False):
            salvage(path, into)
            with Database.open(into) as store:
                assert everything(store) == before
        else:
            silent += 1  # for example, if a line break became another white-space character
            with Database.open(path) as store:
                fill(store, 1, prefix="new:")
                assert everything(store).keys() > before.keys()
    assert silent < count / 10


def test_objects_that_a_newer_logboat_added_are_accepted(sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    shutil.copyfile(sound, path)
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE later(key TEXT PRIMARY KEY)")
    connection.close()
    assert findings(path) == []


def test_table_with_a_wrong_name_is_named(tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "other.db"))
    connection.execute("CREATE TABLE a(x); CREATE TABLE c(z)").fetchall()
    needed, optional = "CREATE TABLE a(x, y); CREATE TABLE b(x);", "CREATE TABLE c(z); CREATE TABLE d(z);"
    assert [*differences(connection, needed, optional=optional)] == [
        "the table a differs from its definition",
        "the table b is missing",
    ]
    assert [*differences(connection, "CREATE TABLE a(x) -- a remark\n;", only=True)] == [
        "the table c is not known"
    ]
    connection.close()
