"""Time from the start of the recorder to the first durable sample, with and without alarm rules.

The rules look back over the longest time that they can have: 31 days for starts and running times, and 24
hours for a rate of change. The log contains 31 days of a pump, and 24 hours of a number at 1 Hz.
"""

import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from sensors.config.loader import load_sensors
from sensors.sample import Value
from sensors.settings import SensorSettings
from services.documents.reading_documents import ClockReading, ReadingWindow, WindowOrigin, reading
from services.journal.batch import Batch, Identity, SampleRow
from services.journal.journal import Journal
from services.recorder.log_identity import establish
from services.system import machine
from sync import documents
from sync.store import Database
from tests.faults.processes import RecorderProcess

STARTS = 7
DAY_MS = 86_400_000
PUMP_DAYS, NUMBER_DAYS = 31, 1
WINDOW_MS = 300_000
UTC = 1_760_000_000.0

RULES = {
    "pump": """
        { starts_above = 9000, per = "31 d", severity = "warn" },
        { runs_above = "30 d", per = "31 d", severity = "warn" },
        { idle_for = "31 d", severity = "warn" }""",
    "hot": '{ rises_faster = "5000 Hz", per = "24 h", severity = "warn" }',
}
TABLES = """
[[sensor]]
id = "pump"
kind = "replay"
file = "pump.csv"
repeat = true
path = "bilge.pump.state"
unit = "bool"
{pump}

[[sensor]]
id = "hot"
kind = "replay"
file = "hot.csv"
repeat = true
path = "propulsion.hot.revolutions"
{hot}
"""


def configure(folder: Path, *, rules: bool) -> None:
    """Write the configuration of a vessel with both sensors."""
    folder.mkdir(exist_ok=True)
    (folder / "pump.csv").write_text("time,path,value\n0,bilge.pump.state,0\n1,bilge.pump.state,1\n")
    path = "propulsion.hot.revolutions"
    (folder / "hot.csv").write_text(f"time,path,value\n0,{path},10\n1,{path},11\n")
    (folder / "logboat.toml").write_text('[vessel]\nid = "bench"\n')
    alarms = {name: f"alarm = [{text}]" if rules else "" for name, text in RULES.items()}
    (folder / "sensors.toml").write_text(TABLES.format(**alarms))


def pump(days: int) -> Iterable[tuple[int, Value]]:
    """Yield the samples of a pump that runs for 20 s every half an hour, as (time in ms, value)."""
    for start in range(0, days * DAY_MS, WINDOW_MS):
        yield start, False
        if start % 1_800_000 == 0:
            yield start + 10_000, True
            yield start + 30_000, False


def number(days: int) -> Iterable[tuple[int, Value]]:
    """Yield the samples of a number at 1 Hz."""
    begin = (PUMP_DAYS - days) * DAY_MS
    return ((begin + second * 1_000, 10.0 + second % 7) for second in range(days * 86_400))


def write_history(data: Path, sensors: Iterable[SensorSettings]) -> int:
    """Write the samples of an earlier boot to documents, and return their number."""
    data.mkdir()
    values = {"pump": pump(PUMP_DAYS), "hot": number(NUMBER_DAYS)}
    with Journal(data / "samples.db") as journal:
        identity = establish(
            journal, vessel="bench", board=machine.board(), boot_id="earlier", documents=data / "log.db"
        )
        journal.register((each.id, each.path, each.unit) for each in sensors)
        rows = []
        with Database.open(data / "log.db", policy=documents.POLICY) as database, database.transaction():
            for each in sensors:
                found = [
                    SampleRow(each.id, sequence, ms, value)
                    for sequence, (ms, value) in enumerate(values[each.id], 1)
                ]
                rows += found[-1:]
                write_windows(database, identity, each, found[:-1])
        end_ms = PUMP_DAYS * DAY_MS
        journal.commit(
            Batch(
                run=identity.run, boot=identity.boot, clock_ms=end_ms, utc=UTC, synced=True, rows=tuple(rows)
            )
        )
        return sum(row.sequence for row in rows)


def write_windows(
    database: Database, identity: Identity, sensor: SensorSettings, rows: Iterable[SampleRow]
) -> None:
    """Write samples to the documents of their windows."""
    window: ReadingWindow | None = None
    for row in [*rows, None]:
        if window is not None and (
            row is None or not window.accepts(row, run=identity.run, boot=identity.boot)
        ):
            clock = ClockReading(window.rows[-1].clock_ms, UTC, synced=True)
            database.put_if_absent(*reading(window, clock))
            window = None
        if row is None:
            return
        if window is None:
            origin = WindowOrigin(
                identity.vessel, sensor.id, identity.log, sensor.path, sensor.unit, sensor.window_s
            )
            window = ReadingWindow(origin, run=identity.run, boot=identity.boot)
        window.add(row)


def start(folder: Path) -> float:
    """Start the recorder, and return the seconds until its first sample is durable."""
    with RecorderProcess(folder) as recorder:
        began = time.monotonic()
        recorder.start()
        recorder.wait_for_lines(1)
        took = time.monotonic() - began
        recorder.kill()
    return took


def main(starts: int = STARTS) -> None:
    """Measure `starts` starts with rules and as many without, and print both and their ratio."""
    took: dict[bool, list[float]] = {True: [], False: []}
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "vessel"
        configure(folder, rules=True)
        samples = write_history(folder / "data", load_sensors(folder / "sensors.toml"))
        print(f"rules, starts of a recorder with rules that look back at {samples} samples")
        for _ in range(starts):
            for rules in (True, False):
                configure(folder, rules=rules)
                took[rules].append(start(folder))
    with_rules, without = median(took[True]), median(took[False])
    print(
        f"  to the first durable sample: {with_rules:.2f} s with rules, {without:.2f} s without, ratio "
        f"{with_rules / without:.2f} (median of {starts})"
    )
