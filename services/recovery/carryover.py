"""Carries the totals of counting sensors over to a new log, and reports the totals and their sources.

A new log begins when the journal is lost, damaged or out of date (`rollback`). Totals such as engine hours
must then not restart from zero. They are taken from this vessel's own files. The sources, most trusted first:

- the journal, the data that a repair saved from it, and the number witness: no other vessel writes these;
- readings in the vessel's last log whose value is the total itself. They count if the files above have no
  totals for the sensor, or if their numbers are higher than all numbers in the journal. No other vessel may
  write the current log. But other vessels may write earlier logs, and may pass on an old `vessel` document
  that names an earlier log as the last one. The `vessel` document also states the number of pulses per unit,
  which may have changed since the reading was taken. The witness is as recent as the last commit, so no
  reading has newer totals;
- `equipment` documents. Any vessel in the fleet may write such a document, so they count only for a sensor
  whose totals are in no other file. Documents with the vessel's signature take precedence over unsigned
  documents.

Documents about another vessel never count. A new log begins even if all of these files have problems.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

from sensors.sample import Totals
from sensors.settings import SensorSettings
from services.documents import builders
from services.documents.reading_documents import iso
from services.journal import totals
from services.journal.number_witness import GivenNumbers
from services.journal.totals import Total
from services.mirror import mirror
from services.system.ulid import ulid
from sync import documents
from sync.documents import DocumentType
from sync.store import Database, StoreError

from . import journal_salvage, rollback

log = logging.getLogger(__name__)

IsSigned = Callable[[str, Mapping[str, Any]], bool]
"""Function that takes a document's id and body, and returns True if the document's vessel signed it."""
Progress = Callable[[], None]
"""Callback that long operations call often, to show that they are still running."""
Counts = Callable[[str, Total], bool]
"""Function that takes a sensor's id and the total in a reading, and returns True if the reading counts."""
WHO: Final = "logboat"
"""Author's name in the note about totals that were carried over."""
NOTES: Final = "notes"
"""Key under which the journal stores the notes that are still to be written (`with_note`)."""
_NOTES_KEPT: Final = 8
"""Maximum number of unwritten notes to keep.

One note is added for each log that begins while the document store cannot be written.
"""
_LOOKED_AT: Final = 16
"""Number of a sensor's newest readings to search for a total. Some readings may contain only faults."""


def of_witness(given: GivenNumbers | None, vessel: object) -> dict[str, Total]:
    """Return a vessel's totals according to the number witness, by sensor id."""
    if given is None or given.vessel != vessel:
        return {}
    sound = {
        name: found for name, said in given.totals.items() if (found := totals.plausible(*said)) is not None
    }
    last = {name: given.last(name) for name in sound}
    source = f"given-numbers of log {given.log}"
    return totals.of(sound, utc=given.utc, source=source, log=given.log, last=last)


def of_salvaged(salvaged: journal_salvage.SalvagedJournal) -> dict[str, Total]:
    """Return the totals in a salvaged journal, for the vessel that wrote it."""
    name, vessel = str(salvaged.meta.get("log") or ""), salvaged.meta.get("vessel")
    source = f"the journal of log {name}"
    settled, recorded, utc = dict(salvaged.totals), dict[str, Totals](), 0.0
    closed = {sensor: number for _, sensor, number, _, _ in salvaged.sensors}
    last: dict[str, int] = {}
    for batch in journal_salvage.batches(salvaged):
        utc = batch.utc
        recorded.update(batch.totals)
        last.update(batch.last_numbers())
    return totals.highest(
        [
            totals.of(settled, utc=utc, source=source, log=name, last=closed),
            totals.of(recorded, utc=utc, source=source, log=name, last=last),
            of_beginning(salvaged.meta.get(totals.KEY), vessel, name),
        ]
    )


def of_beginning(text: object, vessel: object, log: str) -> dict[str, Total]:
    """Return the totals that were stored when a journal's log began; `text` is their stored form.

    These totals include no sample from `log`, the journal's log. If `log` is empty, a repair created the
    journal.
    """
    began = totals.decode(text, vessel)
    if not log:
        return began
    return {name: msgspec.structs.replace(total, log=log, number=0) for name, total in began.items()}


