"""The table `meta`, which contains values that describe the store itself: one row for each key."""

import uuid
import zlib
from typing import Final

from sync.store.engine import Engine

UUID: Final = "uuid"
SEQUENCE: Final = "sequence"
"""Key of the highest sequence ever assigned. It is written when the document with this sequence is purged."""
SCHEMA: Final = "schema"
"""Key of a copy of the schema version. Unlike the version in the file's header, the copy has a checksum."""
FLOORS: Final = "floors"
"""Key of the number of changes to floors. When it has changed, each process reads the floors again."""
TICKS: Final = "ticks"
"""Key of the number of service ticks; see `sync.store.checkpoints`."""
SIZES: Final = "sizes"
"""Key of the sequence up to which `sync.store.sizes` must still count documents; 0 if it has counted all."""

PUT: Final = (
    "INSERT INTO meta(key, value, crc) VALUES (?1, ?2, ?3)"
    " ON CONFLICT(key) DO UPDATE SET value = ?2, crc = ?3"
)
"""SQL statement that writes the value for one key. Its parameters are key, value and checksum."""

Value = str | int


def checksum(key: str, value: Value) -> int:
    """Return the CRC-32 of a row in the table `meta`."""
    return zlib.crc32(f"meta {key} {value}".encode())


def get(engine: Engine, key: str) -> Value | None:
    """Return the value for a key of the table `meta`, or None if there is none.

    Call this in one of the engine's scopes.
    """
    row = engine.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else row[0]


def put(engine: Engine, key: str, value: Value) -> None:
    """Write the value for a key of the table `meta`. Call this in a transaction."""
    engine.execute(PUT, (key, value, checksum(key, value)))


def count(engine: Engine, key: str) -> int:
    """Return the number stored for a key of the table `meta`, or 0 if there is none."""
    return int(get(engine, key) or 0)


def identity(engine: Engine) -> str:
    """Return the store's UUID. If the store is new, create the UUID first."""
    with engine.reading:
        identity = get(engine, UUID)
    if identity is None:
        with engine.writing:
            identity = get(engine, UUID)  # another process may have created it in the meantime
            if identity is None:
                identity = str(uuid.uuid4())
                put(engine, UUID, identity)
    return str(identity)


def renew_identity(engine: Engine) -> str:
    """Assign a new UUID to the store, and return the UUID."""
    fresh = str(uuid.uuid4())
    with engine.writing:
        put(engine, UUID, fresh)
    return fresh
