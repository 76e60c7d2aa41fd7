"""Attacks on the connection limits by clients that never authenticate and by users who take all slots."""

import asyncio
import ssl
from functools import partial

from sync.net.tls_contexts import client_context

from .attacker import Begun, Facts, Target
from .intruder import Intruder, entered
from .siege import FRIENDS, GUEST, Siege, Size

HEAD = b"GET /log/_blipsync HTTP/1.1\r\nHost: boat\r\n"


async def knock(target: Target, address: str, stage: str) -> asyncio.StreamWriter | None:
    """Connect from an address, and stop at this stage of the handshake. Return None if refused."""
    tls = client_context(pinned=target.fingerprint).context if stage in ("http", "head") else None
    try:
        reader, writer = await asyncio.open_connection(
            target.host, target.port, local_addr=(address, 0), ssl=tls
        )
        if stage == "hello":
            writer.write(b"\x16\x03\x01\x02\x00\x01\x00")
        elif stage == "head":
            writer.write(HEAD)
        await writer.drain()
        async with asyncio.timeout(0.05):
            await reader.read(1)  # A refused connection is closed at once.
    except TimeoutError:
        return writer
    except (OSError, ssl.SSLError):
        return None
    writer.close()
    return None


async def loiter(target: Target, begun: Begun, *, addresses: int, each: int, seconds: float) -> Facts:
    """Keep many unauthenticated connections open from several addresses, at various stages."""
    stages = ("tcp", "hello", "http", "head")
    most = 0

    async def hold(place: int) -> int:
        address, stage = f"127.0.0.{2 + place % addresses}", stages[place // addresses % len(stages)]
        times = 0
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while loop.time() < until:
            writer = await knock(target, address, stage)
            if writer is not None:
                times += 1
                try:
                    async with asyncio.timeout(max(0.0, until - loop.time())):
                        await writer.wait_closed()
                except (TimeoutError, OSError, ssl.SSLError):
                    pass
                writer.transport.abort()
            await asyncio.sleep(0.2)
        return times

    begun()
    held = await asyncio.gather(*(hold(place) for place in range(addresses * each)))
    most = sum(1 for times in held if times)
    return {"tried": addresses * each, "held": most}


async def occupy(target: Target, begun: Begun, *, each: int) -> Facts:
    """Open as many connections as possible as several users, and then two as another vessel."""
    begun()
    intruders = []
    for number in range(each * (len(FRIENDS) + 1)):
        found = await entered(target, (*FRIENDS, GUEST)[number % (len(FRIENDS) + 1)])
        if found is not None:
            intruders.append(found)
            found.ask({"Profile": "getCheckpoint", "client": "x"})
    vessels = [found for _ in range(2) if (found := await entered(target)) is not None]
    for vessel in vessels:
        await vessel.answered(vessel.ask({"Profile": "getCheckpoint", "client": "x"}))
    remaining = [intruder for intruder in intruders if not intruder.is_over]
    return {"users": len(remaining), "vessels": sum(len(vessel.replies) for vessel in vessels)}


def test_hundred_idle_connections_from_one_address_do_not_block_new_clients(siege: Siege, size: Size) -> None:
    attack = partial(loiter, addresses=1, each=100, seconds=size.pick(3.0, 30.0))
    report = siege.under(attack, arrivals=True, least=5)
    assert 1 <= report.facts["held"] <= 100, str(report)
    report.assert_held(size)


def test_idle_connections_from_many_addresses_do_not_block_new_clients(siege: Siege, size: Size) -> None:
    attack = partial(loiter, addresses=20, each=8, seconds=size.pick(3.0, 30.0))
    report = siege.under(attack, arrivals=True, least=5)
    report.assert_held(size)


def test_users_who_occupy_their_slots_leave_slots_for_vessels_and_other_users(
    siege: Siege, size: Size
) -> None:
    report = siege.under(partial(occupy, each=size.pick(30, 100)), arrivals=True, least=5)
    assert report.facts["vessels"] == 2, str(report)
    assert 1 <= report.facts["users"] <= 60, str(report)
    report.assert_held(size)


def test_address_has_at_most_eight_unauthenticated_connections(siege: Siege) -> None:
    async def main() -> list[bool]:
        found = [await knock(siege.target, "127.0.0.9", "tcp") for _ in range(12)]
        other = await Intruder.enter(siege.target)
        other.leave()
        for writer in found:
            if writer is not None:
                writer.transport.abort()
        return [writer is not None for writer in found]

    assert asyncio.run(main()) == [True] * 8 + [False] * 4
