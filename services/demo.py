"""The demo: the appliance's main job on this machine, with real processes and real files.

A vessel records the ten real minutes of a yacht that ship with Logboat, played faster, beside simulated
sensors. In the end the demo proves from the documents alone that nothing is missing, that they hold what the
recorder had told was durable, and that the recording was stored reading for reading.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from argparse import Namespace
from collections import Counter
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from sensors.quantities import format_value
from sensors.replay import load
from sync import documents
from sync.documents import Kind
from sync.store import Database

from . import livestate
from .verify import VesselReport, verify

RECORDING: Final = "yacht-2014-08-15.csv"
SPARE_S: Final = 5.0
"""Kept free for start and end, so that the recording is over when the demo is."""
PATIENCE_S: Final = 20.0
"""How much longer than it should the recording may take, on a slow machine."""
SHOW_EVERY_S: Final = 5.0

REPLAYED: Final = {
    "house-voltage": "electrical.batteries.1.voltage",
    "house-current": "electrical.batteries.1.current",
    "boat-speed": "navigation.speedThroughWater",
}
"""Sensors of the first vessel that play the recording, and the recording's paths."""

SIMULATED: Final = (
    (
        "main-rpm",
        "engine",
        "propulsion.main.revolutions",
        "5 Hz",
        'alarm = { above = 40.0, severity = "warn" }',
    ),
    (
        "bilge-float",
        "bilge",
        "bilge.main.highWater",
        "1 Hz",
        'alarm = { when = "active", severity = "alarm" }',
    ),
    ("fuel-level", "tank", "tanks.fuel.main.currentLevel", "1 Hz", ""),
    ("cabin", "temperature", "environment.inside.saloon.temperature", "1 Hz", ""),
    ("hatch", "door", "security.hatch.state", "1 Hz", ""),
)


class DemoError(Exception):
    """The demo could not be carried through; the text says what happened."""


@dataclass(slots=True)
class Vessel:
    """One appliance: its files and its recorder's process."""

    name: str
    folder: Path
    ledger: Counter[str] = field(default_factory=Counter)
    """Durable samples per sensor, as the recorder told while it ran."""
    _process: "subprocess.Popen[bytes] | None" = None
    _listener: threading.Thread | None = None

    @property
    def data(self) -> Path:
        """Its stores."""
        return self.folder / "data"

    @property
    def run(self) -> Path:
        """Its live state."""
        return self.folder / "run"

    def start(self) -> None:
        """Start the recorder as a process of its own, with a ledger that the demo reads."""
        theirs, ours = os.pipe()
        log = (self.folder / "recorder.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "services",
                    "record",
                    "--config",
                    str(self.folder / "logboat.toml"),
                    "--sensors",
                    str(self.folder / "sensors.toml"),
                    "--data",
                    str(self.data),
                    "--run",
                    str(self.run),
                    "--identity",
                    str(self.folder / "identity"),
                    "--ledger",
                    str(ours),
                ],
                pass_fds=(ours,),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        os.close(ours)
        self._listener = threading.Thread(target=self._listen, args=(theirs,), daemon=True)
        self._listener.start()

    def stop(self, how: signal.Signals) -> int:
        """Send a signal and wait; returns the exit status."""
        assert self._process is not None
        assert self._listener is not None
        self._process.send_signal(how)
        status = self._process.wait(timeout=30)
        self._listener.join(timeout=10)
        self._process = None
        return status

    def kill(self) -> None:
        """Whatever happens, leave nothing running."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def check_alive(self) -> None:
        """Raises DemoError if the recorder has ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            told = (self.folder / "recorder.log").read_text(errors="replace").strip().splitlines()
            raise DemoError(f"the recorder of {self.name} ended: {told[-1] if told else 'without a word'}")

    def state(self) -> dict[str, Any] | None:
        """Its live state."""
        return livestate.read(livestate.path(self.run))

    def _listen(self, descriptor: int) -> None:
        with os.fdopen(descriptor) as lines:
            for line in lines:
                self.ledger[line.split(",")[0]] += 1


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was stored of one path of the recording, beside the recording."""

    path: str
    recorded: int
    stored: int
    first_difference: str | None
    worst_ms: float
    """How far the time between two readings was off the recording's, at worst."""

    @property
    def is_equal(self) -> bool:
        """Reading for reading."""
        return self.first_difference is None and self.recorded == self.stored


