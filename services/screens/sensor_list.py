"""Every sensor's current value, age, rate and faults, as text and as JSON."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import TYPE_CHECKING, Final

from sensors.presentation import format_value
from sensors.units import format_duration
from services.console.environment import Environment
from services.console.output import moment_json
from services.console.stores import chosen_vessel, own_vessel, reading_store
from services.history.current import CurrentValue, from_documents, from_recorder
from services.state.recorder_state import read
from services.terminal.present import Screen, Style, count, moment_text, paint, thousands, wrap
from services.terminal.table import fitted

if TYPE_CHECKING:
    from services.schemas.recording import Sensors, SensorValue

HEAD: Final = ("sensor", "value", "state", "age", "rate", "name")


@dataclass(frozen=True, slots=True)
class SensorList:
    """All sensors of a vessel at one point in time."""

    vessel: str
    sensors: Sequence[CurrentValue]
    why_not: str
    """Reason why the values are out of date, as a clause; '' if the values are current."""
    faults: Sequence[str] = ()


def view(args: Namespace, world: Environment) -> SensorList:
    """Return the sensors' current values, or their last recorded values if no recorder is running.

    Raise FailedError if there is neither a running recorder nor a store.
    """
    sight = read(args.run, boottime=world.boottime, alive=world.alive)
    state = sight.state
    if sight.is_live and state is not None and args.vessel in (None, state.vessel):
        return SensorList(state.vessel, from_recorder(state, boottime=world.boottime), "")
    with reading_store(args) as database:
        if args.vessel is None:
            vessel, why_not = own_vessel(args, database), sight.why_not
        else:
            vessel = chosen_vessel(args, database)
            why_not = "these are another vessel's sensors"
        current, faults = from_documents(database, vessel, utc=world.utc)
    return SensorList(vessel, current, why_not, faults)


def lines(listed: SensorList, where: Screen) -> list[str]:
    """Return the lines of the table of sensors, preceded by any remarks about the values."""
    rows = [cells(current) for current in listed.sensors]
    title = wrap(f"{listed.vessel}: {count(len(rows), 'sensor')}", where.width)
    shown = [paint(line, Style.TITLE, where) for line in title]
    if listed.why_not:
        shown += [paint(line, Style.WARN, where) for line in wrap(old_words(listed, where.zone), where.width)]
    if rows:
        heads, blocks = fitted([HEAD, *rows], right=(1, 3, 4), plain=(1, 2, 5), width=where.width)
        shown += [paint(line, Style.TITLE, where) for line in heads]
        for current, block in zip(listed.sensors, blocks, strict=True):
            shown += [paint(line, _style(current), where) for line in block]
    for fault in listed.faults:
        shown += wrap(f"skipped: {fault}", where.width)
    return shown


def _style(current: CurrentValue) -> Style | None:
    if current.alarm is not None:
        return Style.BAD
    return Style.WARN if current.is_faulty else None


def cells(current: CurrentValue) -> tuple[str, ...]:
    """Return the cells of a sensor's row, in the order of the columns in `HEAD`."""
    return (
        current.sensor,
        format_value(current.value, current.unit, path=current.path, shown_in=current.display),
        state_words(current),
        "-" if current.age is None else format_duration(round(current.age, 1)),
        "-" if current.rate is None else f"{_rate(current.rate)}/s",
        current.name,
    )


def _rate(rate: float) -> str:
    return thousands(round(rate)) if rate >= 100 else f"{rate:.3g}"


def old_words(listed: SensorList, place: tzinfo) -> str:
    """Return a remark that states why the values are not current, and the time of the newest value."""
    newest = max((s.moment for s in listed.sensors), key=lambda moment: moment.utc or 0.0, default=None)
    until = "" if newest is None else f", the newest from {moment_text(newest, place)}"
    return f"{listed.why_not}; showing the last values in documents{until}"


def state_words(current: CurrentValue) -> str:
    """Return a description of a sensor's fault and alarm."""
    parts = []
    if current.state is None:
        parts.append("no data yet")
    elif current.is_faulty:
        parts.append(current.state.upper() + (f": {current.detail}" if current.detail else ""))
    if current.alarm is not None:
        parts.append(f"{current.alarm} active")
    return "; ".join(parts) or "good"


def as_json(listed: SensorList) -> "Sensors":
    """Return the list as an object for JSON output."""
    from services.schemas.recording import Sensors

    return Sensors(
        vessel=listed.vessel,
        live=not listed.why_not,
        why_not=listed.why_not or None,
        sensors=[_json(current) for current in listed.sensors],
        faults=listed.faults,
    )


def _json(current: CurrentValue) -> "SensorValue":
    from services.schemas.recording import SensorValue

    moment = moment_json(current.moment)
    return SensorValue(
        sensor=current.sensor,
        name=current.name,
        path=current.path,
        unit=current.unit,
        value=current.value,
        state=current.state,
        detail=current.detail,
        time=moment.time,
        uncertainty=moment.uncertainty,
        trust=moment.trust,
        age=current.age,
        rate=current.rate,
        alarm=current.alarm,
        seq=current.sequence,
    )
