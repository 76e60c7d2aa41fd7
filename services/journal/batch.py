"""Batches: the samples, totals, alarms and gaps of one commit, and the format in which they are stored.

In the file, a batch is one MessagePack array. The array is compressed if that makes it shorter. Samples are
stored in columns. They refer to sensors by number, and their times are stored as milliseconds before the
commit. Values are written in decimal, because measured values have few digits. As a result, a sample takes
about 5 bytes.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from math import isfinite
from typing import Final

import msgspec

from sensors.sample import Totals, Value
from sensors.state import SensorState

STATES: Final = tuple(SensorState)
"""The sensor states. A batch stores a state as an index into this tuple, so new states must be appended."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The vessel, log, boot and run to which a batch belongs."""

    vessel: str
    log: str
    boot: int
    """Number of the boot within the log."""
    run: int
    """Number of the recorder's run (one period from start to exit)."""


@dataclass(frozen=True, slots=True)
class SampleRow:
    """An accepted sample of a sensor."""

    sensor: str
    sequence: int
    clock_ms: int
    """Boot clock time of the sample, in milliseconds."""
    value: Value
    state: SensorState = SensorState.GOOD


class AlarmRecord(msgspec.Struct, frozen=True, array_like=True):
    """An alarm episode.

    It begins when the alarm is raised, and ends when it has been cleared and documented.
    """

    sequence: int
    """Number of the sample that raised the alarm, which is part of the alarm document's id."""
    severity: str
    """Highest severity of the alarm so far."""
    text: str
    condition: str
    value: Value
    raised_ms: int
    """Boot clock time at which the alarm was raised, in milliseconds."""
    raised_utc: float
    """Time at which the alarm was raised, in seconds since 1970, according to the clock at that time."""
    boot: int
    cleared_ms: int | None = None
    cleared_utc: float | None = None
    cleared_boot: int | None = None
    history: tuple[tuple[int, float, str, str], ...] = ()
    """Changes to the alarm, as tuples of boot clock time in ms, UTC in s, severity and condition."""
    raised_synced: bool | None = None
    """True if the clock had been set reliably before `raised_utc`, by the network, GNSS or a clock chip.

    None in records of earlier versions.
    """
    cleared_synced: bool | None = None
    """True if the clock had been set reliably before `cleared_utc`; None in records of earlier versions."""


class NumberGap(msgspec.Struct, frozen=True, array_like=True):
    """A range of sample numbers that were assigned, but whose samples were lost."""

    sensor: str
    first: int
    last: int
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples, totals, alarms and gaps that one commit makes durable."""

    run: int
    """Number of the recorder's run; a window never spans two runs."""
    boot: int
    clock_ms: int
    """Boot clock time of the commit, in milliseconds."""
    utc: float
    """System time of the commit, in seconds since 1970."""
    synced: bool
    """True if `utc` came from the network, GNSS or a clock chip."""
    rows: tuple[SampleRow, ...] = ()
    totals: Mapping[str, Totals] = field(default_factory=dict)
    episodes: tuple[tuple[str, AlarmRecord], ...] = ()
    """Alarm episodes that began or changed, in order, as pairs of sensor id and record.

    A sensor may have several episodes in a batch.
    """
    gaps: tuple[NumberGap, ...] = ()
    number: int = 0
    """Number of the batch, assigned by the journal."""
    given: Mapping[str, int] = field(default_factory=dict)
    """Last sequence numbers, by sensor id, of sensors with samples in recent batches but not in this one.

    The journal sets these numbers.
    """

    def last_numbers(self) -> dict[str, int]:
        """Return the last sample number that each sensor has in this batch, by sensor id."""
        last: dict[str, int] = {}
        for name, number in chain(
            ((row.sensor, row.sequence) for row in self.rows), ((gap.sensor, gap.last) for gap in self.gaps)
        ):
            last[name] = max(number, last.get(name, 0))
        return last


class _Columns(msgspec.Struct, array_like=True):
    """Samples as they are stored, in columns."""

    sensors: list[int]
    sequences: list[int]
    before: list[int]
    """Time from each sample to the commit, in milliseconds."""
    values: bytes
    """JSON array of the samples' values."""
    states: list[int]


class _Packed(msgspec.Struct, array_like=True):
    """A batch in its stored form.

    A row contains the sensor's number, the sequence number, ms before the commit, the value, and the state's
    number. Normally, `columns` contains the samples, and `rows` is empty. `rows` is used in batches written
    by earlier versions, and if JSON cannot represent a value.
    """

    run: int
    boot: int
    clock_ms: int
    utc: float
    synced: bool
    rows: list[tuple[int, int, int, bool | int | float | None, int]]
    totals: list[tuple[int, int, float]]
    episodes: list[tuple[int, AlarmRecord]]
    gaps: list[NumberGap] = []
    # batches written by earlier versions may end before or after this field
    given: list[tuple[int, int]] = []
    columns: _Columns | None = None


