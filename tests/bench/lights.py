"""Measures processor time and memory of an idle `logboat lights` beside a recorder with 50 sensors.

The daemon drives five LEDs on gpiozero's mock pins. In all other respects it runs as on an appliance. If
systemd is running, the daemon also queries systemd's failed units.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from services.state import state_file

from .recorder import SENSORS, configure, cpu_seconds, resident_kib

DAEMON = """
import sys
from gpiozero.pins.mock import MockFactory
from services.lights import daemon
daemon._factory = MockFactory
from services.cli.main import main
sys.exit(main(["lights", *sys.argv[1:]]))
"""
SETTLED_S = 8.0
"""Time in seconds after which the lamp test has ended and the recorder has committed samples."""


def with_children(pid: int) -> float:
    """Return the processor time of a process and its ended children in seconds (proc(5), fields 14 to 17)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


OUTPUTS = """
[[output]]
id = "siren"
pin = 23
on = ["alarm", "emergency"]
when_silent = true

[[output]]
id = "lamp"
pin = 24
on = ["warn"]
pattern = "3 flashes"
neighbours = true
"""


def main(seconds: float = 30.0) -> None:
    """Measure for `seconds` without outputs and with them, and print the results."""
    print(f"lights, beside a recorder of {SENSORS} sensors at 1 Hz, {seconds:g} s")
    for what, outputs in (("without outputs", ""), ("with 2 outputs", OUTPUTS)):
        with tempfile.TemporaryDirectory() as work:
            measure(Path(work), what, outputs, seconds)


def measure(folder: Path, what: str, outputs: str, seconds: float) -> None:
    """Run a recorder and a lights daemon with these outputs for `seconds`, and print the result."""
    configure(folder, 1.0)
    with (folder / "sensors.toml").open("a") as file:
        file.write(outputs)
    places = ["--config", str(folder / "logboat.toml"), "--sensors", str(folder / "sensors.toml")]
    places += ["--data", str(folder / "data"), "--run", str(folder / "run")]
    quiet = subprocess.DEVNULL
    recorder = subprocess.Popen([sys.executable, "-m", "services", "record", *places], stderr=quiet)
    lights = subprocess.Popen([sys.executable, "-c", DAEMON, *places], stderr=quiet)
    try:
        time.sleep(SETTLED_S)
        before, began = (cpu_seconds(lights.pid), with_children(lights.pid)), time.monotonic()
        time.sleep(seconds)
        elapsed = time.monotonic() - began
        own = cpu_seconds(lights.pid) - before[0]
        both = with_children(lights.pid) - before[1]
        now_kib, most_kib = resident_kib(lights.pid)
        shown = state_file.read(state_file.path(folder / "run", "lights"))
        assert shown is not None
        assert shown["whyDark"] is None, shown
        assert shown["lights"]["record"]["means"].startswith("recording"), shown
        assert all(output["fault"] is None for output in shown.get("outputs", ())), shown
    finally:
        for process in (lights, recorder):
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
    print(
        f"  {what:<16} {100 * own / elapsed:5.2f} % of a core, {100 * (both - own) / elapsed:.2f} % more in "
        f"systemctl; {now_kib / 1024:.1f} MiB resident ({most_kib / 1024:.1f} at most)"
    )


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0)