def of_set_aside(data: Path, vessel: str, *, progress: Progress = lambda: None) -> dict[str, Total]:
    """Return a vessel's totals according to the newest of the damaged journals that were set aside.

    These totals are older than the totals in any file that is in use.
    """

    def of_journal(path: Path) -> dict[str, Total]:
        journal = journal_salvage.salvage(path, progress=progress)
        return of_salvaged(journal) if journal.meta.get("vessel") == vessel else {}

    by_journal = []
    for path in (data / "set-aside").glob("samples.db.*"):
        if not path.name.endswith(("-wal", "-shm")):
            progress()
            by_journal.append(_asked(path, partial(of_journal, path)) or {})
    return totals.highest(by_journal)


def of_documents(
    data: Path,
    *,
    vessel: str,
    logs: Iterable[str],
    sensors: Sequence[SensorSettings],
    is_signed: IsSigned = lambda _, __: False,
    counts: Counts = lambda _, __: True,
    progress: Progress = lambda: None,
) -> tuple[dict[str, Total], dict[str, Total]]:
    """Return totals from readings in the vessel's last logs, and totals from its `equipment` documents.

    If the document store cannot be read, the readings come from copies. `logs` are the last logs named by
    files other than the document store. Readings for which `counts` returns False are left out.
    """
    store = data / "log.db"

    def of_readings(database: Database) -> dict[str, Total]:
        last = set(rollback.known_of(database, vessel).get("logs", "").split()[-1:]) | set(logs)
        scales = _scales(_calibrations(database, vessel), sensors)
        return totals.highest(
            _of_readings(database, vessel, name, scales, counts, progress=progress) for name in last
        )

    readings: dict[str, Total] | None = None
    equipment: dict[str, Total] | None = None
    try:
        with Database.open(store, policy=documents.POLICY) as database:
            progress()
            readings = _asked(store, partial(of_readings, database))
            equipment = _asked(store, partial(_of_equipment, database, vessel, is_signed, progress))
    except StoreError as error:
        log.warning("the engine hours and pulse counts cannot be read from %s: %s", store, error)
    if readings is None:
        scales = _scales({}, sensors)
        copied = partial(_of_copies, data, vessel, set(logs), scales, counts, progress=progress)
        readings = _asked(mirror.folder_in(data), copied)
    return readings or {}, equipment or {}


def _asked(source: Path, ask: Callable[[], dict[str, Total]]) -> dict[str, Total] | None:
    """Return the totals that `ask` reads from a source. If `ask` fails, log the error and return None."""
    try:
        return ask()
    except (StoreError, OSError, apsw.Error) as error:
        log.warning("the engine hours and pulse counts cannot be read from %s: %s", source, error)
    except Exception:
        log.exception("the engine hours and pulse counts cannot be read from %s", source)
    return None


Scale = tuple[str, str, float]
"""Path and unit of readings that contain a total, and the pulses per unit (0 for a total in seconds)."""


_CONTACTS: Final = ("runtime", "mcp23017")
"""Sensor kinds whose readings can contain a contact's running time or number of starts."""
_PER_UNIT: Final = {"time": 0.0, "starts": 1.0}
"""Pulses per unit (the last item of a `Scale`) for contacts, by the value of the key `measure`."""


def _scales(calibrations: Mapping[str, Any], sensors: Iterable[SensorSettings]) -> dict[str, Scale]:
    scales: dict[str, Scale] = {}
    for sensor in sensors:
        if sensor.kind in _CONTACTS:
            per_unit = _PER_UNIT.get(getattr(sensor.options, "measure", "time"))
            if per_unit is not None:
                scales[sensor.id] = (sensor.path, sensor.unit, per_unit)
        elif sensor.kind == "pulse":
            from sensors.kinds.pulse import PulseOptions

            assert isinstance(sensor.options, PulseOptions)
            if sensor.options.measure != "total":
                continue
            before = calibrations.get(sensor.id, sensor.options.pulses_per_unit)
            if type(before) in (int, float) and before > 0:
                scales[sensor.id] = (sensor.path, sensor.unit, float(before))
    return scales


