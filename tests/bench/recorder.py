"""Measures the recorder's processor time, written bytes, memory, and time to the first durable reading.

At 1,000 samples/s, the recorder should use at most 25 % of one core. At 50 samples/s, it should write at most
400 bytes per sample to storage, including the journal, the documents and the file system's own data. It
should use at most 60 MiB of resident memory.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .disk import Disk, disk

SENSORS = 50
MODELS = (
    ("engine", "propulsion.e{n}.revolutions"),
    ("tank", "tanks.fuel.t{n}.currentLevel"),
    ("battery", "electrical.batteries.{n}.voltage"),
    ("temperature", "environment.inside.r{n}.temperature"),
)


def configure(folder: Path, rate_hz: float) -> None:
    """Write a configuration of 50 simulated sensors with this rate, and with windows shorter than a run."""
    tables = []
    for number in range(SENSORS):
        model, path = MODELS[number % len(MODELS)]
        tables.append(
            f'[[sensor]]\nid = "s{number:02}"\nname = "s{number:02}"\nkind = "simulated"\nmodel = "{model}"\n'
            f'path = "{path.format(n=number)}"\nrate = "{rate_hz:g} Hz"\nwindow = "30 s"\n'
        )
    (folder / "sensors.toml").write_text("\n".join(tables))
    (folder / "logboat.toml").write_text('[vessel]\nid = "bench"\n')


def run(folder: Path, target: Disk, *, rate_hz: float, seconds: float) -> None:
    """Run the recorder at one sampling rate, and print a line with the results."""
    configure(folder, rate_hz)
    data = target.folder / f"data-{rate_hz:g}"
    theirs, ours = os.pipe()
    began = time.monotonic()
    process = subprocess.Popen(
        [
            sys.executable, "-m", "services", "record",
            "--config", str(folder / "logboat.toml"), "--sensors", str(folder / "sensors.toml"),
            "--data", str(data), "--run", str(folder / "run"), "--ledger", str(ours),
        ],
        pass_fds=(ours,),
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(ours)
    samples, first, start = 0, 0.0, None
    with os.fdopen(theirs) as ledger:
        for _ in ledger:
            now = time.monotonic()
            if not first:
                first = now - began
            # The first seconds are not measured, because the recorder creates its files then.
            if start is None and now - began >= 5:
                start, samples = (now, cpu_seconds(process.pid), target.written(process.pid)), 0
            samples += 1
            if start is not None and now - start[0] >= seconds:
                break
        assert start is not None
        elapsed = time.monotonic() - start[0]
        cpu = cpu_seconds(process.pid) - start[1]
        written = target.written(process.pid) - start[2]
        now_kib, most_kib = resident_kib(process.pid)
        process.send_signal(signal.SIGTERM)
        for _ in ledger:
            pass
    process.wait(timeout=30)
    print(
        f"  {samples / elapsed:6.0f} samples/s  {100 * cpu / elapsed:5.1f} % of a core  "
        f"{1000 * cpu / samples:6.2f} CPU s per 1,000 samples  {written / samples:6.0f} bytes/sample  "
        f"{now_kib / 1024:5.1f} MiB resident ({most_kib / 1024:.1f} at most)  "
        f"first durable reading after {first:.2f} s"
    )


def cpu_seconds(pid: int) -> float:
    """Return the user and system time of a process in seconds (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_kib(pid: int) -> tuple[int, int]:
    """Return the current and the peak resident memory of a process in KiB."""
    fields = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
    )
    return int(fields["VmRSS"].split()[0]), int(fields["VmHWM"].split()[0])


def main(seconds: float = 60.0) -> None:
    """Measure the recorder at two sampling rates for `seconds` each, and print the results."""
    print(f"recorder, {SENSORS} simulated sensors, {seconds:g} s each")
    with tempfile.TemporaryDirectory() as work, disk(Path(work)) as target:
        print(f"  ({target.what})")
        for rate_hz in (20.0, 1.0):
            run(Path(work), target, rate_hz=rate_hz, seconds=seconds)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)
