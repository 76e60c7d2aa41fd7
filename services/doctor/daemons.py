"""Daemon checks: whether the daemons are working, and the state of their systemd units."""

from datetime import UTC, datetime
from typing import Final

from sensors.units import format_duration
from services.logs import error_log
from services.state import crash_loops
from services.state.recorder_state import RecordingStatus, recording_status
from services.state.thresholds import DURABLE_WITHIN_S
from services.terminal.present import count

from .context import Appliance
from .findings import Finding, bad, good, skipped, warn

UNITS: Final = ("logboat-recorder", "logboat-sync", "logboat-lights")
_MANY: Final = 5
_RESTART: Final = "Run `systemctl restart logboat-recorder`, and check the card."


def recorder(appliance: Appliance) -> Finding:
    """Check that the recorder is recording."""
    sight = appliance.recorder_sight
    state = sight.state
    match recording_status(sight, boottime=appliance.boottime):
        case RecordingStatus.NOT_RUNNING:
            return bad(
                sight.why_not,
                "Run `systemctl restart logboat-recorder`. "
                "To see why it stopped, run `journalctl -u logboat-recorder`.",
            )
        case RecordingStatus.FAULT:
            fault = "" if state is None else state.fault or ""
            return bad(fault, "Fix the fault shown; nothing is recorded until then.")
        case RecordingStatus.NOTHING_YET:
            return bad("no sample has been committed yet", _RESTART)
        case RecordingStatus.STALLED:
            return bad(f"no sample has been committed for {DURABLE_WITHIN_S:g} s", _RESTART)
        case RecordingStatus.RECORDING:
            assert state is not None
            assert state.last_durable is not None
            age = max(0.0, appliance.boottime - state.last_durable.clock)
            return good(f"last sample committed {age:.1f} s ago")


def sync(appliance: Appliance) -> Finding:
    """Check that the sync daemon is running."""
    sight = appliance.sync_sight
    if not sight.is_live:
        return bad(
            sight.why_not,
            "Run `systemctl restart logboat-sync`. To see why it stopped, run `journalctl -u logboat-sync`.",
        )
    return good("running")


def lights(appliance: Appliance) -> Finding:
    """Check that the lights daemon is running, so that the lights show the current state."""
    sight = appliance.lights_sight
    if sight.state is None:
        return warn(f"{sight.why_not}: the lights are off", "Run `systemctl start logboat-lights`.")
    if not sight.is_live:
        return bad(
            f"{sight.why_not}: the lights show an old state, or nothing",
            "Run `systemctl restart logboat-lights`.",
        )
    if sight.state.why_dark is not None:
        return warn(
            f"the lights are off: {sight.state.why_dark}",
            'In [lights], choose other pins, 0 for no light, or single = "ACT" for the board\'s LED.',
        )
    return good("the lights show the current state")


def failed(appliance: Appliance) -> Finding:
    """Check whether systemd lists any failed units."""
    try:
        output = appliance.ask(("systemctl", "list-units", "--failed", "--plain", "--no-legend"))
    except OSError:
        return skipped("this machine has no systemd")
    names = [line.split()[0] for line in output.splitlines() if line.strip()]
    if names:
        return bad(
            ", ".join(names), f"Run `systemctl status {names[0]}`, then `systemctl restart {names[0]}`."
        )
    return good("no failed units")


def restarts(appliance: Appliance) -> Finding:
    """Check whether a daemon has exited and been restarted repeatedly."""
    now = crash_loops.find_crash_loops(appliance.run, clock=appliance.boottime)
    if now:
        unit = f"logboat-{now[0].daemon}"
        return bad(
            str(now[0]), f"To see why, run `journalctl -u {unit}`. The daemon is restarted every 30 s."
        )
    try:
        output = appliance.ask(("systemctl", "show", "-p", "Id,NRestarts", *UNITS))
    except OSError:
        return skipped("this machine has no systemd")
    name, many = "", []
    for line in output.splitlines():
        key, _, value = line.partition("=")
        if key == "Id":
            name = value
        elif key == "NRestarts" and value.isdecimal() and int(value) >= _MANY:
            many.append(f"{name} {value} times")
    if many:
        return warn(
            f"restarted since boot: {', '.join(many)}",
            "To see why, run `journalctl -u` with the name of the daemon.",
        )
    return good("no daemon has restarted often")


def errors(appliance: Appliance) -> Finding:
    """Check whether the daemons have logged errors recently, including errors preserved across power cuts."""
    lines = error_log.recent(appliance.data, utc=appliance.utc, within_s=_LATELY_S)
    if not lines:
        return good(f"no errors in the last {format_duration(_LATELY_S)}")
    last = lines[-1]
    moment = datetime.fromtimestamp(last.utc, UTC)
    return warn(
        f"{count(len(lines), 'error')} in the last {format_duration(_LATELY_S)}; last from"
        f" {last.line.daemon}, {moment:%Y-%m-%d %H:%M:%S}Z: {last.line.text}",
        f"{appliance.data / error_log.NAME} contains all errors; `logboat bundle` collects them for your"
        " support contact.",
    )


_LATELY_S: Final = 86_400.0