def prepare(folder: Path, name: str, *, speed: float) -> Vessel:
    """Write a vessel's configuration."""
    vessel = Vessel(name=name, folder=folder / name)
    vessel.folder.mkdir(parents=True)
    vessel.data.mkdir()
    vessel.run.mkdir()
    (vessel.folder / "logboat.toml").write_text(f'[vessel]\nid = "{name}"\nname = "SY {name.title()}"\n')
    recording = files("sensors") / "recordings" / RECORDING
    (vessel.folder / RECORDING).write_bytes(recording.read_bytes())
    tables = [
        f'[[sensor]]\nid = "{sensor}"\nname = "{sensor}"\nkind = "replay"\nfile = "{RECORDING}"\n'
        f'path = "{path}"\nspeed = {speed:.3f}\n'
        for sensor, path in REPLAYED.items()
    ] + [
        f'[[sensor]]\nid = "{sensor}"\nname = "{sensor}"\nkind = "simulated"\nmodel = "{model}"\n'
        f'path = "{path}"\nrate = "{rate}"\n{alarm}\n'
        for sensor, model, path, rate, alarm in SIMULATED
    ]
    (vessel.folder / "sensors.toml").write_text("\n".join(tables))
    return vessel


def stored(database: Database, vessel: str, sensor: str) -> list[tuple[int, float]]:
    """(boot clock ms, value) of every good sample of a sensor, in the order of its logs' numbers."""
    found = []
    for document in database.documents(prefix=f"{Kind.READING}:{vessel}:{sensor}:"):
        body = document.body
        start = round(body["start"] * 1000)
        found += [(start + sample[0], sample[1]) for sample in body["samples"] if len(sample) == 2]
    return found


def compare(database: Database, vessel: str, sensor: str, file: Path, speed: float) -> Comparison:
    """The recording's rows of one path against what the store holds of the sensor that played it."""
    path = REPLAYED[sensor]
    wanted = load(file, path).rows
    got = stored(database, vessel, sensor)
    difference, worst = None, 0.0
    for number, (row, (clock_ms, value)) in enumerate(zip(wanted, got, strict=False), start=1):
        if value != row.value and difference is None:
            difference = f"reading {number}: {value} is stored, {row.value} was recorded"
        due_ms = got[0][0] + (row.offset_ns - wanted[0].offset_ns) / 1e6 / speed
        worst = max(worst, abs(clock_ms - due_ms))
    if len(wanted) != len(got) and difference is None:
        difference = f"{len(got)} readings are stored, {len(wanted)} were recorded"
    return Comparison(path, len(wanted), len(got), difference, worst)


def run(args: Namespace) -> int:
    """`logboat demo`: 0 if nothing was lost."""
    seconds = float(args.for_seconds)
    if seconds < 2 * SPARE_S:
        print(
            f"logboat demo: --for {seconds:g} is too short: give it {2 * SPARE_S:g} s or more",
            file=sys.stderr,
        )
        return 2
    try:
        if args.keep is not None:
            args.keep.mkdir(parents=True, exist_ok=True)
            if (args.keep / "argo").exists():
                print(f"logboat demo: {args.keep / 'argo'} exists: name another folder", file=sys.stderr)
                return 2
            return _demo(args.keep, seconds)
        with tempfile.TemporaryDirectory(prefix="logboat-") as folder:
            return _demo(Path(folder), seconds)
    except DemoError as error:
        print(f"logboat demo: {error}", file=sys.stderr)
        return 1


