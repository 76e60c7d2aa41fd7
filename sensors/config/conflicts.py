"""Detects sensors that claim a resource which another sensor, a light or the board already uses.

The resources are ids, chip addresses and channels; `pin_conflicts` checks the pins of the header. Each
conflict is reported for the second of the two sensors. The report names the first sensor with its line
number. If a bus has too little time to read all its sensors, this is reported for the last of them.
"""

import math
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Final

from sensors.chips.sysfs import Wiring
from sensors.kind import SensorDraft, SensorKind
from sensors.toml.schema import unique

from . import pin_conflicts

_ROUNDING: Final = 1e-9
"""Allowance for rounding errors in sums of times and of shares of time."""


def check(
    drafts: Sequence[SensorDraft], reserved: Mapping[int, str], *, outputs: Container[int] = ()
) -> None:
    """Report every conflict between sensors, and between a sensor and the user of a reserved pin.

    `reserved` maps each pin that something other than a sensor uses to the name of its user: a light under
    [lights], `pps` or `rtc`. The pins in `outputs` are not proposed; conflicts with them are reported for the
    outputs.
    """
    unique(
        ((draft.table, draft.valid_value("id")) for draft in drafts),
        "id",
        "id of another sensor",
        "Choose another id.",
    )
    pin_conflicts.check(drafts, reserved, outputs=outputs)
    _check_chips(drafts)
    _check_time(drafts)


# Chips ---------------------------------------------------------------------------------------------


def _check_chips(drafts: Sequence[SensorDraft]) -> None:
    on_bus: dict[str, list[SensorDraft]] = defaultdict(list)
    for draft in drafts:
        lane = draft.lane
        if lane is not None and draft.table.faulty.isdisjoint(
            {"bus", "address", "chip", "measure", "channel", "input"}
        ):
            on_bus[lane].append(draft)
    for lane, those in on_bus.items():
        _check_addresses(lane, those)
        _check_quantities(those)
        _check_inputs(those)


def _address(draft: SensorDraft) -> int | str | None:
    """Return the address of a sensor's chip. None means the only chip of its type on the bus."""
    address: int | str | None = draft.values["address"]
    return address


def _check_addresses(lane: str, drafts: Sequence[SensorDraft]) -> None:
    """Report chips that share an address, and a missing address if the bus has several chips of the type."""
    owners: dict[int | str, SensorDraft] = {}
    for draft in drafts:
        chip, address = draft.chip, _address(draft)
        assert chip is not None
        if address is None and chip.wiring is Wiring.ONE_WIRE:
            continue  # there is no usual address: the family of the chip distinguishes it from others
        earlier = owners.setdefault(chip.usual_address if address is None else address, draft)
        if earlier.chip is not chip:
            where = (
                f"{lane}, {address}"
                if isinstance(address, str)
                else chip.wiring.describe(
                    draft.valid_value("bus"), chip.usual_address if address is None else address
                )
            )
            draft.table.complain(
                "address",
                f"{earlier.with_line} is a different chip at the same address ({where})",
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
        chip = draft.chip
        assert chip is not None
        groups[chip.title].append(draft)
    return groups.values()


def _check_quantities(drafts: Iterable[SensorDraft]) -> None:
    """Report a problem if two sensors read the same quantity or channel of one chip."""
    first: dict[tuple[object, ...], SensorDraft] = {}
    for draft in drafts:
        by = next(key for key in ("channel", "input", "measure") if key in draft.values)
        # several sensors can read an input of a GPIO expander, each with another quantity
        quantities = {key: draft.values[key] for key in dict.fromkeys((by, "measure")) if key in draft.values}
        chip = draft.chip
        assert chip is not None
        earlier = first.setdefault((chip.title, _address(draft), *quantities.items()), draft)
        if earlier is not draft:
            key = by if by in draft.table.data else ""
            read = " with ".join(f"{each} {value}" for each, value in quantities.items())
            draft.table.complain(
                key,
                f"{read} of this chip is already read by {earlier.with_line}",
                "Read another quantity, or give each chip its address.",
            )


def _check_inputs(drafts: Iterable[SensorDraft]) -> None:
    """Report each chip from which sensors read more inputs than the chip's overlay can configure."""
    inputs: dict[tuple[object, ...], set[object]] = defaultdict(set)
    for draft in drafts:
        chip = draft.chip
        if chip is None or chip.most_inputs is None:
            continue
        used = inputs[chip.title, _address(draft)]
        used.add(draft.values.get("channel"))
        if len(used) > chip.most_inputs:
            draft.table.complain(
                "channel",
                f"the kernel's overlay sets at most {chip.most_inputs} inputs of one {chip.title}",
                f"Use a second {chip.title} with another address.",
            )


# Time ----------------------------------------------------------------------------------------------


def _check_time(drafts: Iterable[SensorDraft]) -> None:
    """Report each bus on which reading all sensors one after another takes longer than their intervals."""
    on_bus: dict[str, list[tuple[SensorDraft, SensorKind]]] = defaultdict(list)
    for draft in drafts:
        lane = draft.lane
        if lane is not None and draft.kind is not None and draft.kind.read_s:
            on_bus[lane].append((draft, draft.kind))
    for lane, those in on_bus.items():
        busy = sum(kind.read_s / draft.values["interval"] for draft, kind in those)
        if busy <= 1 + _ROUNDING:
            continue
        draft, kind = those[-1]
        chip = draft.chip
        assert chip is not None
        available_s = max(each.values["interval"] for each, _ in those)
        least_s = math.ceil(sum(kind.read_s for _, kind in those) - _ROUNDING)
        draft.table.warn(
            next((key for key in ("every", "rate") if key in draft.table.data), ""),
            f"{chip.wiring.title} bus {lane} is too slow. It reads its {len(those)} sensors one after another"
            f" ({kind.read_s:g} s each), so the readings that are due every {available_s:.4g} s would take"
            f" {busy * available_s:.4g} s",
            f'Write every = "{least_s} s" or more for each sensor on this bus, or remove sensors.',
        )
