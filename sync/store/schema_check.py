"""Comparison of a file's tables, indexes, triggers and value types with the definitions in the code.

SQLite's integrity check cannot do this, because SQLite does not know what the schema should be. One wrong bit
in the stored text of a CREATE statement can rename a column. Such a file passes the integrity check, but
every statement that names the column fails. One wrong bit in the header of a row can change the type of a
value. The integrity check reports such a change for STRICT tables only.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

import apsw

_COMMENT: Final = re.compile(r"--[^\n]*")
_SPACE: Final = re.compile(r"\s+")

_READ: Final = (
    "SELECT CAST(type AS BLOB), CAST(name AS BLOB), CAST(tbl_name AS BLOB), CAST(sql AS BLOB)"
    " FROM sqlite_schema"
)
"""Query that returns the schema as bytes. If damaged text is not valid UTF-8, apsw refuses to return it."""


def differences(
    connection: apsw.Connection, needed: str, *, optional: str = "", only: bool = False
) -> Iterator[str]:
    """Yield a description of each difference between a file's schema and the expected one.

    Differences in comments and white space are ignored. Unknown objects are accepted unless `only` is set. A
    newer Logboat may have added them before its update was rolled back.

    Args:
        connection: a connection to the file.
        needed: CREATE statements for the objects that the file must contain.
        optional: CREATE statements for objects that may be missing. If present, they must match.
        only: True to report objects that are neither needed nor optional.

    Raises:
        apsw.Error: the file cannot be read.
    """
    present = {(kind, name): (table, text) for kind, name, table, text in _rows(connection)}
    names = {text: name for (_, name), (_, text) in present.items() if text}
    required = _created(needed)
    for kind, name, table, text in _created(f"{needed};{optional}"):
        shape = present.get((kind, name))
        if shape is not None:
            if shape != (table, text):
                yield f"the {kind} {name} differs from its definition"
        elif (kind, name, table, text) in required:
            yield f"the {kind} {name} is missing"
        elif text in names:
            yield f"the {kind} {name} is called {names[text]!r}"
    if only:
        created = {(kind, name) for kind, name, *_ in _created(f"{needed};{optional}")}
        yield from (f"the {kind} {name} is not known" for kind, name in present.keys() - created)


def wrong_values(connection: apsw.Connection, statements: str) -> Iterator[str]:
    """Yield descriptions of values that do not have the declared type of their column or are not valid text.

    NULL is accepted, because the integrity check reports a NULL where none is allowed. Columns without a
    declared type may contain values of any type.

    Args:
        connection: a connection to a file that has these tables (see `differences`).
        statements: CREATE TABLE statements of the tables to check.

    Raises:
        apsw.Error: the file cannot be read.
    """
    for table, columns in _declared(statements).items():
        for column, declared in columns:
            if declared:
                wrong = connection.execute(
                    f"SELECT count(*) FROM {table} WHERE typeof({column}) NOT IN ('null', ?)",  # noqa: S608
                    (declared.lower(),),
                ).get
                if wrong:
                    yield f"{wrong} values of {table}.{column} are not of type {declared}"
            if declared in {"TEXT", ""}:
                texts = connection.execute(
                    f"SELECT CAST({column} AS BLOB) FROM {table} WHERE typeof({column}) = 'text'"  # noqa: S608
                )
                wrong = sum(not _is_utf8(text) for (text,) in texts)
                if wrong:
                    yield f"{wrong} text values in {table}.{column} are not valid UTF-8"


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


@cache
def _declared(statements: str) -> dict[str, list[tuple[str, str]]]:
    """Return (column, declared type) for each column, by table, of the tables that the statements create."""
    connection = apsw.Connection(":memory:")
    try:
        connection.execute(statements).fetchall()
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        ]
        return {
            table: [
                (str(column), str(declared))
                for column, declared in connection.execute(
                    "SELECT name, type FROM pragma_table_info(?)", (table,)
                )
            ]
            for table in tables
        }
    finally:
        connection.close()


@cache
def _created(statements: str) -> tuple[tuple[str, str, str, str], ...]:
    connection = apsw.Connection(":memory:")
    try:
        connection.execute(statements).fetchall()
        return tuple(_rows(connection))
    finally:
        connection.close()


def _rows(connection: apsw.Connection) -> list[tuple[str, str, str, str]]:
    return [
        (_text(kind), _text(name), _text(table), _normal(_text(sql)))
        for kind, name, table, sql in connection.execute(_READ)
    ]


def _text(stored: bytes | None) -> str:
    return "" if stored is None else stored.decode(errors="replace")


def _normal(sql: str) -> str:
    """Return a statement without comments and with single spaces; empty for an index without a statement."""
    return _SPACE.sub(" ", _COMMENT.sub("", sql)).strip()
