"""Detects sensors that claim a resource which another sensor, a light or the board already uses.

The resources are ids, GPIO lines, bus lines, chip addresses and channels. Each conflict is reported for the
second of the two sensors. The report names the first sensor with its line number. For a GPIO line, the report
also lists free lines. A bus with too little time to read all its sensors is reported for its last sensor.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sensors.chips.sysfs import Chip
from sensors.kind import SensorDraft, SensorKind
from sensors.toml.schema import unique

from . import shared_pins
from .sections import PPS, VESSEL_FILE
from .shared_pins import name_of

PROPOSED_PINS: Final = (5, 6, 12, 13, *range(16, 28))
"""BCM numbers of the header's pins that have no other function."""
EEPROM_PINS: Final = (0, 1)
"""Pins through which the Pi reads a HAT's EEPROM at boot (Raspberry Pi HAT design guide)."""
BUS_PINS: Final[Mapping[str, tuple[int, ...]]] = {
    "i2c-1": (2, 3),
    "spi-0": (7, 8, 9, 10, 11),
    "spi-1": (16, 17, 18, 19, 20, 21),
    "w1": (4,),
}
"""GPIO lines that each bus occupies, by the name of the bus (`/boot/firmware/overlays/README`)."""
_PROPOSED: Final = 3
_ROUNDING: Final = 1e-9
"""Allowance for rounding errors in sums of times and of shares of time."""


def check(drafts: Sequence[SensorDraft], reserved: Mapping[int, str]) -> None:
    """Report every conflict between sensors, and between a sensor and the user of a reserved pin.

    `reserved` maps each pin that something other than a sensor uses to the name of its user: a light under
    [lights], or `pps`.
    """
    unique(
        ((draft.table, draft.valid_value("id")) for draft in drafts),
        "id",
        "id of another sensor",
        "Choose another id.",
    )
    _check_pins(drafts, reserved)
    _check_chips(drafts)
    _check_time(drafts)


def _lane(draft: SensorDraft) -> str | None:
    """Return the name of a sensor's bus, or None if the sensor has no bus or the bus is unknown."""
    chip = _chip(draft)
    return None if chip is None else chip.wiring.lane(draft.valid_value("bus"))


def _chip(draft: SensorDraft) -> Chip | None:
    return None if draft.kind is None else draft.kind.chip(draft.values.get("chip"))


# GPIO lines ----------------------------------------------------------------------------------------


def _check_pins(drafts: Sequence[SensorDraft], reserved: Mapping[int, str]) -> None:
    taken: dict[int, str] = dict.fromkeys(EEPROM_PINS, "is used at boot to read a HAT's EEPROM")
    for draft in drafts:
        lane = _lane(draft)
        if lane is None:
            continue
        for pin in BUS_PINS.get(lane, ()):
            taken.setdefault(pin, f"belongs to bus {lane}, which {name_of(draft)} uses")
        _check_lights(draft, lane, reserved)
    users: dict[int, list[SensorDraft]] = defaultdict(list)
    pins = {draft.valid_value("pin") for draft in drafts}
    free = [pin for pin in PROPOSED_PINS if pin not in taken and pin not in reserved and pin not in pins]
    choose = f"Choose another pin (free: {_some(free)})"
    for draft in drafts:
        pin = draft.valid_value("pin")
        if pin is None:
            continue
        earlier = users[pin]
        if pin in taken:
            draft.table.complain("pin", f"{pin} {taken[pin]}", f"{choose}.")
        elif pin in reserved:
            draft.table.complain(
                "pin",
                f"{pin} is used by {_holder(reserved[pin])}",
                f"{choose}, or {_release(reserved[pin])}.",
            )
        else:
            shared_pins.check(pin, earlier, draft, choose)
        earlier.append(draft)


def _check_lights(draft: SensorDraft, lane: str, reserved: Mapping[int, str]) -> None:
    lights = [pin for pin in BUS_PINS.get(lane, ()) if pin in reserved]
    if lights:
        pin = lights[0]
        draft.table.complain(
            "bus" if "bus" in draft.table.data else "",
            f"bus {lane} needs pin {pin}, which is used by {_holder(reserved[pin])}",
            f"Use another bus, or {_release(reserved[pin])}.",
        )


def _holder(name: str) -> str:
    """Return a phrase that names the user of a reserved pin."""
    return "the satellite receiver's pulse ([clock] pps)" if name == PPS else f"the {name} light"


