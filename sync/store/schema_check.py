"""Comparison of the tables, indexes and triggers in a file with those that the code creates.

SQLite's integrity check cannot do this, because it does not know what the schema should be. One wrong bit in
the stored text of a CREATE statement can rename a column. Such a file passes the integrity check, but every
statement that names the column fails.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

import apsw

_COMMENT: Final = re.compile(r"--[^\n]*")
_SPACE: Final = re.compile(r"\s+")

_READ: Final = "SELECT type, name, tbl_name, sql FROM sqlite_schema"


def differences(
    connection: apsw.Connection, needed: str, *, optional: str = "", only: bool = False
) -> Iterator[str]:
    """Yield a description of each difference between a file's schema and the expected one.

    Differences in comments and white space are ignored. Unknown objects are accepted unless `only` is set: a
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
                yield f"its {kind} {name} is not as it was created"
        elif (kind, name, table, text) in required:
            yield f"its {kind} {name} is missing"
        elif text in names:
            yield f"its {kind} {name} is called {names[text]!r}"
    if only:
        created = {(kind, name) for kind, name, *_ in _created(f"{needed};{optional}")}
        yield from (f"its {kind} {name} is not known" for kind, name in present.keys() - created)


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
        (str(kind), str(name), str(table), _normal(sql))
        for kind, name, table, sql in connection.execute(_READ)
    ]


def _normal(sql: object) -> str:
    """Return a statement without comments and with single spaces; empty for an index without a statement."""
    return "" if sql is None else _SPACE.sub(" ", _COMMENT.sub("", str(sql))).strip()
