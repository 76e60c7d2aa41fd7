"""Measures the duration of commands on a vessel whose 50 sensors replay one large recording.

With a recording of 60 MB, `config check` should take at most 10 s, and at most 1 s without recordings.
`status` should take at most 1 s, because it does not read recordings. `doctor` reads the recording once.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import DEVNULL, run
from typing import Final

BYTES: Final = 60_000_000
SENSORS: Final = 50
MOST_S: Final = {"config check": 10.0, "import --check": 15.0, "status": 1.0, "doctor": 15.0}
"""Time limit for each command with a 60 MB recording, in seconds."""
MOST_WITHOUT_S: Final = 1.0
"""Time limit for `config check` without recordings, in seconds."""
_REPLAY: Final = 'kind = "replay"\nfile = "rec.csv"\n'
_SIMULATED: Final = 'kind = "simulated"\nmodel = "battery"\n'


def rows(total: int) -> Iterator[str]:
    """Yield the lines of a recording of `total` bytes, which has a value of each path every 100 ms."""
    head = "time,path,value\n"
    yield head
    size, number, begin = len(head), 0, datetime(2024, 6, 1, tzinfo=UTC)
    while size < total:
        step, path = divmod(number, SENSORS)
        moment = (begin + timedelta(milliseconds=100 * step)).isoformat(timespec="milliseconds")
        line = f"{moment},electrical.batteries.{path}.voltage,{12 + number * 7919 % 1000 / 1000:.3f}\n"
        yield line
        size, number = size + len(line), number + 1


def described(kind: str) -> str:
    """Return a `sensors.toml` with 50 sensors. `kind` contains the keys that all of them have."""
    return "".join(
        f'[[sensor]]\nid = "v{number}"\n{kind}path = "electrical.batteries.{number}.voltage"\n'
        for number in range(SENSORS)
    )


def timed(words: list[str]) -> float:
    """Run a `logboat` command, and return the duration of its process in seconds."""
    began = time.perf_counter()
    run([str(Path(sys.executable).with_name("logboat")), *words], check=False, stdout=DEVNULL, stderr=DEVNULL)
    return time.perf_counter() - began


def main(total: int = BYTES) -> int:
    """Measure and print the durations of all commands. Return 1 if one of them exceeds its limit."""
    print(f"{SENSORS} sensors that replay one recording of {total / 1e6:.0f} MB; seconds of each process")
    late = 0
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        for name in ("data", "run"):
            (folder / name).mkdir()
        with (folder / "rec.csv").open("w") as file:
            file.writelines(rows(total))
        (folder / "logboat.toml").write_text('[vessel]\nid = "argo"\nname = "SY Argo"\n')
        sensors = folder / "sensors.toml"
        places = ["--config", str(folder / "logboat.toml"), "--sensors", str(sensors)]
        places += ["--data", str(folder / "data"), "--run", str(folder / "run")]
        sensors.write_text(described(_REPLAY))
        commands = {
            "config check": ["config", "check", str(sensors)],
            "import --check": ["import", "--check", str(folder / "rec.csv")],
            "status": ["status"],
            "doctor": ["doctor"],
        }
        for name, words in commands.items():
            late |= shown(name, timed([*words, *places]), MOST_S[name])
        sensors.write_text(described(_SIMULATED))
        late |= shown(
            "config check, without a recording", timed(["config", "check", str(sensors)]), MOST_WITHOUT_S
        )
    return late


def shown(what: str, seconds: float, most: float) -> int:
    """Print a duration as a line of the table, and return 1 if it is above the limit, otherwise 0."""
    late = seconds > most
    print(f"  {what:<40} {seconds:6.2f}   at most {most:g}{'   TOO SLOW' if late else ''}")
    return int(late)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else BYTES))
