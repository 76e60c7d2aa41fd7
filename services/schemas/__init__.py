"""JSON Schemas (draft 2020-12) of what commands print with `--json`: a file beside this one for each shape.

Everything that is printed says in its member `format` which shape it has, and of which version. A member that
is added leaves the version as it is; one that goes, or means something else, makes a new one.
"""

import json
from typing import Any, Final

VERSIONS: Final = {
    "acknowledgement": 1,
    "alarms": 1,
    "boot": 1,
    "bundle": 1,
    "config-apply": 1,
    "config-check": 1,
    "db-change": 1,
    "db-check": 1,
    "db-checkpoint": 1,
    "db-compact": 1,
    "db-document": 1,
    "db-info": 1,
    "db-replication": 1,
    "db-revision": 1,
    "db-serve": 1,
    "doctor": 1,
    "doctor-guide": 1,
    "fleet": 1,
    "fleet-backup": 1,
    "fleet-card": 1,
    "fleet-identity": 1,
    "fleet-list": 1,
    "fleet-password": 1,
    "fleet-restored": 1,
    "fleet-radio": 1,
    "fleet-revocation": 1,
    "gateway-retry": 1,
    "lights": 1,
    "lights-table": 1,
    "log": 1,
    "log-added": 1,
    "maintenance": 1,
    "note": 1,
    "notes": 1,
    "peers": 1,
    "sensors": 1,
    "status": 1,
    "store-check": 1,
    "top": 1,
    "verify": 1,
}
"""Of every shape."""
COMMON: Final = "common"
"""The file of what several shapes are made of; nothing has this shape itself."""


def format_of(shape: str) -> str:
    """What the member `format` says: `logboat.status/1`."""
    return f"logboat.{shape}/{VERSIONS[shape]}"


def read(shape: str) -> dict[str, Any]:
    """The schema of a shape, or what they have in common."""
    from importlib.resources import files  # no daemon needs it

    schema: dict[str, Any] = json.loads(files(__name__).joinpath(f"{shape}.json").read_bytes())
    return schema
