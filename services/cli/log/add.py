"""`logboat log SENSOR --add VALUE`: adds a reading by hand, through the running recorder."""

import math
from argparse import Namespace
from typing import TYPE_CHECKING, Final

from sensors import units
from sensors.plausibility import impossible_value, is_far, missing_unit
from sensors.signalk_paths import is_temperature_difference
from sensors.state import is_fault
from sensors.units import InputError
from services.console.environment import Environment
from services.console.errors import FailedError, UsageError
from services.console.output import print_json, say, tell
from services.console.stores import reading_store, undocumented_samples

from .view import shown

if TYPE_CHECKING:
    from services.state.recorder_state import LiveSensor

YES: Final = frozenset({"active", "on", "true", "yes", "1"})
NO: Final = frozenset({"inactive", "off", "false", "no", "0"})
_LARGEST_WHOLE: Final = 1e15
"""Smallest magnitude at which messages show a whole number as a float."""


def add(args: Namespace, world: Environment) -> int:
    """Send a value to the recorder, and return 0 once it is durable."""
    from services.state.recorder_state import read
    from services.system.control_socket import Addition, ControlError, ask

    if args.vessel is not None:
        raise UsageError("--add works for this vessel's own sensors only; omit --vessel")
    sight = read(args.run, boottime=world.boottime, alive=world.alive)
    if not sight.is_live or sight.state is None:
        raise FailedError(f"{sight.why_not}; only the recorder can add to the log")
    sensor = sight.state.sensors.get(args.sensor)
    manual = [name for name, sensor in sight.state.sensors.items() if sensor.kind == "manual"]
    if sensor is None or sensor.kind != "manual":
        what = (
            f"unknown sensor {args.sensor!r}"
            if sensor is None
            else f"sensor {args.sensor!r} is of kind {sensor.kind} and accepts no manual values"
        )
        raise UsageError(f"{what}; sensors of kind manual: {', '.join(manual) or 'none'}")
    value = parse_value(args.add, sensor.unit, path=sensor.path)
    _confirm_if_far(args, world, value, vessel=sight.state.vessel, sensor=sensor)
    try:
        answer = ask(args.run, Addition(sensor=args.sensor, value=value))
    except ControlError as error:
        raise FailedError(str(error)) from error
    if not answer.ok:
        raise FailedError(answer.error or "the recorder rejected the value and gave no reason")
    if args.json:
        from services.schemas.recording import LogAdded

        print_json(
            LogAdded(
                vessel=sight.state.vessel,
                sensor=args.sensor,
                log=answer.log or "",
                seq=answer.sequence or 0,
                value=value,
                unit=sensor.unit,
            )
        )
    else:
        text = shown(value, sensor.unit, sensor.path, raw=args.raw_units, shown_in=sensor.display)
        tell(f"recorded {text}: number {answer.sequence} of log {answer.log}")
    return 0


def _confirm_if_far(
    args: Namespace, world: Environment, value: bool | float, *, vessel: str, sensor: "LiveSensor"
) -> None:
    """Ask for confirmation if a value is far from all earlier values.

    Raise FailedError if the user does not confirm the value. With `--yes`, print the reason for the question
    instead of asking.
    """
    if isinstance(value, bool):
        return
    before = _values_before(args, vessel, sensor)
    if not is_far(value, before, sensor.unit, path=sensor.path):
        return
    named = (value, min(before), max(before))
    new, low, high = (
        shown(each, sensor.unit, sensor.path, raw=args.raw_units, shown_in=sensor.display) for each in named
    )
    earlier = f"all earlier values ({low} to {high})" if low != high else f"the earlier value ({low})"
    say(f"{new} is far from {earlier}")
    if not args.yes and world.ask("Record it? Type yes: ").strip().lower() != "yes":
        raise FailedError("nothing was recorded")


def _values_before(args: Namespace, vessel: str, sensor: "LiveSensor") -> list[float]:
    """Return the sensor's earlier good values that were recorded in its current unit.

    The recorder can also record a value while the document store cannot be read. Then only the last value is
    returned.
    """
    from services.history.samples import History

    newest = undocumented_samples(args)
    last = None if is_fault(sensor.state) else sensor.value
    try:
        with reading_store(args) as database:
            history = History(database, vessel=vessel, sensor=args.sensor, undocumented=newest)
            samples = history.samples()
            found = [each.value for each in samples if each.unit == sensor.unit and not is_fault(each.state)]
    except FailedError:
        found = []
    return [float(each) for each in (*found, last) if each is not None]


def parse_value(text: str, unit: str, *, path: str) -> bool | float:
    """Parse a value that a user typed, and convert it to `unit`, the SI unit of the sensor with this path.

    Raise UsageError if the text is not a valid value, if the quantity cannot have the value, or if a number
    needs a unit and has none.
    """
    if unit == "bool":
        word = text.strip().casefold()
        if word not in YES | NO:
            raise UsageError(f"{text!r} is not a valid value; write active or inactive")
        return word in YES
    number = _plain_number(text)
    if number is not None and not math.isfinite(number):
        raise UsageError(f"{text!r} is not a valid value; write a finite number")
    written = text if number is None else number
    problem = missing_unit(written, unit, path=path)
    if problem is None:
        try:
            is_difference = is_temperature_difference(path)
            value = (
                units.parse_value(text, unit, difference=is_difference) if number is None else float(number)
            )
        except InputError as error:
            problem = error
        else:
            problem = impossible_value(written, unit, path=path)
    if problem is not None:
        raise UsageError(str(problem))
    return value


def _plain_number(text: str) -> int | float | None:
    """Return the number that a text consists of, or None if the text contains anything else."""
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number.is_integer() and abs(number) < _LARGEST_WHOLE else number
