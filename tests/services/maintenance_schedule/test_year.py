"""Service falls due by proven hours over a simulated year with restarts, card swaps and clock jumps."""

import random
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from sensors.calendar_interval import CalendarInterval
from sensors.kinds.runtime import RuntimeOptions
from sensors.sample import Totals
from sensors.service_settings import ServiceSettings
from sensors.settings import SensorSettings
from services.documents import builders
from services.documents.documenter import Documenter
from services.journal.batch import Batch
from services.journal.journal import Journal, JournalReader
from services.maintenance_schedule.due import Due
from services.maintenance_schedule.overview import overview
from services.maintenance_schedule.records import write
from services.recorder.log_identity import establish
from sync import documents
from sync.documents import DocumentType
from sync.store import Database
from tests.services.recorder_builders import UTC, row

from .builders import COUNTER, DAY, PATH, H

ENGINE = SensorSettings(
    id=COUNTER,
    name="Engine",
    kind="runtime",
    path=PATH,
    unit="s",
    options=RuntimeOptions(pin=17),
    window_s=10.0,
)
OIL = ServiceSettings(
    name="Engine oil",
    id="engine-oil",
    sensor=COUNTER,
    every=250 * H,
    or_every=CalendarInterval(days=60),
    warn_before=30 * H,
)


class Boat:
    """A vessel whose recorder commits its running hours once a day, and whose card can be replaced."""

    def __init__(self, root: Path) -> None:
        self.root, self.cards, self.ms = root, 0, 100_000
        self.data = self._new_card()

    def _new_card(self) -> Path:
        self.cards += 1
        data = self.root / f"card-{self.cards}"
        data.mkdir()
        return data

    def replace_card(self) -> None:
        """Put in a new card, which gets the vessel's documents from the fleet, except for its log."""
        before = self.data
        self.data = self._new_card()
        kinds = (DocumentType.VESSEL, DocumentType.EQUIPMENT, DocumentType.SERVICE)
        with (
            Database.open(before / "log.db", policy=documents.POLICY) as old,
            Database.open(self.data / "log.db", policy=documents.POLICY) as new,
        ):
            for kind in kinds:
                for document in old.documents(f"{kind}:"):
                    new.put(document.id, document.body)
        shutil.rmtree(before)

    @contextmanager
    def run(self) -> Iterator["Boat"]:
        """Start the recorder, and stop it at the end of this context."""
        with ExitStack() as stack:
            self.journal = stack.enter_context(Journal(self.data / "samples.db"))
            self.identity = establish(
                self.journal,
                vessel="argo",
                board="b",
                boot_id=f"boot-{self.cards}",
                documents=self.data / "log.db",
                sensors=(ENGINE,),
            )
            self.journal.register([(ENGINE.id, ENGINE.path, ENGINE.unit)])
            self.totals = self.journal.sensors[COUNTER].totals
            self.number = self.journal.sensors[COUNTER].last
            self.store = stack.enter_context(Database.open(self.data / "log.db", policy=documents.POLICY))
            reader = JournalReader(self.journal.path)
            stack.callback(reader.close)
            self.documenter = Documenter(
                identity=self.identity,
                sensors=(ENGINE,),
                registered={COUNTER: (PATH, "s")},
                reader=reader,
                database=self.store,
                release=self.journal.release,
                severities={},
            )
            self.documenter.set_vessel(
                builders.vessel(
                    "argo",
                    name="",
                    mmsi=None,
                    uuid=str(self.journal.get_meta("uuid")),
                    version="1",
                    logs=[self.identity.log],
                    sensors=(ENGINE,),
                    services=(OIL,),
                )
            )
            yield self

    def motor(self, hours: float, *, utc: float, is_synced: bool) -> None:
        """Run the engine for some hours, and make these durable."""
        self.totals = Totals(self.totals.count + 1, self.totals.seconds + hours * H)
        self.number += 1
        self.ms += round(hours * H * 1000) + 1
        self.journal.commit(
            Batch(
                run=self.identity.run,
                boot=self.identity.boot,
                clock_ms=self.ms,
                utc=utc,
                synced=is_synced,
                rows=(row(self.number, self.totals.seconds, ms=self.ms, sensor=COUNTER),),
                totals={COUNTER: self.totals},
            )
        )
        self.documenter.finish(self.ms)

    def oil(self, utc: float | None) -> Due:
        """Return the state of the service, from the documents alone."""
        [found] = overview(self.store, "argo", live=None, utc=utc).services
        return found


def expected(since_h: float, done: float | None, now: float | None) -> str:
    """Return the state of the service, by plain arithmetic."""
    days = None if done is None or now is None else (now - done) / DAY
    if since_h >= 250 or (days is not None and days >= 60):
        return "overdue"
    if since_h >= 220 or (days is not None and days >= 54):
        return "due soon"
    return "unknown" if days is None else "ok"


@pytest.mark.parametrize("seed", range(3))
def test_service_falls_due_by_proven_hours_over_a_year(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    boat = Boat(tmp_path)
    proven, last, done, day = 0.0, 0.0, None, 0
    states = set()
    while day < 365:
        with boat.run():
            assert boat.totals.seconds == pytest.approx(proven * H, abs=0.01)
            for _ in range(chance.randint(2, 60)):
                day += 1
                is_synced = chance.random() < 0.8
                # A clock that is not set may show any date.
                utc = UTC + (day if is_synced else chance.uniform(-9_000, 9_000)) * DAY
                hours = chance.choice([0.1, chance.uniform(0, 12), chance.uniform(0, 12)])
                boat.motor(hours, utc=utc, is_synced=is_synced)
                proven += hours
                now = utc if is_synced else None
                found = boat.oil(now)
                if last or done:
                    assert found.run is not None
                    assert found.run.since_s == pytest.approx((proven - last) * H, abs=0.1)
                    assert found.state == expected(proven - last, done, now)
                states.add(str(found.state))
                if found.state == "overdue" or not last:
                    write(
                        boat.store,
                        "argo",
                        found.plan,
                        run_s=found.counter_s,
                        who="anna",
                        utc=utc,
                        is_synced=is_synced,
                    )
                    last, done = proven, now
        if chance.random() < 0.4:
            boat.replace_card()
    assert boat.cards > 1
    assert states == {"overdue", "due soon", "unknown", "ok"}
