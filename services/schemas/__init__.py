"""The objects that commands print with `--json`, and the JSON Schemas (draft 2020-12) of these objects.

- `parts`: the parts that several shapes share
- `appliance`, `database`, `fleet`, `mesh`, `outputs`, `recording`, `recordings`, `status`: the type of every
  shape
- `generate`: writes the JSON Schemas, one file beside this module for each shape, from these types

Commands import these modules only when they print JSON.

Every output has a member `format` with the name and version of its shape. Adding a member does not change the
version; removing a member, or changing its meaning, requires a new version.
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
    "config-sender": 1,
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
    "fleet-removal": 1,
    "fleet-revocation": 1,
    "gateway-retry": 1,
    "import-check": 1,
    "lights": 1,
    "lights-table": 1,
    "log": 1,
    "log-added": 1,
    "maintenance": 1,
    "note": 1,
    "notes": 1,
    "outputs": 1,
    "output-test": 1,
    "peers": 1,
    "sensors": 1,
    "service-added": 1,
    "services": 1,
    "silence": 1,
    "status": 1,
    "store-check": 1,
    "top": 1,
    "verify": 1,
}
"""Version of every shape."""
COMMON: Final = "common"
"""Name of the file with definitions that several shapes share; no output has this shape."""


def format_of(shape: str) -> str:
    """Return the value of the member `format`, such as `logboat.status/1`."""
    return f"logboat.{shape}/{VERSIONS[shape]}"


def read(shape: str) -> dict[str, Any]:
    """Return the schema for a shape, or the shared definitions."""
    from importlib.resources import files  # not needed by any daemon

    schema: dict[str, Any] = json.loads(files(__name__).joinpath(f"{shape}.json").read_bytes())
    return schema
