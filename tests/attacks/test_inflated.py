"""Attacks with small compressed messages that inflate to very large ones. They are rejected early."""

import asyncio
from functools import partial

from sync.blip.frames import FrameKind

from .attacker import Begun, Facts, Target
from .intruder import Intruder
from .siege import CREW, Siege, Size

NOTE = "note:argo:01J0000000000000000000000"


async def empty_objects(target: Target, begun: Begun, *, connections: int, each: int, count: int) -> Facts:
    """Send revisions of a few kilobytes, each of which inflates to `count` empty JSON objects."""
    body = b'{"type":"note","vessel":"argo","channels":["notes"],"a":[' + b",".join([b"{}"] * count) + b"]}"
    intruders = [await Intruder.enter(target, CREW) for _ in range(connections)]
    begun()

    async def send(intruder: Intruder, number: int) -> bool:
        for again in range(each):
            properties = {"Profile": "rev", "id": f"{NOTE}{number * each + again:01}", "rev": "1-abc"}
            await intruder.answered(intruder.ask(properties, body, compressed=True))
        return intruder.is_over or FrameKind.RESPONSE not in intruder.replies.values()

    refused = await asyncio.gather(*(send(intruder, number) for number, intruder in enumerate(intruders)))
    return {"refused": sum(refused), "connections": connections}


def test_millions_of_empty_objects_are_refused(siege: Siege, size: Size) -> None:
    report = siege.under(partial(empty_objects, connections=size.pick(1, 6), each=2, count=4_000_000))
    assert report.facts["refused"] == report.facts["connections"], str(report)
    report.assert_held(size)


async def long_messages(target: Target, begun: Begun, *, connections: int, each: int) -> Facts:
    """Send messages that inflate to more than the size limit, and then one message of a valid size.

    This happens on several connections in parallel.
    """
    body = bytes(12_000_000)
    intruders = [await Intruder.enter(target, CREW) for _ in range(connections)]
    begun()

    async def send(intruder: Intruder) -> int:
        for number in range(each):
            profile = ("rev", "setCheckpoint", "changes", "nonsense")[number % 4]
            properties = {"Profile": profile, "id": NOTE + "0", "rev": "1-abc", "client": "x"}
            await intruder.answered(intruder.ask(properties, body, compressed=True))
        await intruder.answered(intruder.ask({"Profile": "getCheckpoint", "client": "x"}))
        return sum(b"\x00413" in reply for reply in intruder.bodies.values())

    refused = await asyncio.gather(*map(send, intruders))
    return {"refused": sum(refused), "of": connections * each, "over": sum(i.is_over for i in intruders)}


def test_message_over_the_size_limit_is_refused_and_the_connection_continues(
    siege: Siege, size: Size
) -> None:
    report = siege.under(partial(long_messages, connections=size.pick(2, 12), each=size.pick(4, 40)))
    assert report.facts["refused"] == report.facts["of"], str(report)
    assert not report.facts["over"], str(report)
    report.assert_held(size)
