"""The files in the support archive. If a file cannot be created, it contains an error message instead.

Configuration files include only values that are known to be harmless (`redaction`). Other files on the card
are not included.
"""

import json
import platform
import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from provisioning.ingest.problems import NAME as PROBLEMS
from sensors.plaintext import clean_lines
from sensors.toml import toml_file
from services.doctor.checks import examine
from services.doctor.context import Appliance
from services.logs.error_log import NAME, OLDER
from services.system import machine
from sync.documents import POLICY, DocumentType
from sync.store import Database

from .redaction import redact
from .secrets import REMOVED, Remover

MOST_BYTES: Final = 400_000
"""Maximum number of characters in an archived file. Of a longer file, only the end is included."""
SAMPLES: Final = 5
"""Number of documents to include for each document type, newest first, and of samples in each document."""
_LEAST_ANYWHERE: Final = 8
"""Minimum length of an omitted configuration value that is also removed from all other files, in characters.

Shorter values are removed only from the configuration file. They are often not secret, and removing them
everywhere would make the other files unreadable.
"""
_SECRET_KEYS: Final = frozenset({"password", "password_hash", "psk", "passphrase"})
_SECRET_FILES: Final = ("*.password", "*.session", "*.key", "*.psk")
CARD_FILES: Final = ("vessel.toml", "sensors.toml")
_FIRMWARE: Final = re.compile(r"\[[A-Za-z0-9=.-]{1,20}\]|[a-z0-9_]{1,40}=[\w.,:=+-]{0,60}")
"""Pattern that matches the lines of config.txt that are conditional filters or settings.

These lines contain no secrets. Other lines, such as comments, may contain anything.
"""
_JOURNAL: Final = ("journalctl", "--no-pager", "-o", "short-iso", "-n", "3000")


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """A file in the support archive."""

    name: str
    text: str


def secrets_of(appliance: Appliance) -> set[str]:
    """Return the secrets in the vessel's configuration files and identity files."""
    secrets: set[str] = set()
    for path in _settings_files(appliance).values():
        secrets.update(value for value in redact(_text(path)).secrets if len(value) >= _LEAST_ANYWHERE)
    folders = {appliance.config.parent, appliance.firmware / "logboat", appliance.identity}
    for folder in folders:
        for pattern in _SECRET_FILES:
            for path in folder.glob(pattern):
                secrets.update(line.strip() for line in _text(path).splitlines() if line.strip())
        for path in (*folder.glob("*.toml"),):
            with suppress(Exception):  # secrets in an unreadable file are still recognised by their format
                secrets.update(_values(tomllib.loads(_text(path))))
    return {value for value in secrets if not value.startswith("-----")}


def parts(appliance: Appliance) -> Iterator[ArchiveFile]:
    """Yield all files of the archive, with secrets removed."""
    remover = Remover(secrets_of(appliance))
    for name, make in _parts(appliance):
        try:
            text = make()
        except Exception as error:  # noqa: BLE001  # the archive must be created even if something is broken
            text = f"(not available: {error or type(error).__name__})\n"
        text = clean_lines(remover.clean(text))
        if len(text) > MOST_BYTES:  # truncated after redaction, because half a secret would not be recognised
            text = f"(only the end)\n{text[-MOST_BYTES:]}"
        yield ArchiveFile(name, text)


def _parts(appliance: Appliance) -> Iterator[tuple[str, Callable[[], str]]]:
    yield "versions.txt", partial(_versions, appliance)
    yield "doctor.txt", partial(_doctor, appliance)
    for name, path in _settings_files(appliance).items():
        yield name, partial(_settings, path)
    yield "card/PROBLEMS.txt", partial(_text, appliance.firmware / "logboat" / PROBLEMS)
    yield (
        "card/config.txt",
        lambda: _firmware((appliance.firmware / "config.txt").read_text(errors="replace")),
    )
    yield "left-out.txt", partial(_left_out, appliance)
    for path in sorted(appliance.run.glob("*.json")):
        yield f"live/{path.name}", partial(_indented, path)
    for path in sorted(appliance.run.glob("ended-*")):
        yield f"live/{path.name}.txt", partial(path.read_text, errors="replace")
    yield "data.txt", partial(_listing, appliance.data)
    yield "last-repair.json", partial(_indented, appliance.data / "last-repair.json")
    yield "documents.json", partial(_documents, appliance)
    yield "logs/daemons.txt", lambda: appliance.ask((*_JOURNAL, "-u", "logboat-*"))
    yield "logs/kernel.txt", lambda: appliance.ask((*_JOURNAL, "-k", "-p", "warning"))
    yield "logs/kept.txt", partial(_kept, appliance.data)
    yield (
        "system/units.txt",
        lambda: appliance.ask(("systemctl", "list-units", "--all", "--no-pager", "logboat-*")),
    )
    yield "system/mounts.txt", partial((appliance.root / "proc/mounts").read_text)
    yield "system/memory.txt", partial((appliance.root / "proc/meminfo").read_text)
    yield "system/network.txt", lambda: appliance.ask(("ip", "-brief", "address"))


