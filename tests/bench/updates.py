"""Bytes on the wire for a small update: proposal, revision and both replies, with and without a delta."""

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
    """Conditions under which a document is updated."""

    name: str
    deltas: bool
    rests: bool = True
    """True to update the document only when the store has recorded that the peer has the previous revision.

    Deltas can then be made, because the store keeps the previous body.
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

Without other documents in between, the deflate context of the connection still contains the previous update.
"""


def measure(folder: Path, times: int) -> None:
    """Print the number of bytes that replicating one changed field takes on an open connection."""
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
    """Return the median bytes sent and received per update, and the number of updates sent as deltas."""
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
    """Wait for a value by polling, because its change causes no notification."""
    for _ in range(round(PATIENCE / LOOK_EVERY)):
        if found() == expected:
            return
        await asyncio.sleep(LOOK_EVERY)
    raise TimeoutError
