"""Output check: whether alarms can turn on every siren, lamp and relay."""

from services.terminal.present import count

from .context import Appliance
from .findings import Finding, bad, good, skipped, warn

_START = "Run `systemctl restart logboat-lights`. To see why it stopped, run `journalctl -u logboat-lights`."


def outputs(appliance: Appliance) -> Finding:
    """Check that the lights daemon drives all configured outputs, and sets the right levels on their pins."""
    configured = [output.id for output in appliance.outputs]
    sight = appliance.lights_sight
    driven = sight.state.outputs if sight.is_live and sight.state is not None else []
    if not configured and not driven:
        return skipped("no output is configured")
    if not sight.is_live:
        return bad(f"{sight.why_not}: alarms cannot sound on {', '.join(configured)}", _START)
    broken = [output for output in driven if output.fault is not None]
    if broken:
        more = f" (and {count(len(broken) - 1, 'other output')})" if len(broken) > 1 else ""
        return bad(
            f"{broken[0].id}: {broken[0].fault}{more}",
            f"Check its pin and its wiring, then run `logboat outputs test {broken[0].id}`.",
        )
    missing = sorted(set(configured) - {output.id for output in driven})
    if missing:
        return bad(
            f"the lights daemon does not drive {', '.join(missing)}, because it has an older configuration",
            "Run `systemctl restart logboat-lights`.",
        )
    button = next((output for output in driven if output.silence_fault is not None), None)
    if button is not None:
        return warn(
            f"the silence button of {button.id} does not work: {button.silence_fault}",
            f"Check silence_pin in `sensors.toml` and the wiring of pin {button.silence_pin}.",
        )
    unread = [output.id for output in driven if output.read_back is None]
    read = f", but the levels of {', '.join(unread)} cannot be read back" if unread else ""
    return good(f"{count(len(driven), 'output')} driven{read}")
