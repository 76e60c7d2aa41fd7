"""Measures the duration of `logboat status` with many documents, in total and for each step.

With a million documents, the command should take less than 300 ms, including the start of Python. The
duration should not increase with the number of documents.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from services.state import state_file
from sync import documents
from sync.documents import DocumentType
from sync.store import Database, revisions
from tests.services import documents as build

RUNS = 10
BATCH = 2_000
VESSELS = ("argo", "brigid", "carrick", "dagda")
SENSORS = 12
READINGS_AN_ALARM = 500
READINGS_A_BOOT = 1_000
OPEN_ALARMS = 3

New = tuple[str, str, bytes, bool]


def made(document_id: str, raw: bytes) -> New:
    """Return a new document in the form that `Database.insert_new` accepts."""
    return document_id, revisions.make(None, deleted=False, body=raw), raw, False


def fleet(total: int) -> Iterator[New]:
    """Yield `total` documents of four vessels. Most are readings, and some are alarms and boots.

    All alarms have been cleared, and all except `OPEN_ALARMS` of them have been acknowledged.
    """
    import msgspec

    encode = msgspec.json.encode
    _, pattern = build.reading(*range(12), first=7_777_777)
    before, _, after = encode(pattern).partition(b"7777777")
    number = 0
    while number < total:
        vessel = VESSELS[number % len(VESSELS)]
        if number % READINGS_AN_ALARM == 0:
            seen = [{"who": "anna", "when": "2025-10-09T10:00:00Z"}]
            acks = seen if number >= OPEN_ALARMS * READINGS_AN_ALARM else []
            document_id, body = build.alarm(1 + number, vessel=vessel, cleared=200.0, acks=acks)
            yield made(document_id, encode(body))
        elif number % READINGS_A_BOOT == 1:
            anchor = build.network(0, build.UTC + number)
            document_id, body = build.boot(1 + number, anchor, vessel=vessel)
            yield made(document_id, encode(body))
        else:
            first = 1 + number
            sensor = f"s{number % SENSORS:02}"
            yield made(
                documents.reading_id(vessel, sensor, build.LOG, first), before + str(first).encode() + after
            )
        number += 1


def fill(path: Path, total: int) -> float:
    """Write `total` documents to a new store, and return the rate in documents per second."""
    began = time.perf_counter()
    with Database.open(path, policy=documents.POLICY) as database:
        batch: list[New] = []
        for document in fleet(total):
            batch.append(document)
            if len(batch) == BATCH:
                assert database.insert_new(batch)
                batch = []
        assert not batch or database.insert_new(batch)
        build.write(
            database,
            build.vessel(),
            *(build.equipment(3.0, sensor=f"s{number:02}") for number in range(SENSORS)),
        )
        assert database.count(f"{DocumentType.ALARM}:") == -(-total // READINGS_AN_ALARM)
    return total / (time.perf_counter() - began)


def live(run: Path) -> None:
    """Write the live state files of a recorder and of a sync daemon that seem to be running."""
    clock, utc = time.clock_gettime(time.CLOCK_BOOTTIME), time.time()
    stamp = {"clock": clock, "utc": utc}
    sensors = {f"s{number:02}": build.live_sensor(clock=clock, utc=utc) for number in range(SENSORS)}
    state = build.live_state(
        pid=os.getpid(), updated=stamp, lastDurable={**stamp, "samples": 12_345}, sensors=sensors
    )
    state_file.write(state_file.path(run), state)
    peers = [build.peer(name) for name in VESSELS[1:]]
    state_file.write(
        state_file.path(run, "sync"), build.mesh_state(pid=os.getpid(), updated=stamp, peers=peers)
    )


def timed(command: list[str]) -> float:
    """Run a command, and return the duration of its process in milliseconds."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return 1000 * (time.perf_counter() - began)


def shown(what: str, times: list[float]) -> str:
    """Return a line of the table, with the minimum, median and maximum of `times`."""
    return f"  {what:<48} {min(times):6.0f} {median(times):6.0f} {max(times):6.0f}"


def main(total: int = 1_000_000) -> None:
    """Fill a store, measure `logboat status` with this store, and print the table."""
    print(f"logboat status, {total:,} documents on record; ms from start to end of the process, {RUNS} runs")
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        for name in ("data", "run"):
            (folder / name).mkdir()
        (folder / "logboat.toml").write_text(
            '[vessel]\nid = "argo"\nname = "SY Argo"\ntimezone = "Europe/Oslo"\n'
        )
        rate = fill(folder / "data/log.db", total)
        size = (folder / "data/log.db").stat().st_size
        load = os.getloadavg()[0]
        print(f"  (written at {rate:,.0f} a second, {size / 1e6:,.0f} MB; load of the machine {load:.1f})")
        places = ["--config", str(folder / "logboat.toml"), "--sensors", str(folder / "sensors.toml")]
        places += ["--data", str(folder / "data"), "--run", str(folder / "run")]
        command = [str(Path(sys.executable).with_name("logboat")), "status", *places]
        print(f"  {'':<48} {'least':>6} {'median':>6} {'most':>6}")
        live(folder / "run")
        print(shown("the first after a start, which finds open alarms", [timed(command)]))
        times = []
        for _ in range(RUNS):
            live(folder / "run")
            times.append(timed(command))
        print(shown("with a recorder running", times))
        for path in (folder / "run").glob("*.json"):
            if path.stem in ("recorder", "sync"):
                path.unlink()
        print(shown("without", [timed(command) for _ in range(RUNS)]))
        python = [sys.executable, "-c"]
        modules = "import " + ", ".join(
            f"services.{name}" for name in ("cli.main", "cli.status", "config.loader", "history.open_alarms")
        )
        print(shown("of which: Python's start", [timed([*python, "pass"]) for _ in range(RUNS)]))
        print(
            shown(
                "          and importing what status needs", [timed([*python, modules]) for _ in range(RUNS)]
            )
        )
        print(shown("of which: the store, opened and read", [asked(folder) for _ in range(RUNS)]))


def asked(folder: Path) -> float:
    """Make the queries that `logboat status` makes, and return their duration in milliseconds."""
    from services.history.current import from_documents
    from services.history.open_alarms import open_alarms

    began = time.perf_counter()
    with Database.open(folder / "data/log.db", policy=documents.POLICY, create=False) as database:
        assert len(open_alarms(database, "argo", folder / "run")) == OPEN_ALARMS
        assert len(from_documents(database, "argo", utc=time.time())[0]) == SENSORS
        assert database.last_sequence
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