def _demo(folder: Path, seconds: float) -> int:
    length_s = max(load(_recording(), path).rows[-1].offset_ns for path in REPLAYED.values()) / 1e9
    speed = length_s / (seconds - SPARE_S)
    vessel = prepare(folder, "argo", speed=speed)
    print(
        f"SY Argo records {length_s / 60:.0f} real minutes of a yacht, {speed:.1f} times as fast, and "
        f"{len(SIMULATED)} simulated sensors, for {seconds:g} s.\n"
        f"Each line: what the sensor last said, and how many samples are durable."
    )
    vessel.start()
    try:
        _watch(vessel, seconds)
        status = vessel.stop(signal.SIGTERM)
    finally:
        vessel.kill()
    if status != 0:
        raise DemoError(
            f"the recorder of {vessel.name} ended with {status}; see {vessel.folder}/recorder.log"
        )
    with Database.open(vessel.data / "log.db", single_writer=documents.is_single_writer) as database:
        return _conclude(vessel, database, speed)


def _watch(vessel: Vessel, seconds: float) -> None:
    """Show live values until the recording has been played to its end."""
    wanted = {sensor: len(load(_recording(), path).rows) for sensor, path in REPLAYED.items()}
    began = time.monotonic()
    shown = 0.0
    while True:
        vessel.check_alive()
        elapsed = time.monotonic() - began
        state = vessel.state()
        if state is not None and elapsed - shown >= SHOW_EVERY_S:
            shown = elapsed
            _show(state, vessel, elapsed)
        played = all(vessel.ledger[sensor] >= count for sensor, count in wanted.items())
        if elapsed >= seconds and played:
            return
        if elapsed >= seconds + PATIENCE_S:
            behind = {sensor: f"{vessel.ledger[sensor]} of {count}" for sensor, count in wanted.items()}
            raise DemoError(f"after {elapsed:.0f} s the recording is not all recorded: {behind}")
        time.sleep(0.2)


def _show(state: dict[str, Any], vessel: Vessel, elapsed: float) -> None:
    print(f"\n{elapsed:5.0f} s  {sum(vessel.ledger.values())} samples durable")
    for name, sensor in sorted(state["sensors"].items()):
        value = format_value(sensor["value"], sensor["unit"], path=sensor["path"])
        fault = "" if sensor["state"] in ("good", None) else f"  {sensor['state']}"
        alarm = f"  ALARM ({sensor['alarm']})" if sensor["alarm"] else ""
        print(f"         {name:14} {value:>12}  {vessel.ledger[name]:6}  {sensor['path']}{fault}{alarm}")
    sys.stdout.flush()


def _conclude(vessel: Vessel, database: Database, speed: float) -> int:
    """Prove that nothing is missing; the exit status."""
    (report,) = verify(database)
    kinds = Counter(document.id.partition(":")[0] for document in database.documents())
    comparisons = [
        compare(database, vessel.name, sensor, vessel.folder / RECORDING, speed) for sensor in REPLAYED
    ]
    unledgered = _not_stored(vessel, report)
    samples = sum(sensor.samples for sensor in report.sensors)
    gaps = sum(sensor.missing.spans + sensor.explained.spans for sensor in report.sensors)
    repeats = sum(sensor.repeated.spans for sensor in report.sensors)
    print("\nsummary")
    print(f"  samples taken     {samples}, of {len(report.sensors)} sensors")
    print(
        f"  documents stored  {sum(kinds.values())}: "
        + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    )
    print(f"  gaps              {gaps}")
    print(f"  repeats           {repeats}")
    told = sum(vessel.ledger.values())
    print(f"  told durable      {told}, of which in the store: {told - unledgered}")
    for found in comparisons:
        words = "equal, reading for reading" if found.is_equal else f"DIFFERS: {found.first_difference}"
        print(
            f"  recording         {found.path}: {found.stored} of {found.recorded} readings, {words}; "
            f"spacing within {found.worst_ms:.1f} ms"
        )
    good = report.is_complete and gaps == 0 and unledgered == 0 and all(c.is_equal for c in comparisons)
    print("  nothing is missing" if good else "  SOMETHING IS MISSING")
    for sensor in report.sensors:
        for fault in sensor.faults:
            print(f"  {sensor.sensor}: {fault}")
    return 0 if good else 1


def _not_stored(vessel: Vessel, report: VesselReport) -> int:
    """Samples that the recorder told were durable, and that no document holds."""
    held = Counter({sensor.sensor: sensor.samples for sensor in report.sensors})
    return sum((vessel.ledger - held).values())


def _recording() -> Path:
    return Path(str(files("sensors") / "recordings" / RECORDING))