def _calibrations(database: Database, vessel: str) -> dict[str, Any]:
    """Return the pulses per unit that the vessel's document states for each sensor, by sensor id.

    Sensors for which no document states the pulses per unit are left out.
    """
    document = database.get(documents.vessel_id(vessel))
    sensors = None if document is None else document.body.get("sensors")
    pulses_per_unit = {}
    for name, settings in sensors.items() if isinstance(sensors, dict) else ():
        calibration = settings.get("calibration") if isinstance(settings, dict) else None
        if isinstance(calibration, dict) and "pulses_per_unit" in calibration:
            pulses_per_unit[name] = calibration["pulses_per_unit"]
    return pulses_per_unit


def _of_readings(
    database: Database,
    vessel: str,
    name: str,
    scales: Mapping[str, Scale],
    counts: Counts,
    *,
    progress: Progress,
) -> dict[str, Total]:
    by_sensor = {}
    for sensor, scale in scales.items():
        progress()
        prefix = documents.reading_prefix(vessel, sensor, name)
        for document in database.documents(prefix, reverse=True, limit=_LOOKED_AT):
            total = _of_reading(document.id, document.body, scale)
            if total is not None:
                if counts(sensor, total):
                    by_sensor[sensor] = total
                break
    return by_sensor


def _of_copies(
    data: Path,
    vessel: str,
    logs: set[str],
    scales: Mapping[str, Scale],
    counts: Counts,
    *,
    progress: Progress,
) -> dict[str, Total]:
    prefixes = {documents.reading_prefix(vessel, sensor, name): sensor for sensor in scales for name in logs}
    by_copy: list[dict[str, Total]] = []
    for _, content in mirror.contents(mirror.folder_in(data)):
        for copy in content.copies():
            progress()
            sensor = prefixes.get(copy.id.rpartition(":")[0] + ":")
            if sensor is not None:
                total = _of_reading(copy.id, msgspec.json.decode(copy.body), scales[sensor])
                by_copy.append({sensor: total} if total is not None and counts(sensor, total) else {})
        by_copy = [totals.highest(by_copy)]
    return totals.highest(by_copy)


def _of_reading(document_id: str, body: Mapping[str, Any], scale: Scale) -> Total | None:
    """Return the last total in a reading.

    Return None if the reading contains no total, or if its path or unit differs from the scale's.
    """
    path, unit, per_unit = scale
    samples, name = body.get("samples"), documents.parse_id(document_id)
    if (body.get("path"), body.get("unit")) != (path, unit) or not isinstance(samples, list) or name is None:
        return None
    for sample in reversed(samples):
        value = sample[1] if isinstance(sample, list) and len(sample) > 1 else None
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        plausible = totals.plausible(None, value) if per_unit == 0 else _counted(value * per_unit)
        if plausible is not None:
            source = f"reading {document_id}"
            utc = _moment(body.get("endUtc"))
            return Total(plausible.count, plausible.seconds, utc, source, name.log or "", name.number or 0)
    return None


def _counted(count: float) -> Totals | None:
    try:
        return totals.plausible(round(count), None)
    except (OverflowError, ValueError):  # not finite
        return None


def _of_equipment(
    database: Database, vessel: str, is_signed: IsSigned, progress: Progress
) -> dict[str, Total]:
    by_sensor: dict[str, Total] = {}
    for current in database.documents(f"{DocumentType.EQUIPMENT}:{vessel}:"):
        name = documents.parse_id(current.id)
        progress()
        leaves = [leaf for leaf in database.leaves(current.id) if not leaf.deleted]
        # a stable sort: without signatures the current revision stays first
        leaves.sort(key=lambda leaf: not is_signed(leaf.id, leaf.body))
        if name is None or name.sensor is None or not leaves:
            continue
        body = leaves[0].body
        if body.get("count") is None and body.get("runSeconds") is None:
            continue
        total = totals.plausible(body.get("count"), body.get("runSeconds"))
        if total is not None:
            source = f"document {current.id}"
            by_sensor[name.sensor] = Total(total.count, total.seconds, _moment(body.get("time")), source)
    return by_sensor


