"""The daemons and their units."""

from typing import Final

from services import livestate

from .findings import Finding, bad, good, skipped, warn
from .patient import Patient

_FRESH_S: Final = 10.0
UNITS: Final = ("logboat-recorder", "logboat-sync", "logboat-lights")
_MANY: Final = 5


def recorder(patient: Patient) -> Finding:
    """Whether it records."""
    sight = patient.recorder_sight
    if not sight.is_live or sight.state is None:
        return bad(
            sight.why_not, "systemctl start logboat-recorder; journalctl -u logboat-recorder says why."
        )
    state = sight.state
    if state.fault is not None or not state.recording:
        return bad(
            state.fault or "it does not record", "Put right what it says: nothing is recorded until then."
        )
    age = None if state.last_durable is None else patient.boottime - state.last_durable.clock
    if age is None or age > _FRESH_S:
        return bad(
            "nothing has been made durable for 10 s", "systemctl restart logboat-recorder; check the card."
        )
    return good(f"the last sample is durable since {max(0.0, age):.1f} s")


def sync(patient: Patient) -> Finding:
    """Whether the sync daemon works."""
    sight = patient.sync_sight
    if not sight.is_live:
        return bad(sight.why_not, "systemctl start logboat-sync; journalctl -u logboat-sync says why.")
    return good("it works")


def lights(patient: Patient) -> Finding:
    """Whether the lights tell how things stand."""
    state = livestate.read(livestate.path(patient.run, "lights"))
    updated = (state or {}).get("updated")
    clock = updated.get("clock") if isinstance(updated, dict) else None
    if not isinstance(clock, (int, float)):
        return warn("the lights' daemon does not run: they are dark", "systemctl start logboat-lights.")
    if patient.boottime - clock > _FRESH_S:
        return bad("the lights show what was, not what is", "systemctl restart logboat-lights.")
    return good("they show how things stand")


def failed(patient: Patient) -> Finding:
    """Whether a unit has failed."""
    try:
        told = patient.ask(("systemctl", "list-units", "--failed", "--plain", "--no-legend"))
    except OSError:
        return skipped("there is no systemd here")
    names = [line.split()[0] for line in told.splitlines() if line.strip()]
    if names:
        return bad(", ".join(names), f"systemctl status {names[0]}; then systemctl restart {names[0]}.")
    return good("no unit has failed")


def restarts(patient: Patient) -> Finding:
    """Whether a daemon ends again and again."""
    try:
        told = patient.ask(("systemctl", "show", "-p", "Id,NRestarts", *UNITS))
    except OSError:
        return skipped("there is no systemd here")
    name, many = "", []
    for line in told.splitlines():
        key, _, value = line.partition("=")
        if key == "Id":
            name = value
        elif key == "NRestarts" and value.isdecimal() and int(value) >= _MANY:
            many.append(f"{name} {value} times")
    if many:
        return warn(f"{', '.join(many)} since the start", "journalctl -u logboat-… says why it ends.")
    return good("no daemon had to be started again often")
