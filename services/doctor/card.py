"""Card checks: free space, wear, errors, mount options."""

import shutil
from typing import Final

from sensors.units import format_bytes
from services.state.thresholds import is_nearly_full

from .context import Appliance
from .findings import Finding, bad, good, skipped, warn

_WORN: Final = 9
"""Minimum lifetime value, as reported by the card, at which the card counts as worn out.

eMMC and newer SD cards report the used part of their lifetime in steps of 10 % (JESD84-B51, 7.4.40). The
value 9 means 80 to 90 %.
"""


def space(appliance: Appliance) -> Finding:
    """Check the free space on the card, and how much of the budget the recorded history uses."""
    try:
        usage = shutil.disk_usage(appliance.data)
    except OSError as error:
        return bad(
            f"{appliance.data}: {error.strerror or error}", "Check that the data partition is mounted."
        )
    free = f"{format_bytes(usage.free)} of {format_bytes(usage.total)} is free"
    state = appliance.recorder
    storage = None if state is None else state.storage
    if is_nearly_full(free=usage.free, total=usage.total):
        return bad(free, "Send the log ashore, or fit a larger card; the oldest history is removed first.")
    if storage is not None and storage.used > 0.9 * storage.budget:
        return warn(
            f"{free}; 90 % of the budget is used", "The oldest history will be removed soon; send it ashore."
        )
    return good(free)


def mounted(appliance: Appliance) -> Finding:
    """Check that the data partition is mounted read-write."""
    lines = [line.split() for line in (appliance.text("proc/mounts") or "").splitlines()]
    chosen = [fields for fields in lines if len(fields) > 3 and str(appliance.data).startswith(fields[1])]
    if not chosen:
        return skipped("mounts cannot be read")
    fields = max(chosen, key=lambda each: len(each[1]))
    if "ro" in fields[3].split(","):
        return bad(
            f"{fields[1]} is mounted read-only",
            "The kernel does this after a card error. Restart the appliance; if it happens again, "
            "replace the card.",
        )
    return good(f"{fields[1]} is writable ({fields[2]})")


def filesystem(appliance: Appliance) -> Finding:
    """Check whether the kernel has counted errors in any file system."""
    counts = {
        path.parent.name: path.read_text().strip() for path in appliance.glob("sys/fs/ext4/*/errors_count")
    }
    if not counts:
        return skipped("no ext4 file system reports an error count")
    wrong = {name: number for name, number in counts.items() if number not in ("", "0")}
    if wrong:
        name, number = next(iter(wrong.items()))
        return bad(
            f"{name} has counted {number} errors", "Replace the card soon; the fleet holds a copy of its log."
        )
    return good(f"{', '.join(counts)}: no errors counted")


def wear(appliance: Appliance) -> Finding:
    """Check how much of its lifetime the card reports as used."""
    life_times = [
        path.read_text().split() for path in appliance.glob("sys/class/block/mmcblk*/device/life_time")
    ]
    used = [int(value, 16) for values in life_times for value in values if value.startswith("0x")]
    if not used or max(used) == 0:
        return skipped("this card does not report its wear")
    if max(used) >= _WORN:
        return warn(
            f"{(max(used) - 1) * 10} to {max(used) * 10} % of the card's life is used",
            "Replace the card at the next port.",
        )
    return good(f"at most {max(used) * 10} % of the card's life is used")
