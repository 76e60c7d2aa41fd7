"""Wiring checks: the header's GPIO chip, pins, buses, sensors."""

from collections.abc import Sequence
from typing import Final

from provisioning.overlays.kernel_settings import kernel_configuration
from sensors.chips.one_wire import FAMILIES, thermometers
from sensors.chips.one_wire_keys import OneWireOptions
from sensors.driver import options_of
from sensors.registry import kind_named
from sensors.settings import SensorSettings
from services.terminal.present import count

from .context import Appliance
from .findings import Finding, bad, good, skipped, warn

_SHARED: Final = {
    "dtparam=i2c_arm=on": ("I2C", (2, 3)),
    "dtparam=spi=on": ("SPI", (7, 8, 9, 10, 11)),
    "dtoverlay=w1-gpio": ("1-wire", (4,)),
    "enable_uart=1": ("the serial console", (14, 15)),
}
"""Lines in config.txt, each with the bus that the line enables and the pins that the bus occupies.

Source: `/boot/firmware/overlays/README`.
"""
_HEADER_LABELS: Final = ("pinctrl-bcm", "pinctrl-rp1", "raspberrypi-exp", "gpio-sim", "pinctrl-bcm2711")


def pins_of(appliance: Appliance) -> dict[int, str]:
    """Return the pins that sensors and outputs use, each with the id of that sensor or output."""
    sensors = {pin: sensor.id for sensor in appliance.sensors if (pin := pin_of(sensor)) is not None}
    buttons = {each.silence_pin: each.id for each in appliance.outputs if each.silence_pin is not None}
    return sensors | buttons | {output.pin: output.id for output in appliance.outputs}


def pin_of(sensor: SensorSettings) -> int | None:
    """Return the BCM number of a sensor's pin; None for a sensor without a pin."""
    pin = getattr(sensor.options, "pin", None)
    return pin if isinstance(pin, int) else None


def chip(appliance: Appliance) -> Finding:
    """Check that the header's GPIO chip, identified by its label, is present."""
    if not pins_of(appliance):
        return skipped("no sensor or output uses a pin")
    devices = [path.name for path in appliance.glob("dev/gpiochip*")]
    if not devices:
        return bad(
            "/dev/gpiochip* does not exist",
            "Check that this is a Raspberry Pi; otherwise load the chip's kernel module.",
        )
    labels = [path.read_text().strip() for path in appliance.glob("sys/class/gpio/gpiochip*/label")]
    known = [label for label in labels if label.startswith(_HEADER_LABELS)]
    if labels and not known:
        return bad(
            f"none of these chips is a Raspberry Pi header: {', '.join(labels)}",
            "See sensors/gpio/header_chip.py for the known labels.",
        )
    return good(f"{', '.join(devices)}{f': {known[0]}' if known else ''}")


def pins(appliance: Appliance) -> Finding:
    """Check whether a bus that config.txt enables occupies the pin of a sensor or an output."""
    used = pins_of(appliance)
    if not used:
        return skipped("no sensor or output uses a pin")
    lines = appliance.config_txt()
    for line, (what, taken) in _SHARED.items():
        if any(each.replace(" ", "").startswith(line) for each in lines):
            for pin in taken:
                if pin in used:
                    return bad(
                        f"{used[pin]} uses pin {pin}, which also belongs to {what}: {line} in config.txt",
                        "Choose another pin, or turn the bus off if it is not used.",
                    )
    return good(f"{len(used)} pins used, none of them by a bus")


def overlays(appliance: Appliance) -> Finding:
    """Check that config.txt contains the lines that the sensors need."""
    needed = kernel_configuration(
        appliance.sensors, rtc=appliance.configuration.clock.rtc, pps=appliance.configuration.clock.pps
    )
    if not needed.lines:
        return skipped("no sensor needs a kernel driver")
    lines = appliance.config_txt()
    if not lines:
        return warn(
            f"{appliance.firmware / 'config.txt'} cannot be read",
            "Check that the card's first partition is mounted.",
        )
    missing = [line for line in needed.lines if line not in lines]
    if missing:
        return bad(
            f"config.txt lacks {missing[0]}",
            "Restart the appliance; `logboat boot` adds the line, or reports why it cannot.",
        )
    return good(f"config.txt has all {len(needed.lines)} lines that the sensors need")


