"""The documenter writes every accepted sample to a document exactly once, despite kills and failures."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sensors.analog.options import AnalogOptions
from sensors.analog.parsers import SenderPoints
from sensors.derived.parser import parse_expression
from sensors.kinds.derived import DerivedOptions
from sensors.kinds.ina226 import Ina226Options
from sensors.sample import Totals
from sensors.settings import SensorSettings
from sensors.shunts import parse_shunt
from sensors.state import SensorState
from services.documents import builders
from services.documents import documenter as documenter_module
from services.documents.documenter import Documenter
from services.documents.reading_documents import ReadingWindow
from services.history.alarms import acknowledge
from services.journal.batch import Batch, Identity, NumberGap, SampleRow
from services.journal.journal import Journal, JournalReader
from sync import documents
from sync.fleet import signing
from sync.fleet.generations import STEP
from sync.store import Database, DocumentError, FullError
from tests.fleet import builders as fleet
from tests.sensors.fakes import sensor

from .recorder_builders import UTC, FakeClock, above, batch, recording, row, sample, settings

IDENTITY = Identity(vessel="argo", log="abcdef", boot=1, run=1)


class Vessel:
    """A journal, a store, and the documenter between them, which the test can kill."""

    def __init__(self, folder: Path, *sensors: SensorSettings, run: int = 1) -> None:
        self.folder, self.sensors = folder, sensors or (settings(window_s=10.0),)
        self.identity = Identity(vessel="argo", log="abcdef", boot=1, run=run)
        self.journal = Journal(folder / "samples.db")
        self.journal.register((s.id, s.path, s.unit) for s in self.sensors)
        self.database = Database.open(folder / "log.db", policy=documents.POLICY)
        self.documenter = self.begin()

    def begin(self, **more: Any) -> Documenter:
        return Documenter(
            identity=self.identity,
            sensors=self.sensors,
            registered={name: (r.path, r.unit) for name, r in self.journal.sensors.items()},
            reader=JournalReader(self.journal.path),
            database=self.database,
            release=self.journal.release,
            severities={},
            **more,
        )

    def kill(self, **more: Any) -> None:
        self.documenter._reader.close()
        self.documenter = self.begin(**more)

    def close(self) -> None:
        self.documenter._reader.close()
        self.database.close()
        self.journal.close()

    def bodies(self, kind: str) -> list[dict[str, Any]]:
        return [document.body for document in self.database.documents(f"{kind}:")]

    def sequences(self, sensor: str = "rpm") -> list[int]:
        found: list[int] = []
        for body in self.bodies("reading"):
            if body["sensor"] == sensor:
                assert len(body["samples"]) == body["last"] - body["first"] + 1
                found += range(body["first"], body["last"] + 1)
        return found


@pytest.fixture
def vessel(tmp_path: Path) -> Iterator[Vessel]:
    made = Vessel(tmp_path)
    yield made
    made.close()


def test_window_becomes_a_document_when_its_time_has_passed(vessel: Vessel) -> None:
    vessel.journal.commit(batch(*(row(n) for n in range(1, 6))))
    vessel.documenter.step(105_000)
    assert vessel.sequences() == []
    vessel.documenter.step(111_000)
    assert vessel.sequences() == [1, 2, 3, 4, 5]


def test_samples_are_released_only_after_their_document_is_stored(vessel: Vessel) -> None:
    vessel.journal.commit(batch(row(1)))
    vessel.documenter.step(102_000)
    assert vessel.journal.waiting == 1
    vessel.documenter.step(112_000)
    assert vessel.journal.waiting == 0


def test_documents_from_an_earlier_card_do_not_remain_current(vessel: Vessel) -> None:
    about = builders.header(documents.DocumentType.VESSEL, "argo") | {"name": "SY Argo"}
    vessel.documenter.set_vessel(about)
    vessel.journal.commit(batch(row(1)))
    vessel.documenter.step(111_000)
    for document_id, came in (
        ("vessel:argo", about | {"name": "of old"}),
        (
            "equipment:argo:rpm",
            builders.header(documents.DocumentType.EQUIPMENT, "argo")
            | {"sensor": "rpm", "log": "ghijkl", "value": 9},
        ),
    ):
        vessel.database.insert(document_id, "500-aa", (), came)
    vessel.documenter.reassert()
    vessel.documenter.step(112_000)
    assert [found["name"] for found in vessel.bodies("vessel")] == ["SY Argo"]
    assert [found["log"] for found in vessel.bodies("equipment")] == ["abcdef"]
    current = vessel.database.get("equipment:argo:rpm")
    assert current is not None
    assert current.rev.startswith("501-")


def test_content_that_others_wrote_for_this_vessel_is_overwritten(vessel: Vessel) -> None:
    """Content from other vessels is overwritten even if this vessel has nothing new to write.

    The document of an old boot that claims to be a newer boot is overwritten too.
    """
    vessel.documenter.set_vessel(builders.header(documents.DocumentType.VESSEL, "argo") | {"name": "SY Argo"})
    boot = builders.header(documents.DocumentType.BOOT, "argo") | {"log": "abcdef", "number": 1}
    vessel.documenter.set_boot(boot | {"anchors": [[1, 2, "network", 0.1]]})
    vessel.journal.commit(batch(row(1)))
    vessel.documenter.step(111_000)
    before = {found.id: found.body for found in vessel.database.documents() if "reading" not in found.id}
    assert len(before) == 3
    for document_id, body in before.items():
        vessel.database.insert(document_id, "9000-aa", (), body | {"value": 7, "anchors": [], "name": "X"})
    vessel.documenter.reassert()
    vessel.documenter.step(112_000)
    for document_id, body in before.items():
        found = vessel.database.get(document_id)
        assert found is not None
        assert found.rev.startswith("9001-"), document_id
        assert found.body == body


def test_signed_vessel_document_covers_more_generations_than_the_documents_have(vessel: Vessel) -> None:
    identity = fleet.vessel("argo")
    vessel.kill(sign=lambda document_id, body: signing.sign(identity, document_id, body))
    about = builders.header(documents.DocumentType.VESSEL, "argo") | {"name": "SY Argo"}
    vessel.documenter.set_vessel(about)
    vessel.documenter.step(111_000)

    def vouched() -> int:
        (found,) = vessel.database.documents("vessel:argo")
        assert signing.signer(found.id, found.body, fleet.trust()) == "argo"
        most: int = found.body["generations"]
        return most

    first = vouched()
    assert STEP // 2 <= first <= 2 * STEP
    vessel.documenter.reassert()
    vessel.documenter.step(112_000)
    assert vouched() == first, "it is not written again while there is room"
    for document_id in ("equipment:argo:rpm", "forwarded:office:argo"):
        highest = vouched() + 1000
        vessel.database.insert(document_id, f"{highest}-aa", (), {"type": document_id.partition(":")[0]})
        vessel.documenter.reassert()
        vessel.documenter.step(113_000)
        assert highest < vouched() <= highest + 2 * STEP


def test_removed_document_of_a_raised_alarm_is_written_again(tmp_path: Path) -> None:
    made = settings(alarms=[above(63.0)])
    vessel, clock = Vessel(tmp_path, made), FakeClock()
    engine = recording(vessel.journal, clock, made)
    engine.accept(sample(64.0, clock.ms))
    engine.commit()
    vessel.documenter.step(clock.ms)
    (document,) = vessel.database.documents("alarm:")
    vessel.database.purge([document.id])
    episode = vessel.journal.sensors["rpm"].episode
    assert episode is not None
    vessel.documenter.reassert([("rpm", episode)])
    vessel.documenter.step(clock.ms)
    (again,) = vessel.database.documents("alarm:")
    assert (again.id, again.body) == (document.id, document.body)
    vessel.close()


def test_clean_stop_writes_every_sample_to_documents(vessel: Vessel) -> None:
    vessel.journal.commit(batch(row(1), row(2)))
    vessel.documenter.finish(103_000)
    assert vessel.sequences() == [1, 2]
    assert vessel.journal.waiting == 0


def test_kill_between_document_and_release_writes_no_sample_twice(vessel: Vessel) -> None:
    for number in range(1, 30):
        vessel.journal.commit(batch(row(number)))
        vessel.documenter.step(100_000 + number * 1_000)
        vessel.kill()
    vessel.documenter.finish(200_000)
    assert vessel.sequences() == list(range(1, 30))


def test_window_never_spans_a_restart_of_the_recorder(vessel: Vessel) -> None:
    vessel.journal.commit(batch(row(1), run=1))
    vessel.journal.commit(batch(row(2), run=2))
    vessel.documenter.finish(103_000)
    assert [(body["first"], body["last"]) for body in vessel.bodies("reading")] == [(1, 1), (2, 2)]


def test_failing_store_loses_and_repeats_nothing(vessel: Vessel, monkeypatch: pytest.MonkeyPatch) -> None:
    real = vessel.database.put_if_absent
    fails = [True]

    def sometimes(document_id: str, body: Any) -> bool:
        if fails[0]:
            raise FullError("no room")
        return real(document_id, body)

    monkeypatch.setattr(vessel.database, "put_if_absent", sometimes)
    for number in range(1, 30):
        vessel.journal.commit(batch(row(number)))
        fails[0] = number % 3 != 0
        try:
            vessel.documenter.step(100_000 + number * 1_000)
        except FullError:
            assert vessel.journal.waiting > 0
    fails[0] = False
    vessel.documenter.finish(200_000)
    assert vessel.sequences() == list(range(1, 30))
    assert vessel.journal.waiting == 0


def test_failed_transaction_releases_nothing(vessel: Vessel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store accepts the document, but the commit fails, so the sample must stay in the journal."""
    vessel.journal.commit(batch(row(1)))
    vessel.documenter.step(102_000)
    real = builders.upsert
    monkeypatch.setattr(documenter_module, "EQUIPMENT_MS", 0)

    def broken(*_: Any) -> bool:
        raise FullError("no room")

    monkeypatch.setattr(builders, "upsert", broken)
    vessel.documenter.set_boot({"number": 1})
    with pytest.raises(FullError):
        vessel.documenter.step(112_000)
    assert vessel.journal.waiting == 1
    assert vessel.sequences() == []
    monkeypatch.setattr(builders, "upsert", real)
    vessel.documenter.step(112_000)
    assert vessel.sequences() == [1]


