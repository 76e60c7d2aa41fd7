"""Well-formed but wrong messages from a peer cause no fault, at any stage of a session and in either role.

Each of the following is a fault:

- an exception that the peer under test does not handle
- a session that ends without a stated reason
- a damaged store
- a document that changes although no message mentioned it
- memory that grows with each session
"""

import gc
import os
import random
import time
import weakref
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from sync.peer.selection import Selection
from sync.peer.session import Session
from sync.store import Database
from sync.store.errors import DocumentError
from tests.bench.recorder import resident_kib
from tests.peer.rig import Clock, open_database
from tests.peer.script import Script, active, assert_sound, begun, passive

from .attacker import Begun, Facts, Target
from .intruder import Intruder
from .siege import CREW, Siege, Size
from .stranger import SPARED, Stranger

MOVES = 400
"""Maximum number of messages that the hostile peer sends in a session."""
GROWTH_MIB = 24.0
"""Limit for the growth of resident memory, in MiB, which allows for measurement noise."""
KEPT = {f"{SPARED}{number}": {"n": number, "channels": ["crew"]} for number in range(5)}
NAMES = [f"shared-{number}" for number in range(20)]


def _readable() -> Selection:
    return Selection(within=frozenset({"notes"}))


ROLES: dict[str, Callable[[Database, Clock], Script]] = {
    "passive": lambda database, clock: passive(database, clock=clock),
    "passive, to a reader of notes": lambda database, clock: passive(
        database, clock=clock, readable=_readable(), owner="user:mate"
    ),
    "active": lambda database, clock: begun(database, clock=clock, continuous=True),
    "active, to a gateway": lambda database, clock: active(
        database, clock=clock, continuous=True, is_gateway=True
    ),
    "active, once": lambda database, clock: active(database, clock=clock),
}


@dataclass
class Outcome:
    """Combined results of several sessions with a hostile peer."""

    sessions: int = 0
    moves: int = 0
    said: Counter[str] = field(default_factory=Counter)
    heard: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    """Number of sessions that ended early, by the first words of the reason."""
    taken: int = 0
    """Number of documents in the stores at the end that the hostile peer may mention."""
    resident_mib: list[float] = field(default_factory=list)
    held: weakref.WeakSet[Session] = field(default_factory=weakref.WeakSet)
    """Ended sessions that are still referenced and therefore use memory."""

    def __str__(self) -> str:
        depth, first, last = self.moves / max(1, self.sessions), self.resident_mib[0], self.resident_mib[-1]
        return (
            f"{self.sessions} sessions of {depth:.0f} moves on average; "
            f"{sum(self.said.values())} messages there, {sum(self.heard.values())} back; "
            f"{self.taken} documents taken; ended early: {dict(self.ends.most_common(6))}; "
            f"resident {first:.0f} to {last:.0f} MiB"
        )


def edit(database: Database, rng: random.Random) -> None:
    """Change a document in the store under test, as an application would."""
    name = rng.choice(NAMES)
    found = database.get(name)
    parent = None if found is None or found.deleted else found.rev
    body = {"n": rng.randrange(99), "channels": [rng.choice(["notes", "crew"])]}
    with suppress(DocumentError):  # the hostile peer may have used the highest generation
        database.put(name, body, parent=parent)


def converse(
    make: Callable[[Database, Clock], Script], database: Database, seed: int, outcome: Outcome
) -> None:
    """Run one session with a hostile peer, and add the results to `outcome`.

    Exceptions that the peer under test does not handle are raised.
    """
    rng, clock = random.Random(seed), Clock()
    script = make(database, clock)
    stranger = Stranger(rng, NAMES, script.connection)
    for event in script.requests:
        stranger.hear(event)
    script.requests.clear()
    script._happened = stranger.hear  # type: ignore[method-assign]
    for _ in range(MOVES):
        if script.is_over:
            break
        outcome.moves += 1
        stranger.move()
        if rng.random() < 0.5:
            script.pump()
        if rng.random() < 0.1:
            clock.now += rng.choice([0.01, 1.0, 10.0, 400.0])
            script.pump()
        if rng.random() < 0.05:
            edit(database, rng)
            script.peer.wake()
    script.pump()
    session = script.peer.session
    outcome.held.add(session)
    if script.is_over and session.problem is not None:
        assert session.problem.text
        outcome.ends[f"{session.problem.domain.name} {session.problem.code} {session.problem.text[:40]}"] += 1
    outcome.said += stranger.said
    outcome.heard += stranger.heard
    session.end()
    outcome.sessions += 1


