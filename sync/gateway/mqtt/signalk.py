"""Conversion of a current value to a Signal K delta (Signal K 1.8, "Delta Format")."""

from collections.abc import Mapping
from typing import Any, Final

from sync.gateway.mqtt.presentation import Presenter

_NO_UNIT: Final = frozenset({"", "bool"})


def delta(uuid: str | None, equipment: Mapping[str, Any], presenter: Presenter) -> dict[str, Any] | None:
    """Return the delta of a current value, or None if the path or the vessel's UUID is missing.

    Args:
        uuid: the vessel's UUID, `urn:mrn:signalk:uuid:…`.
        equipment: the body of the sensor's document. A value whose state is not good is published as null, as
            Signal K specifies.
        presenter: returns the unit as Signal K writes it. If it returns None, the stored unit is published.
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
        shown = presenter(unit, path)
        signalk_unit = unit if shown is None else shown.signalk_unit
        if signalk_unit is not None:
            about["units"] = signalk_unit
    if isinstance(name, str) and name:
        about["displayName"] = name
    if about:
        update["meta"] = [{"path": path, "value": about}]
    return {"context": f"vessels.{uuid}", "updates": [update]}
