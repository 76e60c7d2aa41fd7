"""Describes in plain words how Logboat interprets each maintenance service in a `sensors.toml` file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sensors.service_settings import Interval, ServiceSettings
from sensors.settings import Fact


@dataclass(frozen=True, slots=True)
class UnderstoodService:
    """Description of how Logboat interprets one service."""

    settings: ServiceSettings
    facts: tuple[Fact, ...]


def understood_services(services: Sequence[ServiceSettings]) -> tuple[UnderstoodService, ...]:
    """Return a description of each service, in the order of the file."""
    return tuple(UnderstoodService(service, tuple(_facts(service))) for service in services)


def _facts(service: ServiceSettings) -> Iterator[Fact]:
    parts = [] if service.run_s is None else [f"every {_words(service.run_s)} of {service.sensor}"]
    if service.calendar is not None:
        parts.append(f"every {service.calendar}")
    yield "due", ", or ".join(parts) + (", whichever comes first" if len(parts) > 1 else "")
    warn = service.warn_before
    yield "due soon", f"in the last {'tenth' if warn is None else _words(warn)} of the interval"
    if service.last_hours_s is not None:
        yield "last hours", f"{_words(service.last_hours_s)}, until the first record"
    if service.last_done_utc is not None:
        day = datetime.fromtimestamp(service.last_done_utc, UTC)
        yield "last done", f"{day:%Y-%m-%d}, until the first record"


def _words(interval: Interval) -> str:
    return f"{interval / 3600:g} h" if isinstance(interval, float) else str(interval)
