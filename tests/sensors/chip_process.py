"""A Logboat daemon as a process on a simulated GPIO header: `python -m tests.sensors.chip_process record …`.

The header is a folder beside the run directory, which the processes of a vessel share with the test. Its file
`levels` contains a byte for each line, which keeps its level when the process that drove it is killed. The
file `wires` contains the levels that the test applies. Each daemon has a FIFO, which passes each change of a
wire to it.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sensors.gpio.context import GpioContext
from sensors.gpio.pinfactory import GpiodFactory
from tests.sensors.gpio import Kernel, Machine, not_a_pi

LINES: Final = 54
DAEMONS: Final = ("record", "lights")
"""Commands of the daemons that watch lines of the header."""
_OPEN: Final = 255
"""Byte for a wire that is not connected."""


class SharedHeader:
    """The simulated header of a vessel, as the test sees it."""

    def __init__(self, vessel: Path) -> None:
        """Create the header of the vessel whose run directory is `vessel`/run."""
        self.folder = vessel / "header"
        self.folder.mkdir()
        (self.folder / "levels").write_bytes(bytes(LINES))
        (self.folder / "wires").write_bytes(bytes([_OPEN]) * LINES)
        for daemon in DAEMONS:
            os.mkfifo(self.folder / f"edges-{daemon}")

    def drive(self, pin: int, level: bool) -> None:
        """Set the level of the wire at a pin."""
        _write(self.folder / "wires", pin, level)
        for daemon in DAEMONS:
            with contextlib.suppress(OSError):  # the daemon is not running
                edges = os.open(self.folder / f"edges-{daemon}", os.O_WRONLY | os.O_NONBLOCK)
                try:
                    os.write(edges, bytes([pin, level]))
                finally:
                    os.close(edges)

    def level(self, pin: int) -> bool:
        """Return the level to which a daemon has driven a pin."""
        return (self.folder / "levels").read_bytes()[pin] == 1


class RunningKernel(Kernel):
    """Kernel whose time is that of the machine."""

    def __init__(self) -> None:
        self.offset_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()

    @property
    def now_ns(self) -> int:  # type: ignore[override]
        """The time of the monotonic clock, in nanoseconds."""
        return time.monotonic_ns()

    def call_at(self, at_ns: int, what: Callable[[], None]) -> None:
        timer = threading.Timer(max(at_ns - self.now_ns, 0) / 1e9, what)
        timer.daemon = True
        timer.start()


class _Levels(list[bool]):
    """The levels to which a line was driven. The last one is also in the file."""

    def __init__(self, file: Path, pin: int) -> None:
        super().__init__()
        self._file, self._pin = file, pin

    def append(self, level: bool) -> None:
        super().append(level)
        _write(self._file, self._pin, level)


def simulate(folder: Path) -> tuple[Machine, Callable[[], GpiodFactory]]:
    """Return a machine whose chip is the header in `folder`, and a function that opens the header."""
    machine = Machine(folder)
    machine.kernel = RunningKernel()
    chip = machine.chip("pinctrl-bcm2711", lines=LINES)
    wires = (folder / "wires").read_bytes()
    for line in chip.lines:
        line.writes = _Levels(folder / "levels", line.offset)
        if wires[line.offset] != _OPEN:
            line.drive(wires[line.offset] == 1)
    return machine, lambda: GpiodFactory(opener=machine.opener, devices=folder, revision=not_a_pi)


def follow(machine: Machine, edges: Path) -> None:
    """Apply each change of a wire. Never return."""
    (chip,) = machine.chips.values()
    with os.fdopen(os.open(edges, os.O_RDWR), "rb", buffering=0) as changes:  # never at its end
        while change := changes.read(2):
            chip.lines[change[0]].drive(change[1] == 1)


def _write(file: Path, place: int, level: bool) -> None:
    with file.open("r+b", buffering=0) as opened:
        os.pwrite(opened.fileno(), bytes([level]), place)


def main(arguments: list[str]) -> int:
    """Run a command of Logboat on the simulated header, and return its exit status."""
    from services.cli.main import main as run

    folder = Path(arguments[arguments.index("--run") + 1]).parent / "header"
    machine, opened = simulate(folder)
    defaults = GpioContext.__init__.__kwdefaults__
    assert defaults is not None
    defaults["make_factory"] = opened
    if arguments[0] in DAEMONS and arguments[1].startswith("--"):
        edges = folder / f"edges-{arguments[0]}"
        threading.Thread(target=follow, args=(machine, edges), daemon=True).start()
    if arguments[0] == "record":
        arguments = [*arguments, "--identity", str(folder.parent / "identity")]
    else:
        from services.lights import daemon

        daemon._factory = opened
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
