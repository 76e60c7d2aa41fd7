"""Runs inside a guest: pulses on a line of a simulated chip. Prints how many a second it came to."""

import os
import sys
import time


def main(path: str, count: int, hertz: float) -> float:
    """`count` pulses, up and down, as even as this machine can."""
    line = os.open(path, os.O_WRONLY)
    begun = time.monotonic()
    for number in range(count):
        for level, phase in ((b"pull-up", 0.0), (b"pull-down", 0.5)):
            wait = begun + (number + phase) / hertz - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            os.pwrite(line, level, 0)
    return count / (time.monotonic() - begun)


if __name__ == "__main__":
    print(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
