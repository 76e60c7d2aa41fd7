"""Totals of counting sensors continue in a new log from the best available source, which is reported."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sensors.kinds.mcp23017 import Mcp23017Options
from sensors.kinds.pulse import PulseOptions
from sensors.kinds.runtime import RuntimeOptions
from sensors.kinds.switch import ContactOptions
from sensors.sample import Totals
from sensors.settings import Options, SensorSettings
from services.documents import boot_signing, builders
from services.documents.documenter import Documenter
from services.journal import number_witness
from services.journal.batch import Batch, Identity
from services.journal.journal import Journal, JournalReader
from services.journal.totals import Total
from services.mirror.mirror import CopyWriter, folder_in
from services.recorder.log_identity import establish
from services.recovery import carryover, store_check, store_repair
from services.recovery.journal_salvage import salvage
from sync import documents
from sync.documents import DocumentType
from sync.store import Database

from .recorder_builders import UTC, row
from .test_boot_signing import own as identity_of
from .test_waiting_journals import make_unwritable, set_version

HOURS = 3_600.0


def counting(sensor: str, kind: str, unit: str) -> SensorSettings:
    options: dict[str, ContactOptions | PulseOptions] = {
        "runtime": ContactOptions(pin=17),
        "switch": ContactOptions(pin=18),
        "pulse": PulseOptions(pin=27, pulses_per_unit=4.0, measure="total"),
    }
    return SensorSettings(
        id=sensor, name=sensor, kind=kind, path=f"a.{sensor}", unit=unit, options=options[kind], window_s=10.0
    )


SENSORS = (
    counting("engine", "runtime", "s"),
    counting("bilge", "switch", "bool"),
    counting("flow", "pulse", "m3"),
)
FINAL = {"engine": Totals(7, 40 * HOURS), "bilge": Totals(40, 80.0), "flow": Totals(4_000, 0.0)}
"""Totals of the sensors after the forty commits that `sail` makes."""


def start(
    opened: Journal,
    data: Path,
    *,
    board: str = "b",
    vessel: str = "argo",
    own: boot_signing.OwnIdentity = boot_signing.NONE,
) -> Identity:
    made = establish(
        opened,
        vessel=vessel,
        board=board,
        boot_id="b1",
        documents=data / "log.db",
        sensors=SENSORS,
        own=own,
    )
    opened.register((sensor.id, sensor.path, sensor.unit) for sensor in SENSORS)
    return made


def sail(data: Path, *, older: Path | None = None) -> Identity:
    """Make forty commits to the journal. Write documents, and copies of them, for the first thirty.

    The data folder is copied to `older` after ten commits.
    """
    with Journal(data / "samples.db") as opened:
        identity = start(opened, data)
        with Database.open(data / "log.db", policy=documents.POLICY) as database:
            reader = JournalReader(opened.path)
            documenter = Documenter(
                identity=identity,
                sensors=SENSORS,
                registered={sensor.id: (sensor.path, sensor.unit) for sensor in SENSORS},
                reader=reader,
                database=database,
                release=opened.release,
                severities={},
            )
            documenter.set_vessel(
                builders.vessel(
                    "argo",
                    name="Argo",
                    mmsi=None,
                    uuid=str(opened.get_meta("uuid")),
                    version="1",
                    logs=[identity.log],
                    sensors=SENSORS,
                )
            )
            for number in range(1, 41):
                opened.commit(commit(number))
                if number == 10 and older is not None:
                    shutil.copytree(data, older)
                if number == 30:
                    documenter.finish(100_000 + number * 1_000)
                    copies = CopyWriter(folder_in(data))
                    while not copies.follow(database, "argo"):
                        pass
                    copies.close()
            reader.close()
        return identity


def commit(number: int) -> Batch:
    """Return the batch of commit `number`, by which the engine has run for `number` hours."""
    clock_ms = 100_000 + number * 1_000
    return Batch(
        run=1,
        boot=1,
        clock_ms=clock_ms,
        utc=UTC + number,
        synced=True,
        rows=(
            row(number, number * HOURS, sensor="engine"),
            row(number, value=True, sensor="bilge"),
            row(number, number * 25.0, sensor="flow"),
        ),
        totals={
            "engine": Totals(7, number * HOURS),
            "bilge": Totals(number, number * 2.0),
            "flow": Totals(number * 100, 0.0),
        },
    )


def after(data: Path, **how: str) -> tuple[Identity, dict[str, Totals]]:
    """Start the recorder again, and return its identity and totals.

    Assert that a kill would not change them.
    """
    store_check.prepare(data)
    with Journal(data / "samples.db") as opened:
        identity = start(opened, data, **how)  # type: ignore[arg-type]
        found = {name: record.totals for name, record in opened.sensors.items()}
    assert store_check.prepare(data, repair=False).findings == []
    with Journal(data / "samples.db") as opened:
        assert {name: record.totals for name, record in opened.sensors.items()} == found
        assert start(opened, data, **how) == Identity(identity.vessel, identity.log, 1, identity.run + 1)  # type: ignore[arg-type]
    given = number_witness.read(number_witness.path_in(data))
    assert given is not None
    assert {name: Totals(*said) for name, said in given.totals.items()} == found
    return identity, found


def notes(data: Path) -> list[str]:
    with Database.open(data / "log.db", policy=documents.POLICY) as database:
        return [str(found.body["text"]) for found in database.documents(f"{DocumentType.NOTE}:argo:")]


def remove(data: Path, *patterns: str) -> None:
    for pattern in patterns:
        for file in data.glob(pattern):
            shutil.rmtree(file) if file.is_dir() else file.unlink()


def garble(data: Path, *_: str) -> None:
    path = data / "samples.db"
    content = bytearray(path.read_bytes())
    content[:4_096] = bytes(4_096)
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data, _: remove(data, "samples.db*"),
        lambda data, _: garble(data),
        lambda data, older: [shutil.copy(older / name, data) for name in ("samples.db",)],
        lambda data, _: remove(data, "log.db*", "copies"),
    ],
    ids=["journal lost", "journal broken", "journal older", "documents lost"],
)
def test_new_log_continues_from_the_totals_of_the_last_commit(
    tmp_path: Path, damage: Callable[[Path, Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    data, older = tmp_path / "data", tmp_path / "older"
    data.mkdir()
    before = sail(data, older=older)
    damage(data, older)
    identity, found = after(data)
    assert found == FINAL
    if identity.log == before.log:
        assert notes(data) == []
        return
    (text,) = notes(data)
    assert (
        f"log {identity.log} follows log {before.log}. Engine hours and pulse counts carried over: " in text
    )
    assert "bilge 0.02 h, count 40" in text
    assert "engine 40.00 h, count 7 (as of 2025-10-09T08:54:00.000Z, from" in text
    assert text in caplog.messages


def test_totals_come_from_documents_without_journal_and_witness(tmp_path: Path) -> None:
    before = sail(tmp_path)
    remove(tmp_path, "samples.db*", number_witness.NAME)
    # from readings for the hour meter and the flow meter, and from `equipment` for the switch
    _, found = after(tmp_path)
    assert found == {"engine": Totals(0, 30 * HOURS), "bilge": Totals(30, 60.0), "flow": Totals(3_000, 0.0)}
    (text,) = notes(tmp_path)
    assert f"follows log {before.log}" in text
    assert "from reading reading:argo:engine:" in text
    assert "from document equipment:argo:bilge" in text


@pytest.mark.parametrize(
    ("kind", "options", "unit", "value", "total"),
    [
        ("runtime", RuntimeOptions(pin=17), "s", 7_200.0, Totals(0, 7_200.0)),
        ("runtime", RuntimeOptions(pin=17, measure="starts"), "", 12.0, Totals(12, 0.0)),
        ("mcp23017", Mcp23017Options(input="A0", measure="time"), "s", 7_200.0, Totals(0, 7_200.0)),
        ("mcp23017", Mcp23017Options(input="A0", measure="starts"), "", 12.0, Totals(12, 0.0)),
        ("mcp23017", Mcp23017Options(input="A0"), "bool", 1.0, None),
    ],
)
def test_last_reading_of_a_contact_contains_the_total_that_the_sensor_records(
    tmp_path: Path, kind: str, options: Options, unit: str, value: float, total: Totals | None
) -> None:
    contact = SensorSettings(id="pump", kind=kind, path="a.pump", unit=unit, options=options)
    reading = builders.header(DocumentType.READING, "argo") | {"path": "a.pump", "unit": unit}
    with Database.open(tmp_path / "log.db", policy=documents.POLICY) as database:
        database.put(
            documents.reading_id("argo", "pump", "abcdef", 1),
            reading | {"first": 1, "last": 1, "samples": [[0, value]]},
        )
    found, _ = carryover.of_documents(tmp_path, vessel="argo", logs=["abcdef"], sensors=[contact])
    assert {sensor: Totals(each.count, each.seconds) for sensor, each in found.items()} == (
        {} if total is None else {"pump": total}
    )


def test_totals_come_from_copies_where_documents_are_unreadable(tmp_path: Path) -> None:
    before = sail(tmp_path)
    found, equipment = carryover.of_documents(tmp_path, vessel="argo", logs=[before.log], sensors=SENSORS)
    remove(tmp_path, "log.db*")
    (tmp_path / "log.db").mkdir()
    copied, nothing = carryover.of_documents(tmp_path, vessel="argo", logs=[before.log], sensors=SENSORS)
    assert copied == found
    assert found["engine"].seconds == 30 * HOURS
    assert (set(equipment), nothing) == ({"engine", "bilge", "flow"}, {})


def test_totals_come_from_a_journal_that_was_set_aside_in_the_last_resort(tmp_path: Path) -> None:
    sail(tmp_path)
    store_repair.set_aside(tmp_path / "samples.db")
    remove(tmp_path, "log.db*", "copies", number_witness.NAME)
    assert after(tmp_path)[1] == FINAL


def test_totals_that_no_file_contains_are_reported_too(tmp_path: Path) -> None:
    before = sail(tmp_path)
    with Database.open(tmp_path / "log.db", policy=documents.POLICY) as database:
        gone = [found.id for kind in ("reading", "equipment") for found in database.documents(f"{kind}:")]
        database.purge(gone)
    remove(tmp_path, "samples.db*", number_witness.NAME, "copies")
    _, found = after(tmp_path)
    assert set(found.values()) == {Totals()}
    (text,) = notes(tmp_path)
    assert "No engine hours or pulse count was found for bilge, engine, flow, so counting starts" in text
    assert f"follows log {before.log}" in text


def test_first_log_of_a_vessel_reports_nothing(tmp_path: Path) -> None:
    with Journal(tmp_path / "samples.db") as opened:
        start(opened, tmp_path)
    assert notes(tmp_path) == []


def test_log_on_another_board_continues_the_totals_and_another_vessel_begins_at_zero(
    tmp_path: Path,
) -> None:
    sail(tmp_path)
    identity, found = after(tmp_path, board="c")
    assert found == FINAL
    assert len(notes(tmp_path)) == 1
    renamed, found = after(tmp_path, vessel="brigid")
    assert renamed.log != identity.log
    assert set(found.values()) == {Totals()}


def test_reading_that_another_vessel_invents_in_an_ended_log_does_not_count(tmp_path: Path) -> None:
    """Other vessels may write to ended logs, and may forward an old vessel document with only one log."""
    ended = sail(tmp_path)
    after(tmp_path, board="c")
    name = documents.reading_id("argo", "engine", ended.log, 5_000)
    invented = builders.header(DocumentType.READING, "argo") | {"path": "a.engine", "unit": "s"}
    with Database.open(tmp_path / "log.db", policy=documents.POLICY) as database:
        database.put(name, invented | {"first": 5_000, "last": 5_000, "samples": [[0, 9e9]]})
        vessel = database.get(documents.vessel_id("argo"))
        assert vessel is not None
        assert vessel.body["logs"] == [ended.log]
    _, found = after(tmp_path, board="d")
    assert found == FINAL


@pytest.mark.parametrize("damage", [None, garble], ids=["moved to another board", "journal broken"])
def test_changed_calibration_does_not_inflate_a_count_in_the_journal(
    tmp_path: Path, damage: Callable[[Path], object] | None
) -> None:
    """A reading uses the calibration of its time, but the vessel's document states the current one."""
    sail(tmp_path)
    with Database.open(tmp_path / "log.db", policy=documents.POLICY) as database:
        vessel = database.get(documents.vessel_id("argo"))
        assert vessel is not None
        described = dict(vessel.body["sensors"])
        described["flow"] = {**described["flow"], "calibration": {"pulses_per_unit": 8.0}}
        database.put(vessel.id, {**vessel.body, "sensors": described}, parent=vessel.rev)
    if damage is not None:
        damage(tmp_path)  # the repair removes the witness
    else:
        remove(tmp_path, number_witness.NAME)
    _, found = after(tmp_path, board="c")
    assert found == FINAL


