"""The store's facts about itself: one row each, under its name, with a checksum."""

import uuid
import zlib
from typing import Final

from sync.store.engine import Engine

UUID: Final = "uuid"
SEQUENCE: Final = "sequence"
"""The highest sequence ever given, where no document shows it: the last one was purged."""
SCHEMA: Final = "schema"
"""The schema's version once more, with a checksum: the one in the file's header has none."""
FLOORS: Final = "floors"
"""Counts the changes of floors, so that each process knows when to read them again."""
TICKS: Final = "ticks"
"""Counts the time in service; see `sync.store.checkpoints`."""
SIZES: Final = "sizes"
"""Sequence up to which documents are not yet counted in `sync.store.sizes`."""

PUT: Final = (
    "INSERT INTO meta(key, value, crc) VALUES (?1, ?2, ?3)"
    " ON CONFLICT(key) DO UPDATE SET value = ?2, crc = ?3"
)
"""Binds key, value, checksum."""

Value = str | int


def checksum(key: str, value: Value) -> int:
    """CRC-32 of a row of `meta`."""
    return zlib.crc32(f"meta {key} {value}".encode())


def get(engine: Engine, key: str) -> Value | None:
    """The value of a fact; None if there is none. Inside one of the engine's scopes."""
    row = engine.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else row[0]


def put(engine: Engine, key: str, value: Value) -> None:
    """Write a fact. Inside a transaction."""
    engine.execute(PUT, (key, value, checksum(key, value)))


def count(engine: Engine, key: str) -> int:
    """A fact that is a number; 0 if there is none."""
    return int(get(engine, key) or 0)


def identity(engine: Engine) -> str:
    """The store's identity; a new store gets one."""
    with engine.reading:
        found = get(engine, UUID)
    if found is None:
        with engine.writing:
            found = get(engine, UUID)  # another process may have been quicker
            if found is None:
                found = str(uuid.uuid4())
                put(engine, UUID, found)
    return str(found)


def renew_identity(engine: Engine) -> str:
    """Give the store another identity, and return it."""
    fresh = str(uuid.uuid4())
    with engine.writing:
        put(engine, UUID, fresh)
    return fresh
