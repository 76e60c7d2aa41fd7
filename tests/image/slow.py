"""Slow virtual machines with one core and 512 MiB of memory, and the processor time that a boot takes.

`python -m tests.image.slow IMAGE` boots an image in a slow virtual machine, and prints the processor time
used until the first reading is durable, as a multiple of the time of `python3 -c pass` in the same guest. The
guest's clock advances with the instructions that the guest executes, so the host's load does not affect the
figures.

`python -m tests.image.slow IMAGE BUSY` boots the image at full speed while BUSY processes keep the host busy.

Both commands also print the state of the guest's systemd units.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from provisioning.image.build import native
from tests.image import card
from tests.image.guest import Guest

PATIENT_S = 5400.0
"""Time limit in seconds for any step on a slow machine."""
MEASURED = "first reading is durable"
_WATCH = f"""[Unit]
Description=Says on the second serial port when the first reading is durable
DefaultDependencies=no

[Service]
ExecStart=/bin/sh -c 'while :; do \\
  {{ read -r state < /run/logboat/recorder.json; }} 2>/dev/null; \\
  case $$state in *lastDurable*samples?:[1-9]*) break ;; esac; sleep 1; done; \\
  read -r _ user nice system _ _ irq soft _ < /proc/stat; read -r up _ < /proc/uptime; \\
  echo "{MEASURED}: $$((user + nice + system + irq + soft)) $$up" > /dev/ttyS1'
"""
PASSES = 20
NANOSECONDS = 3
"""Exponent of the time per instruction. 2^3 ns is a tenth of the speed of a Raspberry Pi Zero 2 W core."""


@contextmanager
def busy_host(processes: int = 2) -> Iterator[None]:
    """Keep this machine busy with `processes` endless loops for the duration of the block."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


@contextmanager
def slow_guest(
    image: Path, place: Path, key: Path, *, busy: int = 0, nanoseconds: int | None = None
) -> Iterator[Guest]:
    """Yield a slow virtual machine that has just been started for the first time.

    `nanoseconds` is the value of `Guest.nanoseconds`, and `busy` the number of processes on the host.
    """
    flashed = card.copy(image, place)
    public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    flashed.put({"vessel.toml": f'[vessel]\nid = "argo"\n\n[network]\nssh_keys = ["{public}"]\n'})
    # If QEMU receives little processor time, timers fire too late for the kernel's timer check.
    flashed = replace(flashed, command_line=f"{flashed.command_line} no_timer_check")
    with (
        busy_host(busy),
        Guest(
            flashed,
            place,
            key,
            architecture=native(),
            memory=512,
            nanoseconds=nanoseconds,
            serial=place / "measured",
            extra_units={"measure.service": _WATCH},
        ) as guest,
    ):
        yield guest


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor times of a boot until the first reading is durable and of `python3 -c pass`, in seconds."""

    cpu_s: float
    uptime_s: float
    """Time from the start of the kernel until the first reading is durable, in seconds."""
    pass_s: float

    def __str__(self) -> str:
        return (
            f"first durable reading after {self.uptime_s:.0f} s; processor time until then"
            f" {self.multiple:.0f} times `python3 -c pass` ({self.cpu_s:.1f} s / {self.pass_s:.3f} s)"
        )

    @property
    def multiple(self) -> float:
        """Processor time of the boot, as a multiple of that of `python3 -c pass`."""
        return self.cpu_s / self.pass_s


def first_reading(guest: Guest) -> tuple[float, float]:
    """Wait until the first reading is durable.

    Return the processor time used so far and the time since the start of the kernel, both in seconds.
    """
    assert guest.serial is not None
    serial = guest.serial

    def told() -> str:
        return serial.read_text(errors="replace") if serial.exists() else ""

    guest.wait_for(MEASURED, lambda: MEASURED in told() and told().endswith("\n"), seconds=PATIENT_S)
    ticks, up = told().rpartition(": ")[2].split()
    return int(ticks) / 100, float(up)


def wait_until_up(guest: Guest) -> None:
    """Wait until the guest has finished booting. Poll rarely, because each poll slows the guest down."""
    state = "systemctl is-system-running"
    guest.wait_for(
        "started",
        lambda: guest.run(state, seconds=300, check=False) in ("running", "degraded"),
        seconds=PATIENT_S,
        every=30.0,
    )


def cost(guest: Guest, measured: tuple[float, float]) -> Cost:
    """Stop all daemons, and measure `python3 -c pass`. The guest must not be used afterwards.

    `measured` is the result of `first_reading`.
    """
    guest.root("systemctl stop 'logboat-*.service' 'logboat-*.timer'", seconds=1200)
    loop = "i=0; while [ $i -lt {} ]; do python3 -c pass; i=$((i+1)); done; times"
    guest.run(loop.format(2), seconds=1200)
    none, some = (_children(guest.run(loop.format(passes), seconds=1200)) for passes in (0, PASSES))
    return Cost(*measured, (some - none) / PASSES)


def _children(times: str) -> float:
    """Return the processor time of a shell's child processes in seconds, from the output of `times`."""
    total = 0.0
    for word in times.splitlines()[-1].split():
        minutes, _, seconds = word.rstrip("s").partition("m")
        total += int(minutes) * 60 + float(seconds)
    return total


def main() -> int:
    """Boot an image in a slow virtual machine, and print the cost of the boot and the state of the units."""
    image, *rest = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="logboat-slow-") as folder:
        place, key = Path(folder), Path(folder, "key")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        busy, nanoseconds = (int(rest[0]), None) if rest else (0, NANOSECONDS)
        with slow_guest(Path(image), place, key, busy=busy, nanoseconds=nanoseconds) as guest:
            measured = first_reading(guest)
            print(f"first reading: processor time, seconds since the start: {measured}", flush=True)
            wait_until_up(guest)
            print(guest.run("systemctl --failed --no-legend --plain; uptime", seconds=600, check=False))
            ours = "journalctl -b --no-pager -u 'logboat-*' -o short-monotonic"
            print(guest.root(ours, seconds=600, check=False))
            print(json.dumps(units(guest), indent=1), flush=True)
            print(cost(guest, measured))
    return 0


def units(guest: Guest) -> dict[str, dict[str, str]]:
    """Return the systemd properties of Logboat's services, by unit name."""
    keys = "Id,ActiveState,Result,NRestarts,CPUUsageNSec"
    told = guest.run(f"systemctl show -p {keys} 'logboat-*.service'", seconds=300)
    found = [dict(line.split("=", 1) for line in block.splitlines()) for block in told.split("\n\n")]
    return {each.pop("Id"): each for each in found}


if __name__ == "__main__":
    sys.exit(main())
