"""Texts of `status` about the lights daemon: whether the daemon shows the lights and drives the outputs."""

from collections.abc import Sequence

from services.state import lights_state


def mute_outputs(lights: lights_state.Sight, configured: Sequence[str]) -> list[str]:
    """Return the ids of the outputs that alarms cannot turn on now.

    `configured` are the ids of the configured outputs. They are used while the lights daemon is not running.
    """
    if lights.is_live and lights.state is not None:
        return [output.id for output in lights.state.outputs if output.fault is not None]
    return list(configured)


def cannot_sound(lights: lights_state.Sight, configured: Sequence[str]) -> str:
    """Return a clause such as `ALARMS CANNOT SOUND on siren: …`; '' if all outputs work."""
    mute = mute_outputs(lights, configured)
    if not mute:
        return ""
    return f"ALARMS CANNOT SOUND on {_some(mute)}: {lights.why_not or _fault(lights, mute[0])}"


def lights_daemon(lights: lights_state.Sight, configured: Sequence[str]) -> str:
    """Report whether the lights daemon is running, and whether the outputs work."""
    if mute := cannot_sound(lights, configured):
        return mute
    if lights.is_live:
        return "good"
    if lights.state is None:
        return "good; no lights in use"
    return f"LIGHTS OUT OF DATE: {lights.why_not}"


def sound_advice(lights: lights_state.Sight, configured: Sequence[str]) -> str | None:
    """Return what to do if alarms cannot sound; None if they can."""
    mute = mute_outputs(lights, configured)
    if not mute:
        return None
    if lights.is_live:
        fault = _fault(lights, mute[0])
        return f"check output {mute[0]}: {fault}; then: logboat outputs test {mute[0]}"
    return (
        f"start the lights daemon, so that alarms sound on {_some(mute)}: systemctl restart logboat-lights; "
        f"{lights.why_not}"
    )


def lights_advice(lights: lights_state.Sight) -> str | None:
    """Return what to do if the lights show an old state or no state; None if the lights are current."""
    if lights.is_live or lights.state is None:
        return None
    return f"restart the lights: systemctl restart logboat-lights; {lights.why_not}"


def _fault(lights: lights_state.Sight, output: str) -> str | None:
    outputs = () if lights.state is None else lights.state.outputs
    return next((each.fault for each in outputs if each.id == output), None)


def _some(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
