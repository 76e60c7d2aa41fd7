"""Attacks with long `proposeChanges` messages. They are rejected, or processed in short steps.

Between the steps, the sync daemon serves other clients.
"""

import asyncio
import json
from functools import partial

from sync.blip.frames import MORE_COMING, FrameKind
from tests.blip.wire import content

from .attacker import Begun, Facts, Target
from .intruder import Intruder
from .siege import CREW, GUEST, Siege, Size


def proposals(count: int, number: int = 0) -> bytes:
    """Return the body of a `proposeChanges` message for `count` unknown documents."""
    return json.dumps([[f"d{number:04d}{item:08d}", "1-abc"] for item in range(count)]).encode()


async def propose(
    target: Target, begun: Begun, *, connections: int, lists: int, items: int, who: str = CREW
) -> Facts:
    """Send many `proposeChanges` messages at once, on several connections."""
    bodies = [proposals(items, number) for number in range(lists)]
    intruders = [await Intruder.enter(target, who) for _ in range(connections)]
    begun()

    async def send(intruder: Intruder) -> int:
        for body in bodies:
            message = content(body, {"Profile": "proposeChanges"})
            intruder.asked += 1
            for start in range(0, len(message), 48_000):
                more = MORE_COMING if start + 48_000 < len(message) else 0
                piece = message[start : start + 48_000]
                intruder.write(intruder.maker.frame(intruder.asked, piece, flags=more))
            await intruder.drained()
        for number in range(1, lists + 1):
            await intruder.answered(number)
        return sum(kind is FrameKind.RESPONSE for kind in intruder.replies.values())

    taken = await asyncio.gather(*map(send, intruders))
    return {"lists": connections * lists, "taken": sum(taken)}


def test_lists_of_ten_thousand_proposals_are_refused(siege: Siege, size: Size) -> None:
    report = siege.under(partial(propose, connections=1, lists=60, items=10_000))
    assert report.facts == {"lists": 60, "taken": 0}
    report.assert_held(size)


def test_longest_accepted_lists_do_not_disturb_other_clients(siege: Siege, size: Size) -> None:
    report = siege.under(
        partial(propose, connections=size.pick(2, 10), lists=size.pick(10, 60), items=1_000), least=50
    )
    assert report.facts["taken"] > 0, str(report)
    report.assert_held(size)


def test_proposals_from_a_guest_are_refused(siege: Siege, size: Size) -> None:
    report = siege.under(partial(propose, connections=2, lists=30, items=1_000, who=GUEST))
    assert report.facts["taken"] == 0, str(report)
    report.assert_held(size)
