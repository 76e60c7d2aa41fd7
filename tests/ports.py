"""Ports for what tests start: each worker of a run has its own, and no outgoing connection gets one."""

import functools
import os
import re
from collections.abc import Iterator
from typing import Final

from services.demo.ports import fixed_ports, free_ports

_WORKERS: Final = 16
"""More workers than this share ports, and rely on finding different ones free."""


@functools.cache
def _ports() -> Iterator[int]:
    number = re.search(r"\d+", os.environ.get("PYTEST_XDIST_WORKER", ""))
    ports = fixed_ports()
    size = len(ports) // _WORKERS
    place = int(number[0]) % _WORKERS if number else _WORKERS - 1
    # Runs beside one another on a machine begin at different places; a port is given again after all others.
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
    """Return a port of this worker's on which nobody listens; not one that was returned lately."""
    return next(_ports())
