"""The command `logboat demo`: prepares a fleet, runs it, and verifies the result."""

import signal
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final

from provisioning.errors import ProvisioningError
from services.console.output import say, tell
from sync.folders import OWN, make_folder
from sync.store import StoreError

from . import fleet, proof, summary, vessel_sensors
from .fleet import SHORE, Fleet
from .proof import ExpectedSamples
from .scenario import SPARE_S, Scenario, ScenarioEvents
from .shore import Shore
from .vessel import COMMAND, DemoError

LONGEST_S: Final = 86_400.0
"""Maximum duration of the demo in seconds, limited because the ledgers are held in memory."""


def run(args: Namespace) -> int:
    """Run `logboat demo`. Return 0 if no data was lost, 1 if data was lost, or 2 for a usage error."""
    seconds, vessels, kept = float(args.for_seconds), int(args.vessels), args.stay or args.keep
    wrong = None
    if args.stay is None and not 2 * SPARE_S <= seconds <= LONGEST_S:
        wrong = f"--for {seconds:g}: must be from {2 * SPARE_S:g} s to one day"
    elif not 1 <= vessels <= len(fleet.NAMES):
        wrong = f"--vessels {vessels}: must be from 1 to {len(fleet.NAMES)}"
    elif args.stay is not None and args.keep is not None:
        wrong = "--stay also keeps all files: omit --keep"
    elif kept is not None and (there := fleet.leftover_path(kept)) is not None:
        wrong = f"{there} exists: choose another folder, or delete what an earlier demo left in {kept}"
    if wrong is not None:
        say(f"logboat demo: {wrong}")
        return 2
    try:
        with _ending_cleanly():
            if kept is not None:
                make_folder(kept, OWN)
            if args.stay is not None:
                return _stay(args.stay.resolve(), vessels)
            if kept is not None:
                return _demo(kept.resolve(), vessels, seconds)
            with tempfile.TemporaryDirectory(prefix="logboat-") as folder:
                return _demo(Path(folder), vessels, seconds)
    except (DemoError, ProvisioningError, StoreError) as error:
        say(f"logboat demo: {error}")
        return 1


def _demo(folder: Path, vessels: int, seconds: float) -> int:
    speed = round(vessel_sensors.length_s() / (seconds - SPARE_S), 3)
    demo = fleet.make(folder, vessels=vessels, speed=speed, now=datetime.now(UTC))
    shore = None if demo.is_alone else Shore(folder / SHORE, demo.linked_ashore.name)
    tell(_greeting(demo, seconds))
    try:
        voyage = Scenario(demo, seconds, shore).run()
    finally:
        demo.kill()
        if shore is not None:
            shore.kill()
    return conclude(demo, voyage)


def _stay(folder: Path, vessels: int) -> int:
    """Run a fleet with which the user can experiment, until interrupted."""
    demo = fleet.make(folder, vessels=vessels, speed=1.0, now=datetime.now(UTC), repeat=True)
    shore = None if demo.is_alone else Shore(folder / SHORE, demo.linked_ashore.name, listens=False)
    for each in demo:
        each.write_command()
    names = ", ".join(each.name for each in demo)
    tell(
        f"{names} keep running until Ctrl-C. In another terminal, on any of them:\n"
        f"  {demo.first.folder / COMMAND} top       or status, sensors, peers, doctor, lights explain, …\n"
        f"Processes that stop are restarted. Their output is in {folder}."
    )
    try:
        Scenario(demo, 0.0, shore).stay()
    except KeyboardInterrupt:
        pass
    finally:
        demo.kill()
        if shore is not None:
            shore.kill()
    tell(f"all processes have stopped; the stores and the output remain in {folder}")
    return 0


def conclude(demo: Fleet, voyage: ScenarioEvents) -> int:
    """Check, after all processes have stopped, that no data is missing from the stores, and print the result.

    Return the exit status. Raise StoreError if a store cannot be read.
    """
    recorded = [
        ExpectedSamples(
            vessel.name,
            vessel.sensors,
            vessel.ledger(),
            recording=vessel.folder / vessel_sensors.RECORDING if vessel is demo.first else None,
            speed=demo.speed,
        )
        for vessel in demo
    ]
    stores = []
    for vessel in demo:
        with vessel.reading() as database:
            stores.append(proof.examine(database, vessel.name, recorded))
    result = summary.summarise(recorded, stores, voyage, name=demo.name)
    tell("\n".join(result.lines))
    return 0 if result.is_good else 1


def _greeting(demo: Fleet, seconds: float) -> str:
    who = ", ".join(vessel.title for vessel in demo)
    lines = [
        f"{who}: {len(vessel_sensors.SIMULATED)} simulated sensors each, recorded for {seconds:g} s.",
        (
            f"{demo.first.title} also records {vessel_sensors.length_s() / 60:.0f} minutes of real yacht "
            f"data, replayed {demo.speed:.1f} times as fast."
        ),
    ]
    if not demo.is_alone:
        lines.append(
            f"The vessels form fleet {demo.name}, and communicate only on this machine's loopback interface."
        )
    return "\n".join(lines)


@contextmanager
def _ending_cleanly() -> Iterator[None]:
    """Treat SIGTERM and SIGHUP like Ctrl-C, so that the demo's processes are killed and its files removed."""
    numbers = (signal.SIGTERM, signal.SIGHUP)

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
