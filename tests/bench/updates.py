"""Measures how many bytes are sent for a small update, with and without a delta.

The proposal, the revision and both replies are counted.
"""

import asyncio
import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sync import documents
from sync.net.endpoints import URLEndpoint

from .serving import LOOK_EVERY, PATIENCE, Other, open_store, pushed, reading_id, replicator, served
from .store import BATCH, body

UPDATE_BYTES: Final = 300
CHANNELS: Final = documents.channels(documents.DocumentType.EQUIPMENT, "bench")
EQUIPMENT: Final[dict[str, object]] = {
    "type": "equipment", "vessel": "bench", "channels": CHANNELS, "sensor": "main-rpm",
    "name": "Main engine, revolutions", "path": "propulsion.main.revolutions", "unit": "Hz",
    "value": 26.4, "state": "good", "time": "2026-05-01T10:00:00.000Z", "boot": 12, "clock": 86400.25,
    "log": "abcdef", "sequence": 120_000, "alarm": None, "count": 1_234_567, "runSeconds": 43_210.5,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """Conditions under which the updates of a document are measured."""

    name: str
    deltas: bool
    rests: bool = True
    """True to wait before each update until the store has recorded that the peer has the previous revision.

    The store then keeps the previous body, so that it can make a delta.
    """
    between: int = 0
    """Number of other documents that are replicated between two updates."""
    aim: str = ""


CASES: Final = (
    Case("with delta", deltas=True, aim=f"aim <= {UPDATE_BYTES}"),
    Case("with, once a moment", deltas=True, rests=False),
    Case("without", deltas=False, rests=False),
    Case("with, others between", deltas=True, between=BATCH, aim=f"aim <= {UPDATE_BYTES}"),
    Case("without, others between", deltas=False, rests=False, between=BATCH),
)
"""Cases to measure.

If no other documents are sent between two updates, the previous update is still in the connection's
compression window.
"""


def measure(folder: Path, times: int) -> None:
    """Measure and print the number of bytes sent to replicate one changed field on an open connection."""
    size = len(json.dumps(EQUIPMENT))
    print(f"one field of a document of {size} bytes changed, bytes of WebSocket payload, median of {times}")
    for case in CASES:
        with served(folder / f"{case.name}-there.db") as other:
            sent, received, used = asyncio.run(_update(folder / f"{case.name}-here.db", other, case, times))
        print(
            f"  {case.name:24}{sent + received:5.0f}  {case.aim:10}  {sent:.0f} proposal and revision, "
            f"{received:.0f} replies; {used} of {times} as deltas",
            flush=True,
        )


async def _update(here: Path, other: Other, case: Case, times: int) -> tuple[float, float, int]:
    """Return the median bytes sent and received per update, and the number of updates sent as deltas.

    `times` updates of one field are replicated to the other process.
    """
    done = asyncio.Event()
    name, value = documents.equipment_id("bench", "main-rpm"), dict(EQUIPMENT)
    peer = URLEndpoint(other.url).peer
    remote = f"{peer.kind}:{peer.name}"
    with open_store(here) as database:
        revision, stored = database.put(name, value), 1
        running = replicator(
            database,
            other,
            lambda _: done.set(),
            pull=False,
            continuous=True,
            enable_delta_sync=case.deltas,
        )
        running.start()
        await pushed(stored, done, running)
        found = []
        for number in range(times):
            if case.rests:
                await _comes(revision, lambda: database.remote_revision(name, remote))
            with database.transaction():
                for _ in range(case.between):
                    database.put(reading_id(stored), body(stored))
                    stored += 1
            await pushed(stored, done, running)
            before = running.transferred
            value["value"] = round(26.5 + number / 10, 1)
            revision = database.put(name, value, parent=revision)
            stored += 1
            await pushed(stored, done, running)
            after = running.transferred
            found.append((after[0] - before[0], after[1] - before[1]))
        used = running.status.progress.deltas_pushed
        await running.stop()
    return statistics.median(sent for sent, _ in found), statistics.median(back for _, back in found), used


async def _comes(expected: object, found: Callable[[], object]) -> None:
    """Poll a value until it has changed as expected, because the change causes no notification."""
    for _ in range(round(PATIENCE / LOOK_EVERY)):
        if found() == expected:
            return
        await asyncio.sleep(LOOK_EVERY)
    raise TimeoutError
