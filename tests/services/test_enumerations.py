"""Enumerations in the code agree with those in the schemas."""

import json
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

import services
from sensors.csv_recordings.layouts import DELIMITERS
from sensors.severity import Severity
from services.alarms.phases import Phase
from services.clocks.time_source import TimeSource
from services.config.model import LIGHTS
from services.doctor.findings import CheckStatus
from services.history.timeline import TimeTrust
from services.lights.states import TABLE
from services.maintenance_schedule.due import DueState
from services.screens.peer_list import NOT_NEAR
from sync.fleet import conflict_resolvers
from sync.gateway.report import GatewayState
from sync.mesh.link_state import LinkState
from sync.peer.active import Activity
from sync.peer.problems import Domain
from sync.peer.progress import Direction
from sync.peer.quotas import Measure

SCHEMAS = Path(services.__file__).parent / "schemas"


def values(enumeration: type[Enum]) -> list[str | None]:
    return [str(member.value) for member in enumeration]


LISTS: dict[str, list[str | None]] = {
    "alarms.json alarms phase": values(Phase),
    "common.json moment trust": values(TimeTrust),
    "log.json samples trust": values(TimeTrust),
    "sensors.json sensors trust": values(TimeTrust),
    "services.json services state": values(DueState),
    "db-replication.json error domain": values(Domain),
    "peers.json vessels link state": values(LinkState),
    "status.json recorder clock source": values(TimeSource),
    "common.json quota measure": values(Measure),
    "common.json servicePart state": values(DueState),
    "common.json gateway kind": ["couchbase", "mqtt"],
    "common.json gateway state": values(GatewayState),
    "db-replication.json activity": values(Activity),
    "db-replication.json failed direction": values(Direction),
    "db-replication.json failed domain": values(Domain),
    "db-serve.json event": ["listening", "stopped"],
    "doctor.json checks verdict": values(CheckStatus),
    "import-check.json delimiter": [*DELIMITERS.values(), None],
    "lights-table.json states light": list(LIGHTS),
    "peers.json vessels state": [*values(LinkState), NOT_NEAR],
}


def enumerations(schema: Any, place: str) -> dict[str, list[str | None]]:
    """Return every enumeration in a schema by the path of its property."""
    if not isinstance(schema, dict):
        return {}
    found = {place: schema["enum"]} if "enum" in schema else {}
    for word in ("properties", "$defs"):
        for name, each in schema.get(word, {}).items():
            found |= enumerations(each, f"{place} {name}")
    for each in (schema.get("items"), schema.get("additionalProperties"), *schema.get("anyOf", [])):
        found |= enumerations(each, place)
    return found


def test_schemas_list_the_same_names_as_the_code() -> None:
    found: dict[str, list[str | None]] = {}
    for path in SCHEMAS.glob("*.json"):
        found |= enumerations(json.loads(path.read_text()), path.name)
    assert {place: sorted(names, key=str) for place, names in found.items()} == {
        place: sorted(names, key=str) for place, names in LISTS.items()
    }


def test_table_of_lights_has_rows_for_exactly_the_existing_lights() -> None:
    assert list(dict.fromkeys(state.light for state in TABLE)) == list(LIGHTS)


@pytest.mark.parametrize(("severity", "more"), list(zip(Severity, list(Severity)[1:], strict=False)))
def test_severities_have_the_same_order_in_sync_and_sensors(severity: Severity, more: Severity) -> None:
    """`sync` does not import from `sensors`, so the order of severities is defined in both."""
    assert conflict_resolvers._severity_key(severity) < conflict_resolvers._severity_key(more)
