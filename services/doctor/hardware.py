"""Hardware checks: clock, temperature, voltage, memory."""

import os
from pathlib import Path
from typing import Final

from .context import Appliance
from .findings import Finding, bad, good, skipped, warn

HOT_C: Final = 80.0
"""Temperature in °C at which the firmware begins to slow down the processor."""
LITTLE_MEMORY: Final = 0.08
_NOW, _SINCE = 0x1, 0x10000
_SLOW_NOW: Final = 0x4 | 0x8
_FIRMWARE: Final = "sys/devices/platform/soc/soc:firmware/get_throttled"


def clock(appliance: Appliance) -> Finding:
    """Check whether the current time is known, and how accurately."""
    state = appliance.recorder
    if state is None:
        return skipped("the recorder is not running")
    if not state.clock.is_known:
        return warn(
            "the time is unknown: readings are stored in order, and get their times once the clock is set",
            "Connect to a network with a time server, or fit a GNSS receiver or a clock chip.",
        )
    if state.clock.uncertainty > _DRIFTED_S:
        return warn(
            f"set by {state.clock.source}, ± {state.clock.uncertainty:.0f} s",
            "Connect to a network, or fit a GNSS receiver, to set the clock; the clock chip's battery may"
            " be flat.",
        )
    return good(f"set by {state.clock.source}, ± {state.clock.uncertainty:.3g} s")


def rtc(appliance: Appliance) -> Finding:
    """Check that the configured clock chip responds."""
    name = appliance.configuration.clock.rtc
    if name is None:
        return skipped("no clock chip configured")
    if not appliance.glob("sys/class/rtc/rtc0"):
        return bad(f"{name} does not respond", "Check its connection to the header, and its battery.")
    return good(f"{appliance.text('sys/class/rtc/rtc0/name') or name} responds")


def receiver(appliance: Appliance) -> Finding:
    """Check that the configured satellite receiver supplies the time."""
    device = appliance.configuration.clock.gnss
    if device is None:
        return skipped("no satellite receiver configured")
    sight = appliance.gnss_sight
    state = sight.state
    if state is None or not sight.is_live:
        return bad(
            f"{device} is not read: {sight.why_not}",
            "Run `systemctl restart logboat-gnss`. To see why it stopped, run `journalctl -u logboat-gnss`.",
        )
    if state.device != device:
        return warn(
            f"logboat-gnss still reads {state.device} instead of {device}",
            "Run `systemctl restart logboat-gnss`.",
        )
    consoles = (appliance.text("sys/class/tty/console/active") or "").split()
    if Path(os.path.realpath(device)).name in consoles:
        return warn(
            f"{device} is also the serial console, which sends text to the receiver",
            "Remove the serial console from cmdline.txt, or connect the receiver by USB (see docs/gnss.md).",
        )
    if state.fault is not None:
        return warn(state.words, state.remedy or "")
    return good(f"{device}: {state.words}")


def sane_time(appliance: Appliance) -> Finding:
    """Check that the clock does not show a date before 2025, when Logboat did not yet exist."""
    if appliance.utc < _EARLIEST:
        return warn(
            "the clock shows a date before 2025",
            "Set the clock (see the clock check); certificates are checked against the last known time.",
        )
    return good("the date is plausible")


def voltage(appliance: Appliance) -> Finding:
    """Check that the supply voltage has been high enough since boot."""
    bits = appliance.number(_FIRMWARE, 16)
    if bits is None:
        return skipped("this board does not report its supply voltage")
    if bits & _NOW:
        return bad(
            "the supply voltage is too low now",
            "Use another supply or a thicker cable; low voltage damages cards.",
        )
    if bits & _SINCE:
        return warn(
            "the supply voltage has been too low since boot",
            "Use another supply or a thicker cable; the voltage drops under load.",
        )
    return good("the supply voltage has been sufficient since boot")


def heat(appliance: Appliance) -> Finding:
    """Check whether the processor is too hot."""
    millidegrees = appliance.number("sys/class/thermal/thermal_zone0/temp")
    bits = appliance.number(_FIRMWARE, 16) or 0
    if millidegrees is None:
        return skipped("this board does not report its temperature")
    degrees = millidegrees / 1_000
    if degrees >= HOT_C or bits & _SLOW_NOW:
        return warn(
            f"{degrees:.0f} °C, throttled",
            "Improve the ventilation, or move the board out of the engine compartment.",
        )
    return good(f"{degrees:.0f} °C")


def memory(appliance: Appliance) -> Finding:
    """Check that enough memory is available."""
    meminfo = appliance.text("proc/meminfo")
    if meminfo is None:
        return skipped("memory cannot be read")
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in meminfo.splitlines() if ":" in line}
    total, free = sizes.get("MemTotal", 0), sizes.get("MemAvailable", 0)
    if total and free < LITTLE_MEMORY * total:
        return warn(
            f"{free // 1024} MB of {total // 1024} MB is free",
            "To see which processes use the memory, run `systemctl status`.",
        )
    return good(f"{free // 1024} MB of {total // 1024} MB is free")


_DRIFTED_S: Final = 60.0
_EARLIEST: Final = 1_735_689_600.0