def one_wire(appliance: Appliance) -> Finding:
    """Check that the configured thermometers respond on the 1-wire bus."""
    sensors = [sensor for sensor in appliance.sensors if isinstance(sensor.options, OneWireOptions)]
    if not sensors:
        return skipped("no sensor uses 1-Wire")
    there = thermometers(appliance.root)
    if not there:
        return bad(
            "no thermometer responds",
            "Check the data wire (pin 4), its 4.7 kΩ resistor to 3.3 V, and ground.",
        )
    missing = [(sensor, why) for sensor in sensors if (why := _missing(sensor, there))]
    if missing:
        sensor, why = missing[0]
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        return bad(
            f"{sensor.id}: {why}{more}",
            f"Check its wires and its address. These respond: {', '.join(there)}.",
        )
    return good(f"{count(len(there), 'thermometer')} found")


def _missing(sensor: SensorSettings, there: Sequence[str]) -> str:
    """Describe a sensor's device if it does not respond on the 1-wire bus; return '' if it does."""
    address = options_of(sensor, OneWireOptions).address
    if address is not None:
        return "" if address in there else f"{address} does not respond"
    chip = kind_named(sensor.kind).chip(None)
    codes = [family.code for family in FAMILIES.values() if chip is not None and chip.title in family.chips]
    return (
        ""
        if any(name.startswith(f"{code}-") for name in there for code in codes)
        else (f"no {sensor.kind} responds")
    )


def i2c(appliance: Appliance) -> Finding:
    """Check that the header's I2C bus is present."""
    needed = kernel_configuration(appliance.sensors, rtc=appliance.configuration.clock.rtc).lines
    if "dtparam=i2c_arm=on" not in needed:
        return skipped("no sensor uses I2C")
    if not appliance.glob("dev/i2c-1"):
        return bad(
            "/dev/i2c-1 does not exist",
            "Restart the appliance after a change of wiring; see the overlays check.",
        )
    return good("/dev/i2c-1 exists")


def spi(appliance: Appliance) -> Finding:
    """Check that a device is present on the header's SPI bus."""
    needed = kernel_configuration(appliance.sensors).lines
    if "dtparam=spi=on" not in needed:
        return skipped("no sensor uses SPI")
    if not appliance.glob("sys/bus/spi/devices/spi0.*"):
        return bad(
            "no SPI device exists", "Restart the appliance after a change of wiring; see the overlays check."
        )
    return good("the SPI bus exists")


def sensors(appliance: Appliance) -> Finding:
    """Check that no sensor has a fault."""
    state = appliance.recorder
    if state is None:
        return skipped("the recorder is not running")
    faulty = [(name, each) for name, each in state.sensors.items() if each.is_faulty]
    if faulty:
        # a fault of a wired sensor is also the fault of each sensor that is computed from it
        name, each = min(faulty, key=lambda found: found[1].kind == "derived")
        more = f" (and {len(faulty) - 1} more)" if len(faulty) > 1 else ""
        detail = f", {each.detail}" if each.detail else ""
        remedy = (
            "Check the sensors from which it is computed."
            if each.kind == "derived"
            else "Check its wire, plug and supply."
        )
        return bad(f"{name}: {each.state}{detail}{more}", remedy)
    return good(f"{count(len(state.sensors), 'sensor')}, none faulty")


def silent(appliance: Appliance) -> Finding:
    """Check whether any sensor has sent nothing since the recorder started."""
    state = appliance.recorder
    if state is None:
        return skipped("the recorder is not running")
    mute = [name for name, each in state.sensors.items() if each.state is None and each.kind != "manual"]
    if mute and (state.running_s is None or state.running_s > _SETTLES_S):
        return warn(
            f"{', '.join(mute)}: no data since the recorder started",
            "Check the wiring and the address of the sensor.",
        )
    return good("every sensor has sent data")


def edges(appliance: Appliance) -> Finding:
    """Check whether the kernel has dropped GPIO edges."""
    state = appliance.recorder
    if state is None:
        return skipped("the recorder is not running")
    lost = [name for name, each in state.sensors.items() if each.state == "edges-lost"]
    if lost:
        return warn(
            f"{', '.join(lost)}: the kernel dropped edges; the counts are correct, but some times are not",
            "Shield the cable, or filter the signal: the signal is noisy, or faster than configured.",
        )
    return good("no edges dropped")


_SETTLES_S: Final = 60.0