def test_document_refused_by_the_store_becomes_a_gap_and_delays_nothing(
    vessel: Vessel, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = vessel.database.put_if_absent

    def particular(document_id: str, body: Any) -> bool:
        if body["first"] == 1:
            raise DocumentError("too deep")
        return real(document_id, body)

    monkeypatch.setattr(vessel.database, "put_if_absent", particular)
    for number in (1, 2, 15):
        vessel.journal.commit(batch(row(min(3, number), ms=100_000 + number * 1_000)))
    vessel.documenter.finish(200_000)
    assert vessel.sequences() == [3]
    (gap,) = vessel.bodies("gap")
    assert (gap["first"], gap["last"]) == (1, 2)
    assert "too deep" in gap["reason"]
    assert vessel.journal.waiting == 0


def test_current_value_is_written_at_once_when_the_state_changes(vessel: Vessel) -> None:
    vessel.journal.commit(batch(row(1, 5.0)))
    vessel.documenter.step(101_000)
    (body,) = vessel.bodies("equipment")
    assert (body["value"], body["state"], body["sequence"]) == (5.0, "good", 1)
    vessel.journal.commit(batch(SampleRow("rpm", 2, 102_000, None, SensorState.OPEN)))
    vessel.documenter.step(102_100)
    (body,) = vessel.bodies("equipment")
    assert (body["value"], body["state"]) == (None, "open")


def test_changing_current_value_is_rewritten_every_ten_seconds(vessel: Vessel) -> None:
    revisions = set()
    for number in range(1, 61):
        vessel.journal.commit(batch(row(number, float(number))))
        vessel.documenter.step(100_000 + number * 1_000)
        found = vessel.database.get("equipment:argo:rpm")
        assert found is not None
        revisions.add(found.rev)
    assert len(revisions) == 6


def test_unchanged_current_value_is_not_rewritten(vessel: Vessel) -> None:
    for number in range(1, 61):
        vessel.journal.commit(batch(row(number, 5.0)))
        vessel.documenter.step(100_000 + number * 1_000)
    found = vessel.database.get("equipment:argo:rpm")
    assert found is not None
    assert found.rev.startswith("1-")


def test_totals_are_written_with_the_current_value(vessel: Vessel) -> None:
    vessel.journal.commit(
        Batch(
            run=1,
            boot=1,
            clock_ms=101_000,
            utc=UTC,
            synced=True,
            rows=(row(1),),
            totals={"rpm": Totals(count=12, seconds=3.25)},
        )
    )
    vessel.documenter.step(101_000)
    (body,) = vessel.bodies("equipment")
    assert (body["count"], body["runSeconds"]) == (12, 3.25)


def counted(count: int, *rows: SampleRow, seconds: float = 0.0) -> Batch:
    return Batch(
        run=1,
        boot=1,
        clock_ms=max((found.clock_ms for found in rows), default=100_000),
        utc=UTC,
        synced=True,
        rows=rows,
        totals={"rpm": Totals(count=count, seconds=seconds)},
    )


def test_totals_are_written_although_the_value_is_the_same_again(vessel: Vessel) -> None:
    """If an engine runs briefly between two polls, its speed is 0 at both, but the pulse count differs."""
    vessel.journal.commit(counted(12, row(1, 0.0)))
    vessel.documenter.step(101_000)
    vessel.journal.commit(counted(40, row(2, 7.5), row(3, 0.0), seconds=2.5))
    vessel.documenter.step(104_000)
    vessel.documenter.step(112_000)
    (body,) = vessel.bodies("equipment")
    assert (body["value"], body["sequence"]) == (0.0, 3)
    assert (body["count"], body["runSeconds"]) == (40, 2.5)


def test_totals_of_an_unchanged_value_are_written_only_when_it_is_recorded(vessel: Vessel) -> None:
    vessel.journal.commit(counted(0, row(1, 7.5)))
    vessel.documenter.step(101_000)
    for second in range(60):
        rows = [row(2, 7.5, ms=131_000)] if second == 30 else []
        vessel.journal.commit(counted(second, *rows, seconds=float(second)))
        vessel.documenter.step(101_000 + second * 1_000)
    found = vessel.database.get("equipment:argo:rpm")
    assert found is not None
    assert found.rev.startswith("2-")
    assert found.body["sequence"] == 2
    assert 30 <= found.body["count"] < 45


@pytest.mark.parametrize("value", [7.5, 0.0])
def test_value_that_returns_unchanged_is_no_longer_stale(vessel: Vessel, value: float) -> None:
    vessel.journal.commit(batch(row(1, value)))
    vessel.documenter.step(101_000)
    vessel.journal.commit(batch(SampleRow("rpm", 2, 102_000, None, SensorState.STALE)))
    vessel.documenter.step(102_000)
    assert vessel.bodies("equipment")[0]["state"] == "stale"
    vessel.journal.commit(batch(row(3, value)))
    vessel.documenter.step(103_000)
    (body,) = vessel.bodies("equipment")
    assert (body["state"], body["value"], body["sequence"]) == ("good", value, 3)


def test_alarm_document_is_updated_and_keeps_acknowledgements(tmp_path: Path) -> None:
    made = settings(alarms=[above(63.0)])
    vessel, clock = Vessel(tmp_path, made), FakeClock()
    engine = recording(vessel.journal, clock, made)
    engine.accept(sample(64.0, clock.ms))
    engine.commit()
    vessel.documenter.step(clock.ms)
    (document,) = vessel.database.documents("alarm:")
    assert document.id == "alarm:argo:rpm:abcdef:000000000001"
    assert document.body["cleared"] is None
    acknowledged = {**document.body, "acks": [{"who": "bo", "when": "2025-10-09T08:53:20Z"}]}
    vessel.database.put(document.id, acknowledged, parent=document.rev)
    clock.advance(5_000)
    engine.accept(sample(10.0, clock.ms))
    engine.commit()
    vessel.documenter.step(clock.ms)
    (document,) = vessel.database.documents("alarm:")
    assert document.body["cleared"] is not None
    assert document.body["acks"] == acknowledged["acks"]
    vessel.close()


@pytest.mark.parametrize("awry", [{"history": 7}, {"acks": 7}, {"history": None, "acks": {"who": 1}}])
def test_malformed_alarm_from_another_vessel_delays_nothing(tmp_path: Path, awry: dict[str, Any]) -> None:
    made = settings(alarms=[above(63.0)])
    vessel, clock = Vessel(tmp_path, made), FakeClock()
    engine = recording(vessel.journal, clock, made)
    engine.accept(sample(64.0, clock.ms))
    engine.commit()
    vessel.documenter.step(clock.ms)
    (document,) = vessel.database.documents("alarm:")
    vessel.database.put(document.id, document.body | awry, parent=document.rev)
    clock.advance(5_000)
    engine.accept(sample(10.0, clock.ms))
    engine.commit()
    vessel.documenter.step(clock.ms)
    (document,) = vessel.database.documents("alarm:")
    assert document.body["cleared"] is not None
    assert acknowledge(vessel.database, document.id, who="bo", utc=UTC)
    vessel.close()


def test_alarm_is_in_the_store_after_a_kill_directly_after_its_commit(tmp_path: Path) -> None:
    made = settings(alarms=[above(63.0)])
    vessel, clock = Vessel(tmp_path, made), FakeClock()
    engine = recording(vessel.journal, clock, made)
    engine.accept(sample(64.0, clock.ms))
    engine.commit()
    vessel.close()
    again = Vessel(tmp_path, made, run=2)
    again.documenter.step(clock.ms)
    assert len(again.bodies("alarm")) == 1
    again.close()


def test_gap_is_explained_by_a_document(vessel: Vessel) -> None:
    vessel.journal.commit(
        Batch(
            run=1,
            boot=1,
            clock_ms=101_000,
            utc=UTC,
            synced=True,
            rows=(row(1),),
            gaps=(NumberGap("rpm", 2, 5, "full"),),
        )
    )
    vessel.journal.commit(batch(row(6)))
    vessel.documenter.finish(107_000)
    (gap,) = vessel.bodies("gap")
    assert (gap["first"], gap["last"], gap["reason"]) == (2, 5, "full")
    assert vessel.sequences() == [1, 6]


@pytest.mark.parametrize("seed", range(8))
def test_random_kills_lose_and_repeat_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    names = ("a", "b", "c")
    sensors = [settings(name, window_s=chance.choice([10.0, 30.0])) for name in names]
    vessel, ms = Vessel(tmp_path, *sensors), 100_000
    last = dict.fromkeys(names, 0)
    run = 1
    for _ in range(300):
        ms += chance.randrange(200, 2_000)
        rows = []
        for name in chance.sample(names, chance.randrange(4)):
            for _ in range(chance.randrange(1, 4)):
                last[name] += 1
                rows.append(row(last[name], chance.random(), ms=ms, sensor=name))
        vessel.journal.commit(batch(*rows, run=run))
        if chance.random() < 0.7:
            vessel.documenter.step(ms)
        if chance.random() < 0.1:
            vessel.kill()
        if chance.random() < 0.05:
            vessel.close()
            run += 1
            vessel = Vessel(tmp_path, *sensors, run=run)
            assert {name: record.last for name, record in vessel.journal.sensors.items()} == last
    vessel.documenter.finish(ms + 1_000)
    for name in names:
        assert vessel.sequences(name) == list(range(1, last[name] + 1))
    vessel.close()


def test_numbers_in_a_gap_are_not_assigned_again_after_a_restart(tmp_path: Path) -> None:
    made = Vessel(tmp_path)
    made.journal.commit(batch(row(1), row(2)))
    made.journal.commit(replace(batch(), gaps=(NumberGap("rpm", 3, 5, "not recorded"),)))
    for _ in range(2):  # the batch of the gap is no longer the newest
        made.journal.commit(batch())
    made.documenter.finish(200_000)
    made.journal.settle()
    made.close()
    again = Vessel(tmp_path, run=2)
    last = again.journal.sensors["rpm"].last
    again.journal.commit(batch(row(last + 1, ms=300_000), run=2))
    again.documenter.finish(400_000)
    assert (last, again.sequences()) == (5, [1, 2, 6])
    again.close()


def test_samples_of_an_earlier_run_keep_their_path_and_unit(tmp_path: Path) -> None:
    made = Vessel(tmp_path)
    made.journal.commit(batch(row(1), row(2)))
    made.documenter.step(103_000)
    before = {name: (record.path, record.unit) for name, record in made.journal.sensors.items()}
    made.close()
    again = Vessel(tmp_path, settings(path="tanks.fuel.main.currentLevel", unit="ratio"), run=2)
    again.kill(measured_before=before)
    again.journal.commit(batch(row(3, ms=300_000), run=2))
    again.documenter.finish(400_000)
    assert [(body["first"], body["unit"]) for body in again.bodies("reading")] == [(1, "Hz"), (3, "ratio")]
    again.close()


def test_values_whose_sum_exceeds_a_float_still_have_a_mean(vessel: Vessel) -> None:
    vessel.journal.commit(batch(row(1, 1.7e308), row(2, 1.7e308)))
    vessel.documenter.step(200_000)
    (body,) = vessel.bodies("reading")
    assert body["mean"] == 1.7e308


def test_windows_may_be_added_while_another_thread_counts_open_samples(vessel: Vessel) -> None:
    vessel.journal.commit(batch(row(1), row(2)))
    vessel.documenter.step(103_000)
    windows = vessel.documenter._windows

    class Arriving(ReadingWindow):
        """Window that simulates another thread, which adds a window while the rows of this one are read."""

        def __getattribute__(self, name: str) -> Any:
            if name == "rows":
                windows["arrived"] = windows["rpm"]
            return super().__getattribute__(name)

    windows["arriving"] = Arriving(windows["rpm"].origin, run=1, boot=1)
    windows["last"] = windows["rpm"]
    assert vessel.documenter.open_samples == 4


@pytest.mark.parametrize(
    ("invert", "correction", "stored"),
    [
        (False, {}, {"shunt_ohm": 0.001}),
        (True, {}, {"shunt_ohm": 0.001, "invert": True}),
        (False, {"average_s": 30.0}, {"shunt_ohm": 0.001, "average": 30.0}),
        (False, {"scale": 1.02, "offset": -0.1}, {"shunt_ohm": 0.001, "scale": 1.02, "offset": -0.1}),
    ],
)
def test_vessel_document_contains_what_converts_a_sensors_readings(
    invert: bool, correction: dict[str, float], stored: dict[str, object]
) -> None:
    options = Ina226Options(measure="current", shunt_ohm=0.001, invert=invert)
    described = sensor(options, kind="ina226", unit="A", **correction)
    body = builders.vessel("argo", name="Argo", mmsi=None, uuid="", version="1", logs=(), sensors=[described])
    assert body["sensors"]["probe"]["calibration"] == stored


@pytest.mark.parametrize(
    ("keys", "stored"),
    [
        (
            {"sender": SenderPoints("ohm", ((10, 0), (180, 1e6)), (0, 1)), "pull_up_ohm": 180},
            {
                "sender": {"unit": "ohm", "points": [[10, 0], [180, 1e6]]},
                "pull_up_ohm": 180,
                "supply_v": 3.3,
                "divider": 1.0,
            },
        ),
        (
            {"beta_k": 3950.0, "r25_ohm": 10_000.0, "pull_up_ohm": 10_000.0, "supply_v": 5.0},
            {"beta_k": 3950, "r25_ohm": 10_000, "pull_up_ohm": 10_000, "supply_v": 5, "divider": 1},
        ),
        ({"shunt": parse_shunt("500 A / 50 mV")}, {"shunt_ohm": 1e-4, "divider": 1}),
    ],
)
def test_vessel_document_contains_the_electrical_data_of_a_sender(
    keys: dict[str, Any], stored: dict[str, object]
) -> None:
    options = AnalogOptions(chip="ads1115", channel=0, **keys)
    described = sensor(options, kind="analog", unit="A")
    body = builders.vessel("argo", name="Argo", mmsi=None, uuid="", version="1", logs=(), sensors=[described])
    assert body["sensors"]["probe"]["calibration"] == stored


def test_vessel_document_contains_the_expression_of_a_derived_sensor() -> None:
    described = sensor(DerivedOptions(value=parse_expression("a-1*b")), kind="derived", unit="W")
    body = builders.vessel("argo", name="Argo", mmsi=None, uuid="", version="1", logs=(), sensors=[described])
    assert body["sensors"]["probe"]["calibration"] == {"value": "a-1 * b"}