def test_readings_above_the_numbers_of_an_older_journal_count(tmp_path: Path) -> None:
    data, older = tmp_path / "data", tmp_path / "older"
    data.mkdir()
    sail(data, older=older)
    remove(data, "samples.db*", number_witness.NAME)
    for name in ("samples.db", "samples.db-wal"):
        shutil.copy(older / name, data)
    _, found = after(data)
    assert found == {"engine": Totals(7, 30 * HOURS), "bilge": Totals(10, 20.0), "flow": Totals(3_000, 0.0)}


@pytest.mark.parametrize("cause", ["cut", "store of a later version"])
def test_note_is_written_at_a_later_start_if_it_cannot_be_at_once(
    tmp_path: Path, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sail(tmp_path)
    store_check.prepare(tmp_path)
    if cause == "cut":
        monkeypatch.setattr(Journal, "begin_log", cut_after(Journal.begin_log))
        with pytest.raises(KeyboardInterrupt), Journal(tmp_path / "samples.db") as opened:
            start(opened, tmp_path, board="c")
        monkeypatch.undo()
    else:
        version = make_unwritable(tmp_path)
        with Journal(tmp_path / "samples.db") as opened:
            start(opened, tmp_path, board="c")
        set_version(tmp_path, version)
    for _ in range(2):
        store_check.prepare(tmp_path)
        with Journal(tmp_path / "samples.db") as opened:
            log = start(opened, tmp_path, board="c").log
    (text,) = notes(tmp_path)
    assert f"log {log} follows log {before.log}" in text


def cut_after(function: Callable[..., None]) -> Callable[..., None]:
    def cut(*given: object) -> None:
        function(*given)
        raise KeyboardInterrupt

    return cut


def test_unreadable_source_does_not_affect_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sail(tmp_path)
    remove(tmp_path, "samples.db*", number_witness.NAME)

    def fails(*_: object) -> dict[str, Total]:
        raise ValueError("unexpected")

    monkeypatch.setattr(carryover, "_of_equipment", fails)
    called = []
    found = carryover.gather(
        tmp_path, vessel="argo", own=[], logs=[], sensors=SENSORS, progress=lambda: called.append(1)
    )
    assert {name: total.value() for name, total in found.items()} == {
        "engine": Totals(0, 30 * HOURS),
        "flow": Totals(3_000, 0.0),
    }
    assert len(called) >= 2


def test_totals_of_other_vessels_and_other_sensors_are_ignored(tmp_path: Path) -> None:
    with Database.open(tmp_path / "log.db", policy=documents.POLICY) as database:
        for vessel, sensor, count in (("brigid", "bilge", 5), ("argo", "bilge", -1), ("argo", "flow", 1e300)):
            body = builders.header(DocumentType.EQUIPMENT, vessel) | {"sensor": sensor, "count": count}
            database.put(documents.equipment_id(vessel, sensor), body)
    assert carryover.gather(tmp_path, vessel="argo", own=[], logs=[], sensors=SENSORS) == {}


def test_signed_document_has_priority_over_an_unsigned_one(tmp_path: Path) -> None:
    own = identity_of("argo")
    assert own.sign is not None
    name = documents.equipment_id("argo", "bilge")
    bodies = [
        builders.header(DocumentType.EQUIPMENT, "argo")
        | {"sensor": "bilge", "count": count, "time": "2026-01-01T00:00:00Z"}
        for count in (11, 999_999)
    ]
    with Database.open(tmp_path / "log.db") as database:
        database.insert(name, "1-" + "0" * 32, [], own.sign(name, bodies[0]))
        database.insert(name, "1-" + "f" * 32, [], bodies[1])
        assert database.get(name).body["count"] == 999_999  # type: ignore[union-attr]

    def count(own: boot_signing.OwnIdentity) -> int:
        found = carryover.gather(
            tmp_path, vessel="argo", own=[], logs=[], sensors=SENSORS, is_signed=own.has_signed
        )
        return found["bilge"].count

    assert count(own) == 11
    assert count(boot_signing.NONE) == 999_999


def test_only_salvaged_totals_with_a_valid_checksum_are_used(tmp_path: Path) -> None:
    sail(tmp_path)
    with Journal(tmp_path / "samples.db") as opened:
        opened.settle()
    assert salvage(tmp_path / "samples.db").totals == FINAL
    with Journal(tmp_path / "samples.db") as opened, opened._connection:
        opened._connection.execute("UPDATE sensor SET closed = closed + 1 WHERE id = 'engine'")
    assert set(salvage(tmp_path / "samples.db").totals) == {"bilge", "flow"}
