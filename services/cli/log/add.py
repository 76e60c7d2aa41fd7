"""`logboat log SENSOR --add VALUE`: adds a reading by hand, through the running recorder."""

import math
from argparse import Namespace
from typing import Final

from sensors.units import InputError, parse
from services.console.environment import Environment
from services.console.errors import FailedError, UsageError
from services.console.output import print_json, tell

from .view import shown

YES: Final = frozenset({"active", "on", "true", "yes", "1"})
NO: Final = frozenset({"inactive", "off", "false", "no", "0"})


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
    value = parse_value(args.add, sensor.unit)
    try:
        answer = ask(args.run, Addition(sensor=args.sensor, value=value))
    except ControlError as error:
        raise FailedError(str(error)) from error
    if not answer.ok:
        raise FailedError(answer.error or "the recorder refused the value and gave no reason")
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
        text = shown(value, sensor.unit, sensor.path, raw=args.raw_units)
        tell(f"recorded {text}: number {answer.sequence} of log {answer.log}")
    return 0


def parse_value(text: str, unit: str) -> bool | float:
    """Return the value that a person typed, converted to `unit`, the sensor's SI unit.

    Raise UsageError if the text is not a valid value.
    """
    if unit == "bool":
        word = text.strip().casefold()
        if word not in YES | NO:
            raise UsageError(f"{text!r} is not a valid value; write active or inactive")
        return word in YES
    try:
        number = float(text)
    except ValueError:
        try:
            return parse(text, unit)
        except InputError as error:
            raise UsageError(str(error)) from error
    if not math.isfinite(number):
        raise UsageError(f"{text!r} is not a valid value; write a finite number")
    return number