def _settings_files(appliance: Appliance) -> dict[str, Path]:
    """Return the paths of the configuration files, by their names in the archive."""
    card = appliance.firmware / "logboat"
    return {
        f"config/{appliance.config.name}": appliance.config,
        f"config/{appliance.sensors_file.name}": appliance.sensors_file,
        **{f"card/{name}": card / name for name in CARD_FILES if (card / name).exists()},
    }


def _settings(path: Path) -> str:
    if path.stat().st_size > toml_file.MOST_BYTES:
        return "(omitted: too long for a configuration file)\n"
    return redact(path.read_text(errors="replace")).text


def _firmware(text: str) -> str:
    """Return the settings in config.txt, with all other lines removed."""
    lines = (line.strip() for line in text.split("\n"))
    return "".join(f"{line if not line or _FIRMWARE.fullmatch(line) else REMOVED}\n" for line in lines)


def _left_out(appliance: Appliance) -> str:
    lines = [_LEFT_OUT]
    for name, path in _settings_files(appliance).items():
        if path.is_file() and path.stat().st_size <= toml_file.MOST_BYTES:
            lines.append(f"{name}: {redact(_text(path))}")
    others = sorted(path.name for path in (appliance.firmware / "logboat").glob("*") if path.is_file())
    others = [name for name in others if name not in (*CARD_FILES, PROBLEMS)]
    if others:
        lines.append(f"card: {len(others)} other files were not read")
    return "\n".join(lines) + "\n"


_LEFT_OUT: Final = """\
This archive contains no secrets, so you can send it to anyone. These were removed:
- passwords, keys and hashes
- in configuration files: every comment, every multi-line text, every value of a key that is not on the list
  of harmless keys, and every line that is not valid
- after unmatched quotes or brackets: everything up to the next known section heading, or to the end
Each removed text is replaced by (removed). Line numbers are unchanged. The original files were not changed.
"""


def _versions(appliance: Appliance) -> str:
    lines = {
        "logboat": machine.logboat_version(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "board": appliance.text("proc/device-tree/model") or "not a Raspberry Pi",
        "boot clock, seconds": f"{appliance.boottime:.0f}",
        "UTC, seconds since 1970": f"{appliance.utc:.0f}",
    }
    release = (appliance.text("etc/os-release") or "").splitlines()
    lines["system"] = next(
        (line.partition("=")[2] for line in release if line.startswith("PRETTY_NAME=")), "?"
    )
    return "".join(f"{key}: {value}\n" for key, value in lines.items())


def _doctor(appliance: Appliance) -> str:
    lines = []
    for check, finding in examine(appliance):
        lines.append(f"{finding.verdict.value:<8} {check.name:<14} {finding.seen}")
        if finding.cure:
            lines.append(f"{'':<8} {'':<14} -> {finding.cure}")
    return "\n".join(lines) + "\n"


def _documents(appliance: Appliance) -> str:
    """Return the newest documents of each type as JSON, with only the first samples of each document."""
    counts: dict[str, Any] = {}
    path = appliance.data / "log.db"
    with Database.open(path, policy=POLICY, checkpoint_pages=0, create=False) as database:
        for kind in DocumentType:
            prefix = f"{kind}:"
            counts[kind.value] = {"count": database.count(prefix), "newest": _some(database, prefix)}
    return json.dumps(counts, indent=1, ensure_ascii=False)


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
    """Return the text of the error files in the data folder, oldest errors first."""
    texts = [path.read_text(errors="replace") for path in (data / OLDER, data / NAME) if path.exists()]
    return "".join(texts) or "(no errors are stored)\n"


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _values(table: Any) -> Iterator[str]:
    """Yield the values of all keys whose names denote a secret, at any depth."""
    if isinstance(table, dict):
        for key, value in table.items():
            if key in _SECRET_KEYS and isinstance(value, str):
                yield value
            else:
                yield from _values(value)
    elif isinstance(table, Sequence) and not isinstance(table, str):
        for value in table:
            yield from _values(value)
