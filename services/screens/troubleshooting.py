"""The table of common faults: what the lights, `status` and the doctor show, and what to do.

The guide in docs/faults.md and `logboat doctor --guide` are generated from this table. A test causes each
fault on real daemons, and waits for exactly these texts. `…` matches any text, such as a name, a number or
a path.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.lights.patterns import FAST, OFF, SLOW, Pattern, flashes

TOLD_WITHIN_S: Final = 10.0
"""Maximum time from a fault until the lights, `status` and the doctor report the fault, in seconds."""
ANYTHING: Final = "…"


@dataclass(frozen=True, slots=True)
class CommonFault:
    """A common fault: a row of the table of common faults."""

    name: str
    what: str
    """Description of the fault, as human-readable text."""
    lights: Mapping[str, Pattern]
    """Pattern of each light that the fault affects, by light; empty if the lights themselves are faulty."""
    status: tuple[str, str]
    """Label of the line in `logboat status` that shows the fault, and the text in that line."""
    doctor: tuple[str, str]
    """Name of the check in `logboat doctor` that reports the fault, and the text of its finding."""
    do: str
    to_do: str = ""
    """Advice that `status` shows; '' if there is none."""
    seen: str = ""
    """Description of the lights if they show no pattern, or do not change; '' otherwise."""


def matches(words: str, text: str) -> bool:
    """Return True if `text` contains `words`, where `…` in `words` matches any text."""
    return re.search(".*".join(map(re.escape, words.split(ANYTHING))), text, re.DOTALL) is not None


TROUBLES: Final[tuple[CommonFault, ...]] = (
    CommonFault(
        "sensor-unplugged",
        "a sensor is unplugged, or its wire is broken",
        {"fault": flashes(1)},
        ("sensors", "1 faulty: … (open)"),
        ("sensors", "…: open, … V is above … V"),
        "Check the plug, wire and supply, from the sensor to the header. `logboat sensors --watch` shows "
        "when the sensor works again. All other sensors are still recorded.",
        to_do="check the wiring of …: open",
    ),
    CommonFault(
        "sensor-shorted",
        "a sensor's wires are shorted to each other or to ground",
        {"fault": flashes(1)},
        ("sensors", "1 faulty: … (short)"),
        ("sensors", "…: short, … V is below … V"),
        "Look for a crushed cable, or water in a plug. Unplug the sensor: if its state changes to "
        "`open`, the short is in the sensor or its cable.",
        to_do="check the wiring of …: short",
    ),
    CommonFault(
        "card-nearly-full",
        "the card is nearly full",
        {"fault": flashes(2)},
        ("card", "NEARLY FULL: … free of …"),
        ("space", "… of … is free"),
        "Send the log ashore, or fit a larger card. You do not need to delete anything: the oldest "
        "history is removed first, starting with what has been sent ashore.",
        to_do="free up space: only … is free on the card",
    ),
    CommonFault(
        "card-full",
        "the card is full of files that are not part of the log",
        {"record": FAST, "fault": flashes(2)},
        ("recording", "NO: the card is full: …"),
        ("recorder", "the card is full: …"),
        "Remove other files from the data partition (`sudo du -xhd 2 /data` lists them), or fit a larger "
        "card. Samples taken meanwhile wait in memory, and are recorded once there is space.",
        to_do="fix this first, nothing is being recorded: the card is full",
    ),
    CommonFault(
        "gateway-stopped",
        "a gateway's server has stopped, or cannot be reached",
        {"gateway": flashes(1)},
        ("shore", "… connecting"),
        ("gateways", "…: connecting to …: …"),
        "If the vessel has no uplink, do nothing: documents are kept, and sent later. Otherwise check "
        "the uplink and the gateway's server. `logboat peers` shows the last error.",
    ),
    CommonFault(
        "peer-cut",
        "a linked vessel is out of range",
        {"mesh": SLOW},
        ("mesh", "linked to 0 of … nearby vessels; unreachable: …"),
        ("mesh", "linked to 0 of … nearby vessels; … is unreachable: …"),
        "If the vessel has sailed, do nothing: missing documents are exchanged when the vessels next meet. "
        "If it is alongside, check its lights, then Wi-Fi or cable, and run `logboat peers` on both vessels.",
    ),
    CommonFault(
        "clock-wrong",
        "the clock is not set: the board started without a network, or the clock chip's battery is flat",
        {"record": SLOW},
        ("clock", "NOT KNOWN: readings are in order"),
        ("clock", "the time is unknown"),
        "Nothing is lost, and you do not need to set anything by hand. Connect to a network with a time "
        "server, or fit a GNSS receiver or a clock chip (`[clock]`): all readings then get their times.",
        to_do="set the clock",
    ),
    CommonFault(
        "recorder-hangs",
        "the recorder hangs",
        {"record": FAST},
        ("recording", "NO: the recorder is not responding: no update for …"),
        ("recorder", "the recorder is not responding: no update for …"),
        "The watchdog restarts the recorder within a minute; if not, run `systemctl restart "
        "logboat-recorder`. If the recorder hangs again, send the output of `logboat bundle` to your "
        "support contact.",
        to_do="start the recorder: systemctl restart logboat-recorder",
    ),
    CommonFault(
        "recorder-killed",
        "the recorder has stopped",
        {"record": FAST},
        ("recording", "NO: the recorder is not running (…)"),
        ("recorder", "the recorder is not running (…)"),
        "The recorder is restarted automatically, at first after 1 s, later after 30 s. If the light keeps "
        "blinking, run `journalctl -u logboat-recorder` and `logboat doctor`.",
        to_do="start the recorder: systemctl restart logboat-recorder",
    ),
    CommonFault(
        "sync-hangs",
        "the sync daemon hangs",
        {"mesh": FAST, "gateway": FAST},
        ("mesh", "NO: the sync daemon is not responding: no update for …"),
        ("sync", "the sync daemon is not responding: no update for …"),
        "Recording continues. The watchdog restarts the sync daemon within a minute; if not, run "
        "`systemctl restart logboat-sync`.",
        to_do="start the sync daemon: systemctl restart logboat-sync",
    ),
    CommonFault(
        "sync-killed",
        "the sync daemon has stopped",
        {"mesh": FAST, "gateway": FAST},
        ("mesh", "NO: the sync daemon is not running (…)"),
        ("sync", "the sync daemon is not running (…)"),
        "Recording continues. The sync daemon is restarted automatically; if the lights keep blinking, run "
        "`journalctl -u logboat-sync`.",
        to_do="start the sync daemon: systemctl restart logboat-sync",
    ),
    CommonFault(
        "lights-hang",
        "the lights daemon hangs",
        {},
        ("daemons", "LIGHTS OUT OF DATE: …: no update for …"),
        ("lights", "…: no update for …: the lights show an old state, or nothing"),
        "Ignore the lights, and use `logboat status`. The watchdog restarts the lights daemon within a "
        "minute; if not, run `systemctl restart logboat-lights`.",
        to_do="restart the lights: systemctl restart logboat-lights; …",
        seen="frozen: lights that blinked stop blinking",
    ),
    CommonFault(
        "lights-killed",
        "the lights daemon has stopped",
        {},
        ("daemons", "LIGHTS OUT OF DATE: the lights daemon is not running (…)"),
        ("lights", "the lights daemon is not running (…): the lights show an old state, or nothing"),
        "The lights daemon is restarted automatically, and turns all lights on for a moment; if not, run "
        "`systemctl restart logboat-lights`.",
        to_do="restart the lights: systemctl restart logboat-lights; …",
        seen="all are dark",
    ),
    CommonFault(
        "output-fails",
        "the pin of a siren or another output cannot be used",
        {"fault": OFF},
        ("daemons", "ALARMS CANNOT SOUND on …: …"),
        ("outputs", "…: …"),
        "Check the wiring, and that no other program uses the pin. The lights daemon tries again every "
        "10 s. Then run `logboat outputs test` with the id of the output.",
        to_do="check output …: …; then: logboat outputs test …",
        seen="unchanged",
    ),
    CommonFault(
        "daemon-restless",
        "a daemon keeps stopping",
        {"fault": flashes(5)},
        ("daemons", "FAILING: logboat-… has stopped … times in 10 min (last: …)"),
        ("restarts", "logboat-… has stopped … times in 10 min"),
        "`journalctl -u logboat-…` and `errors.log` show why. The daemon is restarted every 30 s, and the "
        "light goes out once the daemon has run for two minutes. Fix the cause, or send the output of "
        "`logboat bundle` to your support contact.",
        to_do="find out why logboat-… has stopped … times in 10 min",
    ),
    CommonFault(
        "sensors-toml-broken",
        "`sensors.toml` has an error (seen from the next start on)",
        {"fault": flashes(3)},
        ("configuration", "WRONG: the last good configuration is in use; sensors.toml:…: …"),
        ("configuration", "sensors.toml:…: …"),
        "Recording continues with the last good configuration. Correct the line given, on the card or on "
        "the appliance. Then run `logboat config check` and `logboat config apply`.",
        to_do="correct the configuration: sensors.toml:…",
    ),
    CommonFault(
        "certificate-expired",
        "the vessel's certificate has expired",
        {"fault": flashes(6)},
        ("identity", "…; the certificate EXPIRED on …"),
        ("identity", "the certificate expired on …"),
        "Recording continues, but other vessels refuse this one. First check that the date is right; if "
        "not, correct the clock. Then run `logboat fleet renew` ashore, and update the card, or copy "
        "the identity by SSH to `/etc/logboat/identity`, where it takes effect immediately.",
        to_do="the certificate EXPIRED on …: run `logboat fleet renew`",
    ),
    CommonFault(
        "vessel-cloned",
        "two boards claim to be this vessel",
        {"mesh": flashes(3)},
        ("mesh", "DUPLICATE IDENTITY: two boards claim to be one vessel"),
        ("clones", "… both have the identity of vessel …"),
        "Find the other card with this vessel's identity, and give it a different identity (`logboat "
        "fleet add`). If that card was stolen, run `logboat fleet revoke`. The light goes out an hour after "
        "the two boards last met, or after `systemctl restart logboat-sync`.",
        to_do="resolve a duplicate identity: …",
    ),
)


def markdown() -> str:
    """Return the table as Markdown, in the form used in docs/faults.md."""
    lines = [
        "| problem | lights | `logboat status` | `logboat doctor` | what to do |",
        "| --- | --- | --- | --- | --- |",
    ]
    for trouble in TROUBLES:
        status, doctor = (f"{where}: {words}" for where, words in (trouble.status, trouble.doctor))
        lines.append(f"| {trouble.what} | {lights_of(trouble)} | {status} | {doctor} | {trouble.do} |")
    return "\n".join(lines)


def lights_of(trouble: CommonFault) -> str:
    """Return a description of what the lights show for this fault."""
    return trouble.seen or ", ".join(f"{light}: {pattern}" for light, pattern in trouble.lights.items())