def _release(name: str) -> str:
    """Return advice on how to free a reserved pin."""
    if name == PPS:
        return f"set pps to another pin under [clock] in {VESSEL_FILE}"
    return f"set {name} = 0 under [lights] in {VESSEL_FILE}"


def _some(free: Sequence[int]) -> str:
    named = ", ".join(str(pin) for pin in free[:_PROPOSED])
    return f"{named} …" if len(free) > _PROPOSED else named or "none"


# Chips ---------------------------------------------------------------------------------------------


def _check_chips(drafts: Sequence[SensorDraft]) -> None:
    on_bus: dict[str, list[SensorDraft]] = defaultdict(list)
    for draft in drafts:
        lane = _lane(draft)
        if lane is not None and draft.table.faulty.isdisjoint(
            {"bus", "address", "chip", "measure", "channel"}
        ):
            on_bus[lane].append(draft)
    for lane, those in on_bus.items():
        _check_addresses(lane, those)
        _check_quantities(those)


def _address(draft: SensorDraft) -> int | str | None:
    """Return the address of a sensor's chip. None means the only chip of its type on the bus."""
    address: int | str | None = draft.values["address"]
    return address


def _check_addresses(lane: str, drafts: Sequence[SensorDraft]) -> None:
    """Report chips that share an address, and a missing address if the bus has several chips of the type."""
    owners: dict[int | str, SensorDraft] = {}
    for draft in drafts:
        chip, address = _chip(draft), _address(draft)
        assert chip is not None
        earlier = owners.setdefault(chip.usual_address if address is None else address, draft)
        if _chip(earlier) is not chip:
            where = chip.wiring.describe(
                draft.valid_value("bus"), chip.usual_address if address is None else int(address)
            )
            draft.table.complain(
                "address",
                f"{name_of(earlier)} is a different chip at the same address ({where})",
                "Correct one of the addresses.",
            )
    for alike in _by_chip(drafts):
        if len({_address(draft) for draft in alike}) > 1:
            for draft in alike:
                if _address(draft) is None:
                    draft.table.complain(
                        "address",
                        f"{lane} has several of these chips, and this sensor has no address",
                        "Set address.",
                    )


def _by_chip(drafts: Iterable[SensorDraft]) -> Iterable[list[SensorDraft]]:
    """Return the sensors' drafts, grouped by the type of chip."""
    groups: dict[str, list[SensorDraft]] = defaultdict(list)
    for draft in drafts:
        chip = _chip(draft)
        assert chip is not None
        groups[chip.title].append(draft)
    return groups.values()


def _check_quantities(drafts: Iterable[SensorDraft]) -> None:
    """Report a problem if two sensors read the same quantity or channel of one chip."""
    first: dict[tuple[object, ...], SensorDraft] = {}
    for draft in drafts:
        by = "channel" if "channel" in draft.values else "measure"
        quantity = draft.values[by]
        chip = _chip(draft)
        assert chip is not None
        earlier = first.setdefault((chip.title, _address(draft), by, quantity), draft)
        if earlier is not draft:
            key = by if by in draft.table.data else ""
            draft.table.complain(
                key,
                f"{by} {quantity} of this chip is already read by {name_of(earlier)}",
                "Read another quantity, or give each chip its address.",
            )


# Time ----------------------------------------------------------------------------------------------


def _check_time(drafts: Iterable[SensorDraft]) -> None:
    """Report each bus on which reading all sensors one after another takes longer than their intervals."""
    on_bus: dict[str, list[tuple[SensorDraft, SensorKind]]] = defaultdict(list)
    for draft in drafts:
        lane = _lane(draft)
        if lane is not None and draft.kind is not None and draft.kind.read_s:
            on_bus[lane].append((draft, draft.kind))
    for lane, those in on_bus.items():
        busy = sum(kind.read_s / draft.values["interval"] for draft, kind in those)
        if busy <= 1 + _ROUNDING:
            continue
        draft, kind = those[-1]
        chip = _chip(draft)
        assert chip is not None
        available_s = max(each.values["interval"] for each, _ in those)
        least_s = math.ceil(sum(kind.read_s for _, kind in those) - _ROUNDING)
        draft.table.warn(
            next((key for key in ("every", "rate") if key in draft.table.data), ""),
            f"{chip.wiring.title} bus {lane} needs {busy * available_s:.4g} s for the readings of its"
            f" {len(those)} sensors in {available_s:.4g} s, because it reads them one after another"
            f" ({kind.read_s:g} s each)",
            f'Write every = "{least_s} s" or more for each sensor on this bus, or remove sensors.',
        )
