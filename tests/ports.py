"""Ports for servers in tests. Each pytest worker has its own range, which outgoing connections do not use."""

import functools
import os
import re
from collections.abc import Iterator
from typing import Final

from services.demo.ports import fixed_ports, free_ports

_WORKERS: Final = 16
"""Number of workers with a range of their own. Further workers share ranges, and may find a port in use."""


@functools.cache
def _ports() -> Iterator[int]:
    number = re.search(r"\d+", os.environ.get("PYTEST_XDIST_WORKER", ""))
    ports = fixed_ports()
    size = len(ports) // _WORKERS
    place = int(number[0]) % _WORKERS if number else _WORKERS - 1
    # Concurrent test runs on one machine begin at different ports. A port is reused only after all others.
    return _endlessly(ports[place * size : (place + 1) * size], first=os.getpid())


def _endlessly(ports: range, *, first: int) -> Iterator[int]:
    while True:
        count = 0
        for port in free_ports(ports, first=first):
            count += 1
            yield port
        if not count:
            raise RuntimeError(f"all ports from {ports.start} to {ports.stop - 1} are taken")


def free_port() -> int:
    """Return a port of this worker that has no listener and was not returned recently."""
    return next(_ports())