def _moment(text: object) -> float:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def gather(
    data: Path,
    *,
    vessel: str,
    own: Iterable[Mapping[str, Total]],
    logs: Iterable[str],
    sensors: Sequence[SensorSettings],
    witnessed: Collection[str] = (),
    journal_logs: Collection[str] = (),
    is_signed: IsSigned = lambda _, __: False,
    progress: Progress = lambda: None,
) -> dict[str, Total]:
    """Return the best known totals of the vessel's sensors, by sensor id.

    `own` contains the totals from the vessel's own files. `witnessed` contains the sensors in the number
    witness; readings of these sensors do not count. `journal_logs` are the logs known to the journal.
    `progress` is called often.
    """
    known = totals.highest(own)

    def counts(sensor: str, reading: Total) -> bool:
        if sensor in witnessed or sensor not in known:
            return sensor not in witnessed
        if reading.log == known[sensor].log:
            return reading.number > known[sensor].number
        return bool(journal_logs) and reading.log not in journal_logs  # the journal belongs to an earlier log

    readings, equipment = of_documents(
        data,
        vessel=vessel,
        logs=logs,
        sensors=sensors,
        is_signed=is_signed,
        counts=counts,
        progress=progress,
    )
    known = totals.highest([known, readings])
    unknown = {sensor.id for sensor in sensors if is_counting(sensor)} - known.keys()
    if unknown - equipment.keys():
        known = totals.highest([known, of_set_aside(data, vessel, progress=progress)])
    return {**equipment, **known}


def last_log(data: Path, *, vessel: str) -> str | None:
    """Return the last log named in the vessel's document; None if no such document can be read."""
    try:
        with Database.open(data / "log.db", policy=documents.POLICY) as database:
            return next(reversed(rollback.known_of(database, vessel).get("logs", "").split()), None)
    except StoreError:
        return None


def is_counting(sensor: SensorSettings) -> bool:
    """Return True if a sensor is of a kind that has totals."""
    from sensors.registry import kind_named  # imported here, because the store check needs no sensors

    return kind_named(sensor.kind).has_totals(sensor)


def words(
    carried: Mapping[str, Total], *, before: str | None, now: str, sensors: Iterable[SensorSettings]
) -> str:
    """Return a message to the user about the totals that were carried over from log `before` to log `now`.

    Return '' if there are no totals.
    """
    sentences = [
        f"{name} {_amount(total)} (as of {iso(total.utc) if total.utc else 'an unknown time'},"
        f" from {total.source})"
        for name, total in sorted(carried.items())
        if _amount(total)
    ]
    lost = sorted(sensor.id for sensor in sensors if is_counting(sensor) and sensor.id not in carried)
    parts = [f"engine hours and pulse counts carried over: {'; '.join(sentences)}"] if sentences else []
    if lost:
        parts.append(
            f"no engine hours or pulse count was found for {', '.join(lost)}, so counting starts from zero"
        )
    if not parts:
        return ""
    after = "an earlier log, whose name is lost" if before is None else f"log {before}"
    return f"log {now} follows {after}. " + ". ".join(part[0].upper() + part[1:] for part in parts)


def _amount(total: Total) -> str:
    amounts = [f"{total.seconds / 3_600:.2f} h"] if total.seconds else []
    return ", ".join(amounts + ([f"count {total.count}"] if total.count else []))


class _Note(msgspec.Struct, frozen=True):
    id: str
    vessel: str
    text: str
    utc: float


_decode_notes: Final = msgspec.json.Decoder(list[_Note]).decode


def _notes(stored: object) -> list[_Note]:
    try:
        return _decode_notes(str(stored or "[]"))
    except msgspec.DecodeError:
        return []


def with_note(stored: object, *, vessel: str, text: str, utc: float) -> str:
    """Log a message about totals that were carried over, and add it to the notes to be written.

    Return the journal's new value for the key `NOTES`.

    `stored` is the journal's current value for that key.
    """
    log.warning("%s", text)
    fresh = _Note(documents.note_id(vessel, ulid(utc)), vessel, text, utc)
    return msgspec.json.encode([*_notes(stored), fresh][-_NOTES_KEPT:]).decode()


def write_notes(data: Path, stored: object) -> bool:
    """Write the notes that are still to be written. Return True if no unwritten notes remain.

    The call may be repeated: each note keeps its id.
    """
    notes = _notes(stored)
    if not notes:
        return True
    try:
        with Database.open(data / "log.db", policy=documents.POLICY) as database:
            for note in notes:
                body = builders.note(note.vessel, text=note.text, who=WHO, utc=note.utc)
                database.put_if_absent(note.id, body)
    except StoreError as error:
        log.error(
            "could not save the log entry about the engine hours and pulse counts that were carried over; it"
            " will be written at the next start: %s",
            error,
        )
        return False
    return True
