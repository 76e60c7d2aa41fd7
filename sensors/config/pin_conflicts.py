"""Detects sensors and buses that claim a pin of the header that is already in use.

Pins can be used by sensors, buses, lights, the clock and the board. Each conflict is reported for the second
of two sensors, with the line number of the first sensor and a list of free pins.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sensors.header_pins import BUSES, CLOCK_BUS, OTHER_BUSES, BusLine
from sensors.kind import SensorDraft

from . import shared_pins
from .sections import PPS, RTC, VESSEL_FILE

PROPOSED_PINS: Final = (5, 6, 12, 13, *range(16, 28))
"""BCM numbers of the header's pins that have no other function."""
EEPROM_PINS: Final = (0, 1)
"""Pins through which the Pi reads a HAT's EEPROM at boot (Raspberry Pi HAT design guide)."""
_PROPOSED: Final = 3


@dataclass(frozen=True, slots=True)
class _Claim:
    """Reason why a pin cannot be used by a sensor."""

    text: str
    only_new: bool = False
    """True if only a new file is rejected, because files in use may already contain such a conflict."""


def check(drafts: Sequence[SensorDraft], reserved: Mapping[int, str], *, outputs: Container[int]) -> None:
    """Report every pin that has two users. The arguments are those of `conflicts.check`."""
    others = {pin: name for pin, name in reserved.items() if name != RTC}
    _check_buses(drafts)
    for draft in drafts:
        _check_lights(draft, others)
    claims = _claims(drafts, has_clock_chip=RTC in reserved.values())
    users: dict[int, list[SensorDraft]] = {}
    pins: Container[int | None] = {draft.valid_value("pin") for draft in drafts}
    taken = (claims, others, pins, outputs)
    free = [pin for pin in PROPOSED_PINS if not any(pin in users for users in taken)]
    choose = f"Choose another pin (free: {some(free)})"
    for draft in drafts:
        pin = draft.valid_value("pin")
        if pin is None:
            continue
        earlier = users.setdefault(pin, [])
        if pin in claims:
            report = draft.table.warn if claims[pin].only_new else draft.table.complain
            report("pin", f"{pin} {claims[pin].text}", f"{choose}.")
        elif pin in others:
            draft.table.complain(
                "pin", f"{pin} is used by {holder(others[pin])}", f"{choose}, or {release(others[pin])}."
            )
        else:
            shared_pins.check(pin, earlier, draft, choose)
        earlier.append(draft)


def _claims(drafts: Sequence[SensorDraft], *, has_clock_chip: bool) -> Mapping[int, _Claim]:
    """Return the reasons why pins are not available, by BCM number. Claims on every board are first."""
    claims = dict.fromkeys(EEPROM_PINS, _Claim("is used at boot to read a HAT's EEPROM"))
    used = [(draft, draft.lane or "") for draft in drafts]
    for draft, lane in sorted(used, key=lambda each: each[1] in OTHER_BUSES):
        for line in BUSES.get(lane, ()):
            text = f"belongs to bus {lane}{line.on_board}, which {draft.with_line} uses"
            claims.setdefault(line.bcm, _Claim(text, only_new=lane in OTHER_BUSES))
    if has_clock_chip:
        for line in BUSES[CLOCK_BUS]:
            text = f"belongs to bus {CLOCK_BUS}, which the clock chip ([clock] rtc) uses"
            claims.setdefault(line.bcm, _Claim(text, only_new=True))
    return claims


def _check_buses(drafts: Sequence[SensorDraft]) -> None:
    """Report each bus that needs a line of another bus."""
    first: dict[str, SensorDraft] = {}
    for draft in drafts:
        lane = draft.lane
        if lane is None or lane in first:
            continue
        for other, user in first.items():
            line = _common(BUSES.get(lane, ()), BUSES.get(other, ()))
            if line is not None:
                draft.table.warn(
                    _bus_key(draft),
                    f"bus {lane} needs pin {line.bcm}{line.on_board}, which belongs to bus {other}, which"
                    f" {user.with_line} uses",
                    "Use another bus for one of them.",
                )
                break
        first[lane] = draft


def _common(lines: Sequence[BusLine], others: Sequence[BusLine]) -> BusLine | None:
    """Return the first line that two buses both need on the same board, or None.

    The result names the board unless the conflict exists on every board.
    """
    for line in lines:
        for other in others:
            same_board = "" in (line.board, other.board) or line.board == other.board
            if line.bcm == other.bcm and same_board:
                return line if line.board else other
    return None


def _check_lights(draft: SensorDraft, reserved: Mapping[int, str]) -> None:
    lane = draft.lane or ""
    line = next((line for line in BUSES.get(lane, ()) if line.bcm in reserved), None)
    if line is not None:
        name = reserved[line.bcm]
        report = draft.table.warn if lane in OTHER_BUSES else draft.table.complain
        report(
            _bus_key(draft),
            f"bus {lane} needs pin {line.bcm}{line.on_board}, which is used by {holder(name)}",
            f"Use another bus, or {release(name)}.",
        )


def _bus_key(draft: SensorDraft) -> str:
    return "bus" if "bus" in draft.table.data else ""


def holder(name: str) -> str:
    """Return a phrase that names the user of a reserved pin."""
    return "the satellite receiver's pulse ([clock] pps)" if name == PPS else f"the {name} light"


def release(name: str) -> str:
    """Return advice on how to free a reserved pin."""
    if name == PPS:
        return f"set pps to another pin under [clock] in {VESSEL_FILE}"
    return f"set {name} = 0 under [lights] in {VESSEL_FILE}"


def some(free: Sequence[int]) -> str:
    """Return a text that lists the first few free pins."""
    named = ", ".join(str(pin) for pin in free[:_PROPOSED])
    return f"{named} …" if len(free) > _PROPOSED else named or "none"
