"""Logboat's own reader of SQLite database pages returns the same content as SQLite."""

import functools
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync.store.sqlite_pages import Pages

values = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0, 1, -1, 127, 128, -129, 2**15, 2**23, -(2**23) - 1, 2**31, 2**47, -(2**47) - 1]),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=50),
    st.binary(max_size=50),
    st.integers(0, 12_000).map(lambda size: b"\xab" * size),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.integers(-(2**63), 2**63 - 1), st.tuples(values, values), max_size=30),
    st.sampled_from([512, 4096, 65536]),
    st.booleans(),
    st.booleans(),
)
def test_every_row_is_read_as_sqlite_wrote_it(
    tmp_path_factory: pytest.TempPathFactory,
    rows: dict[int, tuple[Any, Any]],
    page_size: int,
    wal: bool,
    vacuum: bool,
) -> None:
    path = tmp_path_factory.mktemp("p") / "x.db"
    connection = apsw.Connection(str(path))
    connection.pragma("page_size", page_size)
    if vacuum:
        connection.pragma("auto_vacuum", 2)
    if wal:
        connection.pragma("journal_mode", "wal")
        connection.wal_autocheckpoint(0)
    connection.execute("CREATE TABLE t(a, b); CREATE INDEX ib ON t(b)")
    with connection:
        for rowid, (a, b) in rows.items():
            connection.execute("INSERT INTO t(rowid, a, b) VALUES (?, ?, ?)", (rowid, a, b))
    with Pages(path) as pages:
        found = {r.rowid: r.values for r in pages.rows() if len(r.values) == 2}
        indexed = sorted((e.values for e in pages.entries()), key=lambda entry: int(str(entry[1])))
        assert pages.size == page_size
        assert pages.unreadable == 0
    assert {k: as_stored(v) for k, v in found.items()} == {k: as_stored(v) for k, v in rows.items()}
    assert [(as_stored(b), rowid) for b, rowid in indexed] == sorted(
        ((as_stored(b), rowid) for rowid, (_, b) in rows.items()), key=lambda entry: entry[1]
    )
    connection.close()


def as_stored(value: Any) -> Any:
    """Return a value for comparisons in which integers differ from floats, and floats by their bits."""
    if isinstance(value, tuple):
        return tuple(as_stored(inner) for inner in value)
    return (type(value).__name__, value.hex() if isinstance(value, float) else value)


@functools.cache
def sound_file() -> bytes:
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE t(a, b); CREATE INDEX ib ON t(b)")
    for number in range(40):
        connection.execute("INSERT INTO t VALUES (?, ?)", ("x" * number * 40, number))
    connection.execute("DELETE FROM t WHERE b > 30")
    return connection.serialize("main")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 12 * 4096 - 1), st.integers(0, 255)), min_size=1, max_size=60))
def test_no_damage_makes_the_reader_crash_or_loop(
    tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.mktemp("p") / "x.db"
    data = bytearray(sound_file())
    for offset, byte in flips:
        data[offset % len(data)] = byte
    path.write_bytes(data)
    with Pages(path) as pages:
        assert sum(1 for _ in pages.rows()) < 1000
        assert sum(1 for _ in pages.entries()) < 1000


def test_deleted_rows_are_not_returned(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE t(a)")
    with connection:
        for number in range(200):
            connection.execute("INSERT INTO t VALUES (?)", (f"{number:05d}" * 100,))
    connection.execute("DELETE FROM t WHERE rowid > 20")
    connection.close()
    with Pages(path) as pages:
        assert pages.free_known
        assert {r.rowid for r in pages.rows() if len(r.values) == 1} == set(range(1, 21))
