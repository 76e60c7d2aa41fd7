"""Attacks on memory with unfinished messages, unread replies and many connections.

The sync daemon stays below its memory limit.
"""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from sync import documents
from sync.blip.frames import MORE_COMING
from sync.store import Database
from tests.blip.wire import content

from .attacker import Begun, Facts, Target
from .intruder import Intruder, entered
from .siege import CREW, FRIENDS, GUEST, Siege, Size, besieged

LONG_ID = documents.alarm_id("argo", "flap", "abcdef", 1)
ALARM = {"type": "alarm", "channels": ["alarms"], "text": "x" * 250_000}


async def unfinished(
    target: Target, begun: Begun, *, connections: int, messages: int, size: int, who: str = GUEST
) -> Facts:
    """Send the beginnings of many messages on each of many connections."""
    intruders = [found for _ in range(connections) if (found := await entered(target, who))]
    begun()

    async def send(intruder: Intruder) -> None:
        pieces = [
            content(bytes(48_000), {"Profile": "rev", "id": "x", "rev": "1-a"}),
            *[bytes(48_000)] * (size // 48_000),
        ]
        for piece in pieces:
            for number in range(1, messages + 1):
                intruder.write(intruder.maker.frame(number, piece, flags=MORE_COMING))
                await intruder.drained()
                if intruder.is_over:
                    return

    await asyncio.gather(*map(send, intruders))
    return {"entered": len(intruders), "over": sum(intruder.is_over for intruder in intruders)}


async def unread(target: Target, begun: Begun, *, connections: int, each: int) -> Facts:
    """Request documents on many connections, and never read the replies."""
    intruders = [found for _ in range(connections) if (found := await entered(target, GUEST))]
    stranger = await Intruder.enter(target, CREW)
    await stranger.answered(stranger.ask({"Profile": "getRev", "id": LONG_ID}))
    longest = len(stranger.bodies[1])
    begun()
    for intruder in [found for found in intruders if not found.is_over]:  # sixteen at most for one user
        for _ in range(each):
            intruder.ask({"Profile": "getRev", "id": LONG_ID})
        intruder.deaf()
    await asyncio.gather(*(intruder.drained() for intruder in intruders))
    for _ in range(20):  # After these replies, the daemon has processed all earlier requests.
        await stranger.answered(stranger.ask({"Profile": "getRev", "id": LONG_ID}))
    return {"entered": len(intruders), "longest": longest}


async def crowd(target: Target, begun: Begun, *, connections: int) -> Facts:
    """Open many connections as another vessel and as several users, until no slots remain."""
    begun()
    names = [None, *FRIENDS, GUEST]
    intruders: list[Intruder] = []
    for number in range(connections):
        found = await entered(target, names[number % len(names)])
        if found is not None:
            intruders.append(found)
            found.ask({"Profile": "getCheckpoint", "client": "x"}, b"", compressed=True)
            found.ask({"Profile": "proposeChanges"}, b'[["a","1-a"],["b","1-b"]]', compressed=True)
    for intruder in intruders:
        await intruder.answered(2)
    return {"entered": len(intruders), "over": sum(intruder.is_over for intruder in intruders)}


def with_long_alarm(data: Path) -> None:
    """Store an alarm of 250 kB that a guest may read."""
    data.mkdir(parents=True)
    with Database.open(data / "log.db", policy=documents.POLICY) as database:
        database.put(LONG_ID, ALARM)


@pytest.mark.parametrize("who", [GUEST, CREW])
def test_unfinished_messages_do_not_exhaust_memory(siege: Siege, size: Size, who: str) -> None:
    attack = partial(unfinished, connections=12, messages=20, size=size.pick(400_000, 8_000_000), who=who)
    report = siege.under(attack)
    report.assert_held(size)


def test_unread_replies_do_not_exhaust_memory(tmp_path: Path, size: Size) -> None:
    with besieged(tmp_path, prepare=with_long_alarm) as siege:
        report = siege.under(partial(unread, connections=size.pick(12, 60), each=70))
        assert report.facts["longest"] > 250_000, str(report)
        report.assert_held(size)


def test_many_connections_do_not_exhaust_memory(siege: Siege, size: Size) -> None:
    report = siege.under(partial(crowd, connections=size.pick(60, 150)))
    report.assert_held(size)


def test_memory_is_released_after_an_attack(siege: Siege, size: Size) -> None:
    peace = siege.under(partial(crowd, connections=1))
    report = siege.under(partial(unfinished, connections=12, messages=20, size=2_000_000, who=CREW))
    report.assert_held(size)
    assert report.left_mib <= peace.left_mib + 12, f"{peace.left_mib:.0f} MiB before; {report}"
