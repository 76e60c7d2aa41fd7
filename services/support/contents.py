"""What goes into the archive. Each part is made for itself: what cannot be had is said in its place."""

import json
import platform
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from services import machine
from services.doctor.checks import examine
from services.doctor.patient import Patient
from services.logs.kept import NAME, OLDER
from sync.documents import Kind, is_single_writer
from sync.store import Database

from .secrets import Remover

MOST_BYTES: Final = 400_000
"""Of a part; the end of a log tells more than its beginning."""
SAMPLES: Final = 5
"""Documents of each kind, the newest."""
_SECRET_KEYS: Final = frozenset({"password", "password_hash", "psk", "passphrase"})
_SECRET_FILES: Final = ("*.password", "*.session", "*.key", "*.psk")
_JOURNAL: Final = ("journalctl", "--no-pager", "-o", "short-iso", "-n", "3000")


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the archive."""

    name: str
    text: str


def secrets_of(patient: Patient) -> set[str]:
    """What this vessel's own files have as secrets."""
    found: set[str] = set()
    folders = {patient.config.parent, patient.firmware / "logboat", patient.identity}
    for folder in folders:
        for pattern in _SECRET_FILES:
            for path in folder.glob(pattern):
                found.update(line.strip() for line in _text(path).splitlines() if line.strip())
        for path in (*folder.glob("*.toml"),):
            with suppress(Exception):  # its secrets are still seen by their form
                found.update(_values(tomllib.loads(_text(path))))
    return {value for value in found if not value.startswith("-----")}


def parts(patient: Patient) -> Iterator[Part]:
    """All of it, secrets removed."""
    remover = Remover(secrets_of(patient))
    for name, make in _parts(patient):
        try:
            text = make()
        except Exception as error:  # noqa: BLE001  # what is broken is what the archive is for
            text = f"(not to be had: {error or type(error).__name__})\n"
        if len(text) > MOST_BYTES:
            text = f"(only the end)\n{text[-MOST_BYTES:]}"
        yield Part(name, remover.clean(text))


def _parts(patient: Patient) -> Iterator[tuple[str, Callable[[], str]]]:
    yield "versions.txt", partial(_versions, patient)
    yield "doctor.txt", partial(_doctor, patient)
    for path in (patient.config, patient.sensors_file):
        yield f"config/{path.name}", partial(path.read_text, errors="replace")
    for path in sorted((patient.firmware / "logboat").glob("*")):
        if path.suffix in (".toml", ".txt"):
            yield f"card/{path.name}", partial(path.read_text, errors="replace")
    yield "card/config.txt", lambda: (patient.firmware / "config.txt").read_text(errors="replace")
    for path in sorted(patient.run.glob("*.json")):
        yield f"live/{path.name}", partial(_indented, path)
    for path in sorted(patient.run.glob("ended-*")):
        yield f"live/{path.name}.txt", partial(path.read_text, errors="replace")
    yield "data.txt", partial(_listing, patient.data)
    yield "last-repair.json", partial(_indented, patient.data / "last-repair.json")
    yield "documents.json", partial(_documents, patient)
    yield "logs/daemons.txt", lambda: patient.ask((*_JOURNAL, "-u", "logboat-*"))
    yield "logs/kernel.txt", lambda: patient.ask((*_JOURNAL, "-k", "-p", "warning"))
    yield "logs/kept.txt", partial(_kept, patient.data)
    yield (
        "system/units.txt",
        lambda: patient.ask(("systemctl", "list-units", "--all", "--no-pager", "logboat-*")),
    )
    yield "system/mounts.txt", partial((patient.root / "proc/mounts").read_text)
    yield "system/memory.txt", partial((patient.root / "proc/meminfo").read_text)
    yield "system/network.txt", lambda: patient.ask(("ip", "-brief", "address"))


def _versions(patient: Patient) -> str:
    lines = {
        "logboat": machine.logboat_version(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "board": patient.text("proc/device-tree/model") or "no Raspberry Pi",
        "boot clock, seconds": f"{patient.boottime:.0f}",
        "UTC, seconds since 1970": f"{patient.utc:.0f}",
    }
    release = (patient.text("etc/os-release") or "").splitlines()
    lines["system"] = next(
        (line.partition("=")[2] for line in release if line.startswith("PRETTY_NAME=")), "?"
    )
    return "".join(f"{key}: {value}\n" for key, value in lines.items())


def _doctor(patient: Patient) -> str:
    lines = []
    for check, finding in examine(patient):
        lines.append(f"{finding.verdict.value:<8} {check.name:<14} {finding.seen}")
        if finding.cure:
            lines.append(f"{'':<8} {'':<14} -> {finding.cure}")
    return "\n".join(lines) + "\n"


def _documents(patient: Patient) -> str:
    """The newest of each kind: bodies of readings without most of their samples."""
    found: dict[str, Any] = {}
    path = patient.data / "log.db"
    with Database.open(path, single_writer=is_single_writer, checkpoint_pages=0, create=False) as database:
        for kind in Kind:
            prefix = f"{kind}:"
            found[kind.value] = {"count": database.count(prefix), "newest": _some(database, prefix)}
    return json.dumps(found, indent=1, ensure_ascii=False)


def _some(database: Database, prefix: str) -> list[dict[str, Any]]:
    chosen = []
    for document in database.documents(prefix=prefix, after=f"{prefix}~", reverse=True, limit=SAMPLES):
        body: dict[str, Any] = document.body
        samples = body.get("samples")
        if isinstance(samples, list) and len(samples) > SAMPLES:
            body["samples"] = [*samples[:SAMPLES], f"… and {len(samples) - SAMPLES} more"]
        chosen.append({"_id": document.id, "_rev": document.rev, **body})
    return chosen


def _listing(folder: Path) -> str:
    lines = [
        f"{path.stat().st_size:>14,} {path.relative_to(folder)}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    ]
    return "\n".join(lines) + "\n"


def _indented(path: Path) -> str:
    return msgspec.json.format(path.read_bytes(), indent=1).decode(errors="replace")


def _kept(data: Path) -> str:
    """The last errors, the oldest first."""
    texts = [path.read_text(errors="replace") for path in (data / OLDER, data / NAME) if path.exists()]
    return "".join(texts) or "(nothing was kept)\n"


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _values(table: Any) -> Iterator[str]:
    """What stands under a secret's name, anywhere."""
    if isinstance(table, dict):
        for key, value in table.items():
            if key in _SECRET_KEYS and isinstance(value, str):
                yield value
            else:
                yield from _values(value)
    elif isinstance(table, Sequence) and not isinstance(table, str):
        for value in table:
            yield from _values(value)