def fuzz(role: str, seed: int, goes_on: Callable[[Outcome], bool]) -> Outcome:
    """Run sessions with a hostile peer, three on each store, as long as `goes_on` returns True."""
    outcome = Outcome()
    while goes_on(outcome):
        with TemporaryDirectory() as folder, open_database(Path(folder) / "store.db") as database:
            for name, body in KEPT.items():
                database.put(name, body)
            for name in NAMES:
                database.put(name, {"n": 0, "channels": ["notes"]})
            database.blobs.put(b"")
            before = [database.get(name) for name in KEPT]
            first = seed
            try:
                for _ in range(3):
                    converse(ROLES[role], database, seed, outcome)
                    seed += 1
                assert [database.get(name) for name in KEPT] == before
                assert_sound(database)
            except BaseException as error:
                error.add_note(f"role {role!r}, sessions of the seeds {first} to {seed}")
                raise
            outcome.taken += database.count("") - len(KEPT)
        gc.collect()
        assert not outcome.held, (
            f"role {role!r}, seed {seed}: {len(outcome.held)} sessions are held in memory"
        )
        outcome.resident_mib.append(resident_kib(os.getpid())[0] / 1024)
    return outcome


@pytest.mark.parametrize("role", ROLES)
def test_wrong_messages_deep_in_a_session_cause_no_fault(role: str) -> None:
    outcome = fuzz(
        role, int(os.environ.get("LOGBOAT_SEED", "1")) * 1000, lambda outcome: outcome.sessions < 6
    )
    print(outcome)
    assert outcome.moves > 6 * MOVES / 4, f"its sessions are not deep: {outcome}"
    assert outcome.said["rev"] > 100


@pytest.mark.torture
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("role", ROLES)
def test_half_an_hour_of_wrong_messages_causes_no_fault_and_no_memory_growth(role: str) -> None:
    """The environment variable LOGBOAT_FUZZ_S overrides the total duration for all roles, in seconds."""
    seconds = float(os.environ.get("LOGBOAT_FUZZ_S", "1800")) / len(ROLES)
    end = time.monotonic() + seconds
    outcome = fuzz(role, random.randrange(10**9), lambda _: time.monotonic() < end)
    print(f"\n{role}: {outcome}")
    settled = outcome.resident_mib[len(outcome.resident_mib) // 4]
    assert outcome.resident_mib[-1] - settled < GROWTH_MIB, str(outcome)


# Over the network, with the real daemon


async def talk(target: Target, begun: Begun, *, who: str, seconds: float, seed: int) -> Facts:
    """Send wrong messages to the sync daemon in one session after another."""
    rng, said, sessions = random.Random(seed), 0, 0
    begun()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        intruder = await Intruder.enter(target, who)
        stranger = Stranger(rng, [f"note:argo:{number:026}" for number in range(9)])
        intruder.speaks(stranger.connection, stranger.hear)
        sessions += 1
        for _ in range(MOVES):
            if intruder.is_over or time.monotonic() > end:
                break
            stranger.move()
            await intruder.spoken()
        said += sum(stranger.said.values())
        intruder.leave()
    return {"messages": said, "sessions": sessions}


def test_wrong_messages_to_the_daemon_do_not_disturb_other_clients(siege: Siege, size: Size) -> None:
    report = siege.under(partial(talk, who=CREW, seconds=size.pick(4.0, 300.0), seed=7))
    assert report.facts["messages"] > 100, str(report)
    report.assert_held(size)
