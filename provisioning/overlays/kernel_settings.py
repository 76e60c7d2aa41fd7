"""Lines of config.txt for a vessel's sensors and clocks, and the chips to register with the kernel.

The overlays are Raspberry Pi's (`/boot/firmware/overlays/README`). The module of each kind of sensor in
`sensors.kinds` declares the overlay of its chip. `clock_chips` lists the clock chips.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sensors.chips.sysfs import Chip, Wiring, overlay_lines
from sensors.registry import kind_named
from sensors.settings import SensorSettings

_HEADERS_I2C = "dtparam=i2c_arm=on"
_HEADERS_SPI = "dtparam=spi=on"


@dataclass(frozen=True, slots=True)
class KernelConfiguration:
    """Configuration that the kernel needs for the hardware."""

    lines: tuple[str, ...] = ()
    """Lines to add to config.txt, in this order; the lines for buses come first."""
    devices: tuple[tuple[int, str, int], ...] = ()
    """I2C chips without an overlay, to be written to `new_device` at each start: bus, name, address."""


def kernel_configuration(
    sensors: Iterable[SensorSettings], *, rtc: str | None = None, pps: int | None = None
) -> KernelConfiguration:
    """Return the configuration for these sensors and clocks.

    `rtc` is the name of a clock chip on the header's I2C bus. `pps` is the BCM number of the pin that
    receives a pulse per second.
    """
    collected = _Collected()
    for sensor in sensors:
        options = sensor.options
        kind = kind_named(sensor.kind)
        if kind.pin_overlay is not None:
            collected.add_overlay(kind.pin_overlay(options))
        chip = kind.chip(getattr(options, "chip", None))
        if chip is not None:
            address = getattr(options, "address", None)
            collected.add(
                chip,
                getattr(options, "bus", None),
                address if isinstance(address, int) else None,
                options.chip_inputs,
            )
    collected.add_inputs()
    if rtc is not None:
        collected.buses[_HEADERS_I2C] = None
        collected.add_overlay(f"i2c-rtc,{rtc}")
    if pps is not None:
        collected.add_overlay(f"pps-gpio,gpiopin={pps}")
    overlays = (line for lines in collected.overlays for line in lines)
    return KernelConfiguration((*sorted(collected.buses), *overlays), tuple(collected.devices))


@dataclass(slots=True)
class _Collected:
    """Lines and chips collected so far, without duplicates, in the order in which they were added."""

    buses: dict[str, None] = field(default_factory=dict)
    overlays: dict[tuple[str, ...], None] = field(default_factory=dict)
    """Lines of each overlay."""
    devices: dict[tuple[int, str, int], None] = field(default_factory=dict)
    inputs: dict[tuple[str, int, int], tuple[Chip, list[Any]]] = field(default_factory=dict)
    """Chips whose overlay depends on the inputs in use, each with these inputs.

    The keys are the chip's name, bus and address.
    """

    def add(self, chip: Chip, bus: int | None, address: int | None, inputs: Sequence[Any]) -> None:
        bus = chip.wiring.usual_bus if bus is None else bus
        address = chip.usual_address if address is None else address
        if chip.wiring is not Wiring.ONE_WIRE:  # its overlay also enables the bus
            self.buses[_bus_line(chip.wiring, bus)] = None
        if chip.inputs_overlay is not None:
            self.inputs.setdefault((chip.title, bus, address), (chip, []))[1].extend(inputs)
        elif chip.overlay is None:
            self.devices[bus, chip.device, address] = None
        else:
            self.add_overlay(chip.overlay(bus, address))

    def add_overlay(self, overlay: str) -> None:
        """Add the lines of an overlay, which is written with its parameters."""
        self.overlays[overlay_lines(overlay)] = None

    def add_inputs(self) -> None:
        """Add the lines of the chips whose overlay depends on all sensors of the chip."""
        for (_, bus, address), (chip, inputs) in self.inputs.items():
            assert chip.inputs_overlay is not None
            self.add_overlay(chip.inputs_overlay(bus, address, inputs))


def _bus_line(wiring: Wiring, bus: int) -> str:
    if wiring is Wiring.I2C:
        return _HEADERS_I2C if bus == 1 else f"dtoverlay=i2c{bus}"
    return _HEADERS_SPI if bus == 0 else f"dtoverlay=spi{bus}-3cs"
