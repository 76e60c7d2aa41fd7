"""Program that advertises one vessel and discovers others: `python -m tests.mesh.discovering argo logone …`.

The program prints each event as a JSON object on one line, and reads commands from its input. The command
`links argo,brigid` sets the advertised links, `state` prints the state, and `refresh` sends a new query.
`leave when asked` stops the program once an answer to a query is due. The program also stops when its input
ends.
"""

import argparse
import asyncio
import json
import logging
import sys
from dataclasses import asdict, replace

from sync.mesh.discovery import Discovery, QueryIntervals
from sync.mesh.sightings import Advertisement, SightingChange
from sync.net.handshake import parse_address
from sync.net.happy_eyeballs import dial
from tests.polling import until


def say(**what: object) -> None:
    """Print an event as a line of JSON."""
    print(json.dumps(what), flush=True)


class Warnings(logging.Handler):
    """Logging handler that prints each log message as a `warning` event."""

    def emit(self, record: logging.LogRecord) -> None:
        say(event="warning", text=record.getMessage())


class Tracebacks(logging.Handler):
    """Logging handler that prints exceptions in event loop callbacks as `traceback` events."""

    def emit(self, record: logging.LogRecord) -> None:
        say(event="traceback", text=f"{record.getMessage()}: {record.exc_info and record.exc_info[1]!r}")


async def main() -> None:
    """Advertise the vessel and discover others until the input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("vessel")
    parser.add_argument("log")
    parser.add_argument("--store", default="6f1f2d1c-0d2b-4a52-9f5c-0c6b3f6f0a01")
    parser.add_argument("--port", type=int, default=4984)
    parser.add_argument("--interface", action="append")
    parser.add_argument("--dial", action="store_true", help="connect to every address of whom is found")
    parser.add_argument("--pace", type=float, nargs=4, default=(0.5, 1.5, 2.5, 120.0))
    args = parser.parse_args()
    logging.getLogger("sync").addHandler(Warnings())
    logging.getLogger("asyncio").addHandler(Tracebacks())

    server = await asyncio.start_server(lambda _, writer: writer.close(), None, args.port)
    dialling: set[asyncio.Task[None]] = set()

    async def connect(url: str) -> None:
        uri, host = parse_address(url)
        (await dial(host, uri.port)).close()
        say(event="dialled", url=url)

    def changed(changes: list[SightingChange]) -> None:
        for change in changes:
            say(event=change.kind.value, **asdict(change.sighting))
            for address in change.sighting.addresses if args.dial else ():
                dialling.add(asyncio.create_task(connect(change.sighting.url(address))))

    advertisement = Advertisement(
        vessel=args.vessel, log=args.log, fleet="isles", db="log", store=args.store, port=args.port
    )
    discovery = Discovery(
        advertisement,
        interfaces=args.interface or ["*"],
        on_change=changed,
        on_name_taken=lambda name: say(event="taken", name=name),
        pace=QueryIntervals(*args.pace),
    )
    await discovery.start()
    say(event="started", problem=discovery.problem)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        match line.split():
            case ["links", names]:
                advertisement = replace(advertisement, links=tuple(names.split(",")))
                await discovery.advertise(advertisement)
            case ["refresh"]:
                discovery.refresh()
            case ["state"]:
                seen = sorted(sighting.instance for sighting in discovery.sightings)
                say(event="state", instance=discovery.instance, problem=discovery.problem, seen=seen)
            case ["leave", "when", "asked"]:
                assert discovery._zeroconf is not None
                await until(discovery._zeroconf.zeroconf.out_queue.queue.__len__, "no answer is due")
                break
    await discovery.stop()
    server.close()
    await asyncio.gather(*dialling)


if __name__ == "__main__":
    asyncio.run(main())
