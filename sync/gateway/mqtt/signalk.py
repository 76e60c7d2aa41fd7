"""Conversion of current values and alarms to Signal K deltas (Signal K 1.8, "Delta" and "Notifications")."""

from collections.abc import Mapping
from typing import Any, Final

from sync.fleet.severities import SEVERITIES
from sync.gateway.mqtt.presentation import Presenter

_NO_UNIT: Final = frozenset({"", "bool"})
_UNKNOWN_STATE: Final = "emergency"
"""State for a severity that Signal K does not define."""


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


def notification(
    uuid: str | None, alarm: Mapping[str, Any], *, is_silenced: bool = False
) -> dict[str, Any] | None:
    """Return the delta of an alarm, or None if the path or the vessel's UUID is missing.

    The state is `normal` when the alarm has been cleared. A display shows the notification while `method`
    contains `visual`: until the alarm is cleared and acknowledged. It also sounds while `method` contains
    `sound`: until the alarm is cleared or acknowledged, except while it is silenced.

    Args:
        uuid: the vessel's UUID, `urn:mrn:signalk:uuid:…`.
        alarm: the body of the alarm's document.
        is_silenced: whether the alarm is silenced now.
    """
    path, sensor = alarm.get("path"), alarm.get("sensor")
    if uuid is None or not isinstance(path, str) or not path:
        return None
    is_active, is_acknowledged = not alarm.get("cleared"), bool(alarm.get("acks"))
    severity = alarm.get("severity")
    state = (severity if severity in SEVERITIES else _UNKNOWN_STATE) if is_active else "normal"
    method = []
    if is_active or not is_acknowledged:
        method.append("visual")
    if is_active and not is_acknowledged and not is_silenced:
        method.append("sound")
    texts = [text for text in (alarm.get("text"), alarm.get("condition")) if isinstance(text, str) and text]
    value = {"state": state, "method": method, "message": ": ".join(texts) or path}
    update: dict[str, Any] = {
        "$source": f"logboat.{sensor}",
        "values": [{"path": f"notifications.{path}", "value": value}],
    }
    latest = alarm.get("raised") if is_active else alarm.get("cleared")
    if isinstance(latest, Mapping) and isinstance(latest.get("utc"), str):
        update["timestamp"] = latest["utc"]
    return {"context": f"vessels.{uuid}", "updates": [update]}
