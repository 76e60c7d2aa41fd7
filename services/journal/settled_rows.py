"""Per-sensor data that the journal updates at intervals, and a check of this data for bit errors.

Every `SETTLE_EVERY` commits, the journal stores each sensor's totals, and the sample number up to which
documents contain its samples. The checksums defined here are the only ones that protect these rows. Values in
`meta` and sensor numbers are compared with the second copy in `spare`.
"""

import zlib
from typing import Any

import apsw
import msgspec

from .batch import AlarmRecord


class KeptColumn(msgspec.Struct, array_like=True):
    """Contents of the `kept` column in a sensor's row."""

    count: int
    seconds: float
    episode: AlarmRecord | None = None
    crc: int | None = None  # checksum of the whole row; None in rows written by earlier versions


def checksum(number: int, name: str, closed: int, through: int, kept: bytes) -> int:
    """Return the checksum of a sensor's row together with `meta.through`.

    `kept` is the content of the row's `kept` column, with or without a checksum.
    """
    bare = msgspec.structs.replace(msgspec.msgpack.decode(kept, type=KeptColumn), crc=None)
    return zlib.crc32(msgspec.msgpack.encode([number, name, closed, through, bare]))


def unsettled(connection: apsw.Connection) -> list[str]:
    """Check the sensors' rows and `meta` against their checksums, and return descriptions of the problems.

    Raise apsw.Error if reading fails.
    """
    meta: dict[str, Any] = dict(connection.execute("SELECT key, value FROM meta"))
    rows: list[tuple[Any, ...]] = connection.execute(
        "SELECT number, id, closed, path, unit, kept FROM sensor"
    ).fetchall()
    faults = []
    through = meta.pop("through", 0)
    if not isinstance(through, int):
        return ["the journal's fact 'through' is not a number"]
    for number, name, closed, _, _, kept in rows:
        try:
            crc = None if kept is None else msgspec.msgpack.decode(kept, type=KeptColumn).crc
            sound = crc is None or crc == checksum(number, name, closed, through, kept)
        except msgspec.DecodeError:
            sound = False
        if not sound:
            faults.append(f"the state of sensor {name!r} does not match its checksum")
    return faults + _unspared(connection, meta, {row[0]: (row[1], *row[3:5]) for row in rows})


def _unspared(
    connection: apsw.Connection, meta: dict[str, Any], sensors: dict[int, tuple[str, str, str]]
) -> list[str]:
    """Return descriptions of the differences between stored values and their second copy in `spare`."""
    spare = connection.execute("SELECT crc, data FROM spare").fetchone()
    if spare is None:
        return ["the copy of the journal's metadata is missing"] if meta or sensors else []
    if zlib.crc32(spare[1]) != spare[0]:
        return ["the copy of the journal's metadata does not match its checksum"]
    facts, known = msgspec.msgpack.decode(spare[1])
    faults = []
    if {key: value for key, value in facts if key != "through"} != meta:
        faults.append("the journal's metadata differs from its copy")
    if {number: (name, path, unit) for number, name, _, path, unit in known} != sensors:
        faults.append("the journal's list of sensors differs from its copy")
    return faults
