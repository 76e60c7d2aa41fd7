"""Configurations for the recorders in these tests: builders of `logboat.toml` and `sensors.toml`."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from sync import documents
from sync.documents import DocumentType
from sync.store import Database

VESSEL = "argo"

_MODELS = (
    ("engine", "propulsion.s{n}.revolutions"),
    ("tank", "tanks.fuel.s{n}.currentLevel"),
    ("battery", "electrical.batteries.s{n}.voltage"),
    ("temperature", "environment.inside.s{n}.temperature"),
)


def write(folder: Path, tables: Iterable[str], *, budget: str | None = None) -> Path:
    """Write a vessel's configuration. `budget` is the size limit for the vessel's stores."""
    folder.mkdir(parents=True, exist_ok=True)
    retention = "" if budget is None else f'[retention]\nbudget = "{budget}"\n'
    (folder / "logboat.toml").write_text(f'[vessel]\nid = "{VESSEL}"\n{retention}')
    (folder / "sensors.toml").write_text("\n".join(tables))
    return folder


def simulated(count: int, *, rate_hz: float, name: str = "s") -> list[str]:
    """Return tables of simulated sensors `<name>00` …, with alternating models and the shortest windows."""
    return [
        _table(
            f"{name}{number:02}",
            kind="simulated",
            model=model,
            path=path.format(n=f"{name}{number}"),
            rate=f"{rate_hz:g} Hz",
            window="10 s",
        )
        for number in range(count)
        for model, path in [_MODELS[number % len(_MODELS)]]
    ]


def replayed(
    folder: Path, name: str, values: Sequence[float], *, rate_hz: float, alarms: Sequence[str] = ()
) -> str:
    """Return the table of a sensor that replays these values repeatedly."""
    path = f"propulsion.{name}.revolutions"
    rows = "".join(f"{number / rate_hz:.6f},{path},{value}\n" for number, value in enumerate(values))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.csv").write_text(f"time,path,value\n{rows}")
    more = f"alarm = [{', '.join(alarms)}]\n" if alarms else ""
    return _table(name, kind="replay", file=f"{name}.csv", path=path, repeat=True, window="10 s") + more


WHOLE: Final = tuple(float(value) for value in range(997))
MANY_DIGITS: Final = tuple(1 / (number + 3) for number in range(997))
"""Values with many digits. As in `WHOLE`, their number is prime, so that windows begin at every value."""


def rapid(folder: Path, count: int, values: Sequence[float]) -> list[str]:
    """Return the tables of sensors `rapid-0` …, which each replay these values at 1,000 samples/s.

    A fault test waits for a number of samples, so a high rate makes the test short.
    """
    return [replayed(folder, f"rapid-{number}", values, rate_hz=1_000.0) for number in range(count)]


def fill_store(data: Path, size: int) -> None:
    """Create a document store of this size that contains only documents that retention does not remove."""
    data.mkdir(parents=True, exist_ok=True)
    with Database.open(data / "log.db") as database:
        for number in range(size // 100_000):
            database.put(
                f"{DocumentType.FLEET}:filling-{number}",
                {"type": DocumentType.FLEET.value, "text": "x" * 100_000},
            )


def relay_history(data: Path, size: int) -> None:
    """Create a document store with this many bytes of another vessel's history.

    This history is the oldest in the store, so retention removes it first.
    """
    data.mkdir(parents=True, exist_ok=True)
    with Database.open(data / "log.db", policy=documents.POLICY) as database:
        for number in range(size // 50_000):
            body = {
                "type": DocumentType.READING.value,
                "vessel": "brigid",
                "sensor": "rpm",
                "log": "brigid",
                "first": number * 10 + 1,
                "last": number * 10 + 10,
                "startUtc": "2026-01-01T00:00:00.000Z",
                "filling": "x" * 50_000,
            }
            database.put(documents.reading_id("brigid", "rpm", "brigid", number * 10 + 1), body)


LOW, WARN_ABOVE, ALARM_ABOVE = 10.0, 60.0, 80.0
FLAPPING = (LOW, LOW, 70.0, 90.0, 70.0, LOW, 90.0, LOW, 70.0)


def flapping(folder: Path, name: str, *, rate_hz: float) -> str:
    """Return the table of a sensor with an alarm that is raised, worsens and clears continuously.

    The alarm changes faster at a higher rate.
    """
    return replayed(
        folder,
        name,
        FLAPPING,
        rate_hz=rate_hz,
        alarms=[
            f'{{ above = {WARN_ABOVE}, severity = "warn", text = "fast" }}',
            f'{{ above = {ALARM_ABOVE}, severity = "alarm", text = "too fast" }}',
        ],
    )


def flapping_alarms(last: int) -> list[int]:
    """Return the numbers of the samples, up to `last`, at which a `flapping` sensor raises its alarm.

    The numbers are valid for a sensor that was never restarted.
    """
    return [
        number
        for number in range(1, last + 1)
        if FLAPPING[(number - 1) % len(FLAPPING)] > WARN_ABOVE
        and (number == 1 or FLAPPING[(number - 2) % len(FLAPPING)] <= WARN_ABOVE)
    ]


def _table(name: str, **keys: str | bool) -> str:
    lines = [f"{key} = {_toml(value)}\n" for key, value in keys.items()]
    return f'[[sensor]]\nid = "{name}"\nname = "{name}"\n{"".join(lines)}'


def _toml(value: str | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"'