_DEFLATED: Final = 0x78
"""First byte of data in zlib format (RFC 1950, 2.2). No MessagePack array begins with this byte."""
_QUICK: Final = 1
"""Compression level of zlib. Higher levels would save only about 1 % of the size."""

_decode = msgspec.msgpack.Decoder(_Packed).decode
_encode = msgspec.msgpack.Encoder().encode
_decode_values = msgspec.json.Decoder(list[bool | int | float | None]).decode
_encode_values = msgspec.json.Encoder().encode


class BatchError(ValueError):
    """Stored bytes are not a valid batch."""


def pack(batch: Batch, numbers: Mapping[str, int]) -> bytes:
    """Return the stored form of a batch. `numbers` maps sensor ids to sensor numbers."""
    sensors = [numbers[row.sensor] for row in batch.rows]
    sequences = [row.sequence for row in batch.rows]
    before = [batch.clock_ms - row.clock_ms for row in batch.rows]
    values = [row.value for row in batch.rows]
    states = [STATES.index(row.state) for row in batch.rows]
    # JSON cannot represent infinity.
    in_columns = all(not isinstance(value, float) or isfinite(value) for value in values)
    packed = _encode(
        _Packed(
            batch.run,
            batch.boot,
            batch.clock_ms,
            batch.utc,
            batch.synced,
            [] if in_columns else list(zip(sensors, sequences, before, values, states, strict=True)),
            [(numbers[name], total.count, total.seconds) for name, total in batch.totals.items()],
            [(numbers[name], episode) for name, episode in batch.episodes],
            list(batch.gaps),
            [(numbers[name], sequence) for name, sequence in batch.given.items()],
            _Columns(sensors, sequences, before, _encode_values(values), states) if in_columns else None,
        )
    )
    return min(zlib.compress(packed, _QUICK), packed, key=len)


def _rows(packed: _Packed) -> Iterable[tuple[int, int, int, Value, int]]:
    columns = packed.columns
    if columns is None:
        return packed.rows
    values = _decode_values(columns.values)
    return zip(columns.sensors, columns.sequences, columns.before, values, columns.states, strict=True)


def check(number: int, data: bytes, ids: Mapping[int, str]) -> None:
    """Check that a stored batch is valid, in a quarter of the time that `unpack` takes.

    Raise BatchError in the same cases as `unpack`.
    """
    try:
        packed = _unpacked(data)
        columns = packed.columns
        if columns is None:
            sensors, states = {row[0] for row in packed.rows}, {row[4] for row in packed.rows}
        else:
            sensors, states = set(columns.sensors), set(columns.states)
            values = _decode_values(columns.values)
            if (
                len(
                    {
                        len(each)
                        for each in (
                            columns.sensors,
                            columns.sequences,
                            columns.before,
                            values,
                            columns.states,
                        )
                    }
                )
                > 1
            ):
                raise ValueError("the columns have different lengths")
        for state in states:
            STATES[state]
        for several in (packed.totals, packed.episodes, packed.given):
            sensors.update(each[0] for each in several)
        for sensor in sensors:
            ids[sensor]
    except (msgspec.DecodeError, zlib.error, KeyError, IndexError, ValueError) as error:
        raise BatchError(f"batch {number} cannot be read: {error!r}") from error


def _unpacked(data: bytes) -> _Packed:
    return _decode(zlib.decompress(data) if data[:1] == bytes([_DEFLATED]) else data)


def unpack(number: int, data: bytes, ids: Mapping[int, str]) -> Batch:
    """Decode a stored batch and return it. Raise BatchError if the bytes are invalid."""
    try:
        packed = _unpacked(data)
        return Batch(
            run=packed.run,
            boot=packed.boot,
            clock_ms=packed.clock_ms,
            utc=packed.utc,
            synced=packed.synced,
            rows=tuple(
                SampleRow(ids[sensor], sequence, packed.clock_ms - before, value, STATES[state])
                for sensor, sequence, before, value, state in _rows(packed)
            ),
            totals={ids[sensor]: Totals(count, seconds) for sensor, count, seconds in packed.totals},
            episodes=tuple((ids[sensor], episode) for sensor, episode in packed.episodes),
            gaps=tuple(packed.gaps),
            number=number,
            given={ids[sensor]: sequence for sensor, sequence in packed.given},
        )
    except (msgspec.DecodeError, zlib.error, KeyError, IndexError, ValueError) as error:
        raise BatchError(f"batch {number} cannot be read: {error!r}") from error
