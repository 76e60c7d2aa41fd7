"""Sets of keys that describe an analog sender. The table of each sensor contains exactly one of these sets.

The first key of a set selects the set. The other keys of the set are required or optional.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sensors.kind import SensorDraft
from sensors.signalk_paths import is_temperature_difference

from .parsers import SenderPoints, calibration_parser, range_parser, sender_parser


@dataclass(frozen=True, slots=True)
class KeySet:
    """Set of keys that are used together to describe a sender."""

    phrase: str
    """Name of the set in messages, which begins with the key that selects it."""
    needs: Mapping[str, str] = field(default_factory=dict)
    """Keys that the set requires, each with an example of its value."""
    may_have: tuple[str, ...] = ()
    unit: str = "V"
    """SI unit of the quantities in `valid`."""


_SELECTING: Final = ("calibration", "sender", "beta", "shunt")
CALIBRATION: Final = KeySet("calibration", {"valid": "[0.3, 3.0]"}, ("open_is_high", "divider"))
THERMISTOR: Final = KeySet(
    "beta", {"r25": '"10 kohm"', "pull_up": '"10 kohm"'}, ("supply", "divider"), unit="ohm"
)
SHUNT: Final = KeySet("shunt", unit="A")
SENDERS: Final[Mapping[str, KeySet]] = {
    "ohm": KeySet("sender in ohm", {"pull_up": '"240 ohm"'}, ("supply", "valid", "divider"), unit="ohm"),
    "A": KeySet("sender in mA", {"loop_resistor": '"150 ohm"'}, ("valid", "divider"), unit="A"),
    "V": KeySet("sender in volts", may_have=("valid", "open_is_high", "divider")),
}
"""Sets with the key `sender`, by the unit of the sender's quantity."""
_SETS: Final = (*SENDERS.values(), THERMISTOR, SHUNT, CALIBRATION)
_DEPENDENT: Final = tuple(dict.fromkeys(name for each in _SETS for name in (*each.needs, *each.may_have)))
_PROPOSAL: Final = (
    "Add sender with pull_up for a resistive sender, sender with loop_resistor for 4-20 mA, sender alone for"
    " a voltage, beta with r25 and pull_up for a thermistor, shunt for a current, or calibration with valid."
)


def read_key_set(draft: SensorDraft) -> KeySet | None:
    """Parse the keys whose form depends on other keys, and return the set to which they belong.

    Reports a missing set, several sets, and keys that are missing or that do not belong to the set. Returns
    None if the set cannot be determined.
    """
    table = draft.table
    selected = [name for name in _SELECTING if name in table.data]
    if not selected:
        if table.faulty.isdisjoint(_SELECTING):
            table.complain("", "no key says how the voltage becomes a value", _PROPOSAL)
        return None
    if len(selected) > 1:
        first, second = selected[:2]
        table.complain(
            second, f"{first} and {second} are both set", "Keep the one that describes the sender."
        )
        return None
    found = _selected(draft, selected[0])
    if found is None:
        return None
    # if the selecting key is wrong, the other keys can belong to the set that was meant
    for name in () if selected[0] in table.faulty else _DEPENDENT:
        if name in table.data and name not in (*found.needs, *found.may_have):
            goes = ", ".join((*found.needs, *found.may_have))
            table.complain(
                name,
                f"this key does not go with {found.phrase}",
                f"Remove it. These keys go with {found.phrase}: {goes}." if goes else "Remove it.",
            )
    for name, example in found.needs.items():
        if selected[0] not in table.faulty and not table.mentions(name):
            table.complain(name, f"{found.phrase} needs this key", f"Add, for example: {name} = {example}")
    if "valid" in table.data and "valid" not in table.faulty:
        draft.values["valid"] = table.value("valid", range_parser(found.unit))
    return found


def _selected(draft: SensorDraft, name: str) -> KeySet | None:
    """Return the set that the key `name` selects; None if the value of that key is invalid."""
    table, values = draft.table, draft.values
    if name in ("beta", "shunt"):
        return THERMISTOR if name == "beta" else SHUNT
    if name in table.faulty:
        return None
    is_difference = is_temperature_difference(draft.valid_value("path") or "")
    if name == "calibration":
        if draft.unit is not None:
            parser = calibration_parser(draft.unit, is_difference=is_difference)
            values[name] = table.value(name, parser)
        return CALIBRATION
    values[name] = points = table.value(name, sender_parser(draft.unit, is_difference=is_difference))
    return SENDERS[points.unit] if isinstance(points, SenderPoints) else None
