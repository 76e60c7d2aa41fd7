"""Program that runs in a virtual machine, and drives or samples a line of a simulated GPIO chip."""

import os
import sys
import time
from pathlib import Path


def pulses(path: str, count: int, hertz: float) -> float:
    """Generate `count` evenly spaced pulses on a line, and return the actual rate in pulses per second."""
    line = os.open(path, os.O_WRONLY)
    begun = time.monotonic()
    for number in range(count):
        for level, phase in ((b"pull-up", 0.0), (b"pull-down", 0.5)):
            wait = begun + (number + phase) / hertz - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            os.pwrite(line, level, 0)
    return count / (time.monotonic() - begun)


def hold(path: str, pull: str, hertz: float) -> None:
    """Set a line's pull resistor `hertz` times per second, until the program is stopped."""
    line = os.open(path, os.O_WRONLY)
    while True:
        os.pwrite(line, pull.encode(), 0)
        time.sleep(1 / hertz)


def look(path: str, count: int, hertz: float) -> str:
    """Sample the level of a line `count` times, and return `#` for each high and `.` for each low level."""
    seen = ""
    for _ in range(count):
        seen += "#" if Path(path).read_bytes().startswith(b"1") else "."
        time.sleep(1 / hertz)
    return seen


if __name__ == "__main__":
    if sys.argv[2].startswith("pull-"):
        hold(sys.argv[1], sys.argv[2], float(sys.argv[3]))
    do = pulses if sys.argv[1].endswith("/pull") else look
    print(do(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
