"""A date or an interval that the calendar does not have makes the state of a service unknown."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.maintenance_schedule.due import DueState, Unknown
from services.maintenance_schedule.overview import Overview, overview
from services.screens import service_list
from services.terminal.present import screen
from sync.documents import POLICY
from sync.store import Database

NOW = 1_780_000_000.0
YEAR = {"months": 12, "days": 0}
RECORD = "service:argo:01ARZ3NDEKTSV4RRFFQ69G5FAV"


def seen(folder: Path, when: str | None = None, **plan: Any) -> Overview:
    """Return the overview of a vessel with one service, and show it in every form."""
    vessel = {"type": "vessel", "vessel": "argo", "services": {"oil": {"calendar": YEAR, **plan}}}
    with Database.open(folder / "log.db", policy=POLICY) as database:
        database.put("vessel:argo", vessel)
        if when is not None:
            record = {"type": "service", "vessel": "argo", "service": "oil", "when": when, "trust": "synced"}
            database.put(RECORD, record)
        found = overview(database, "argo", live=None, utc=NOW)
    assert list(service_list.lines(found, screen()))
    assert service_list.summary(found)
    assert msgspec.json.encode(service_list.as_json(found, "argo"))
    return found


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_date_outside_the_calendar_is_unknown(tmp_path: Path, when: str) -> None:
    for place, found in (("a", {"when": when}), ("b", {"lastDone": when})):
        (tmp_path / place).mkdir()
        (service,) = seen(tmp_path / place, **found).services
        assert service.state is DueState.UNKNOWN


@pytest.mark.parametrize("calendar", [{"months": 10**9}, {"days": 10**12}])
def test_interval_that_never_ends_is_unknown(tmp_path: Path, calendar: dict[str, int]) -> None:
    (service,) = seen(tmp_path, when="2026-01-01T00:00:00Z", calendar=calendar).services
    assert (service.state, service.reasons) == (DueState.UNKNOWN, (Unknown.NO_END,))
