"""Checks sensors that use the same GPIO line.

Several sensors can read one line. For example, a pump's contact yields the pump's state, running time and
starts. They share one line of the kernel, so the keys that configure the line must be equal. If a kernel
driver reads the line, sensors of its kind share the driver's device.
"""

from collections.abc import Sequence
from typing import Any

from sensors.gpio.pin_keys import LINE_KEYS, LineUse
from sensors.kind import SensorDraft
from sensors.toml.reference import as_written
from sensors.toml.value_forms import form_of


def check(pin: int, others: Sequence[SensorDraft], draft: SensorDraft, choose: str) -> None:
    """Report the first conflict between a sensor and earlier sensors that use the same pin.

    `choose` is advice to choose another pin.
    """
    for other in others:
        if _is_reported(pin, other, draft, choose):
            return


def _is_reported(pin: int, other: SensorDraft, draft: SensorDraft, choose: str) -> bool:
    used = f"{pin} is already used by {other.with_line}"
    ours, theirs = _line(draft), _line(other)
    if (ours is None or theirs is not ours) and not _is_one_device(other, draft):
        reads, count = "", ""
        if ours is not None and theirs is not None:
            reads = f", which reads the line as {theirs.name}, not as {ours.name}"
            count = ' To count the starts of a contact, use kind = "runtime" with measure = "starts".'
        draft.table.complain("pin", f"{used}{reads}", f"{choose}.{count}")
        return True
    if _quantity(other) == _quantity(draft):
        draft.table.complain("pin", f"{used}, which records the same quantity", f"{choose}.")
        return True
    if ours is None:
        return False
    for key in LINE_KEYS:
        if key in draft.table.faulty or key in other.table.faulty:
            continue
        if ours.electrical(key, other.values[key]) != ours.electrical(key, draft.values[key]):
            draft.table.complain(
                key,
                f"this sensor has {_setting(draft, key)}, but {other.with_line} on the same pin {pin} has"
                f" {_setting(other, key)}",
                f"Write the same {key} for both, because they share one line. Or use another pin for one of"
                " them.",
            )
            return True
    return False


def _is_one_device(other: SensorDraft, draft: SensorDraft) -> bool:
    """Return True if a kernel driver reads the pin, and each sensor records one of its quantities."""
    return draft.kind is other.kind and draft.kind is not None and draft.kind.pin_overlay is not None


def _line(draft: SensorDraft) -> LineUse | None:
    return None if draft.kind is None else draft.kind.line


def _quantity(draft: SensorDraft) -> tuple[str, Any]:
    assert draft.kind is not None
    return draft.kind.name, draft.values.get("measure")


def _setting(draft: SensorDraft, key: str) -> str:
    """Return a key with its value as written in a file, and its line if the file contains it."""
    assert draft.kind is not None
    written = as_written(draft.values[key], form_of(draft.kind.schema[key].parse))
    where = f"in line {draft.table.line(key)}" if key in draft.table.data else "by default"
    return f"{key} = {written} {where}"
