"""A current value in Signal K's delta format (Signal K specification 1.8, "Delta Format"). Pure."""

from collections.abc import Mapping
from typing import Any, Final

_NO_UNIT: Final = frozenset({"", "bool"})


def delta(uuid: str | None, equipment: Mapping[str, Any]) -> dict[str, Any] | None:
    """The delta of a current value; None if it names no path, or the vessel's UUID is not known.

    Args:
        uuid: the vessel's, `urn:mrn:signalk:uuid:…`.
        equipment: the body of the sensor's document. A value that is not good goes out as null, as Signal K
            has it.
    """
    path, sensor = equipment.get("path"), equipment.get("sensor")
    if uuid is None or not isinstance(path, str) or not path:
        return None
    value = equipment.get("value") if equipment.get("state", "good") == "good" else None
    update: dict[str, Any] = {
        "$source": f"logboat.{sensor}",
        "values": [{"path": path, "value": value}],
    }
    if isinstance(equipment.get("time"), str):
        update["timestamp"] = equipment["time"]
    about: dict[str, Any] = {}
    unit, name = equipment.get("unit"), equipment.get("name")
    if isinstance(unit, str) and unit not in _NO_UNIT:
        about["units"] = unit
    if isinstance(name, str) and name:
        about["displayName"] = name
    if about:
        update["meta"] = [{"path": path, "value": about}]
    return {"context": f"vessels.{uuid}", "updates": [update]}
