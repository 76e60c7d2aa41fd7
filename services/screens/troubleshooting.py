"""The table of common faults: what lights, `status` and doctor show, and what to do. Pure.

The README's guide and `logboat doctor --guide` are made from it. A test causes each fault on real daemons and
waits for these very words. `…` stands for any text: a name, a figure or a path.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.lights.patterns import FAST, SLOW, Pattern, flashes

TOLD_WITHIN_S: Final = 10.0
"""Maximum seconds from the event until lights, `status` and doctor report it."""
ANYTHING: Final = "…"


@dataclass(frozen=True, slots=True)
class CommonFault:
    """A row of the table."""

    name: str
    what: str
    """A description of the event, for people."""
    lights: Mapping[str, Pattern]
    """The pattern of each light concerned; empty if the lights themselves cannot be trusted."""
    status: tuple[str, str]
    """The name of a line of `logboat status`, and its words."""
    doctor: tuple[str, str]
    """The name of a check of `logboat doctor`, and its words."""
    do: str
    to_do: str = ""
    """The advice that `status` gives; '' if none."""
    seen: str = ""
    """A description of the lights where they show none of their patterns."""


def says(words: str, text: str) -> bool:
    """Return True if `text` contains `words`, with anything in place of `…`."""
    return re.search(".*".join(map(re.escape, words.split(ANYTHING))), text, re.DOTALL) is not None


TROUBLES: Final[tuple[CommonFault, ...]] = (
    CommonFault(
        "sensor-unplugged",
        "a sensor's plug is out, or its wire broken",
        {"fault": flashes(1)},
        ("sensors", "1 faulty: … (open)"),
        ("sensors", "…: open, … V is above … V"),
        "Check plug, wire and supply, from the sensor to the header; `logboat sensors --watch` shows when"
        " it is"
        " right. All others are recorded on.",
        to_do="check the wiring of …: open",
    ),
    CommonFault(
        "sensor-shorted",
        "a sensor's wires touch each other, or ground",
        {"fault": flashes(1)},
        ("sensors", "1 faulty: … (short)"),
        ("sensors", "…: short, … V is below … V"),
        "Look for a crushed cable, and for water in a plug. Pull the plug: if it is `open` then, the short"
        " is on"
        " the sensor's side.",
        to_do="check the wiring of …: short",
    ),
    CommonFault(
        "card-nearly-full",
        "little room is left on the card",
        {"fault": flashes(2)},
        ("card", "NEARLY FULL: … free of …"),
        ("space", "… of … are free"),
        "Bring the log ashore, or put in a larger card. Nothing has to be deleted by hand: the oldest"
        " history goes"
        " first, what is ashore before what is not.",
        to_do="make room: only … of the card are free",
    ),
    CommonFault(
        "card-full",
        "the card is full, of something that is not the log",
        {"record": FAST, "fault": flashes(2)},
        ("recording", "NO: the card is full: …"),
        ("recorder", "the card is full: …"),
        "Take away what is no log from the data partition (`sudo du -xhd 2 /data`), or put in a"
        " larger card. What was taken meanwhile waits in memory, and is recorded once there is room.",
        to_do="nothing is recorded until this is put right: the card is full",
    ),
    CommonFault(
        "gateway-stopped",
        "a gateway ashore has stopped, or cannot be reached",
        {"gateway": flashes(1)},
        ("shore", "… connecting"),
        ("gateways", "…: connecting to …: …"),
        "Nothing aboard, if there is no way ashore: all is kept, and goes when there is one. Else see to"
        " the uplink"
        " and to the gateway itself; `logboat peers` has its last words.",
    ),
    CommonFault(
        "peer-cut",
        "a vessel that was linked is out of reach",
        {"mesh": SLOW},
        ("mesh", "linked with 0 of … nearby; not reached: …"),
        ("mesh", "linked with 0 of … nearby; … is not reached: …"),
        "Nothing, if it has sailed: what was missed is exchanged at the next meeting. If it lies"
        " alongside, look at"
        " its lights, then at Wi-Fi or cable; `logboat peers` on both.",
    ),
    CommonFault(
        "clock-wrong",
        "the clock is wrong: the board woke without a network, or its chip's battery is empty",
        {"record": SLOW},
        ("clock", "NOT KNOWN: readings are in order"),
        ("clock", "the time is not known"),
        "Nothing is lost, and nothing has to be set by hand: give it a network with a time server, a GNSS"
        " receiver"
        " or a clock chip (`[clock]`), and the times of all readings follow.",
        to_do="let the clock be set",
    ),
    CommonFault(
        "recorder-hangs",
        "the recorder hangs",
        {"record": FAST},
        ("recording", "NO: the recorder is not running well: it has said nothing for …"),
        ("recorder", "the recorder is not running well: it has said nothing for …"),
        "Its watchdog starts it again within a minute; if not, `systemctl restart logboat-recorder`. If it"
        " comes"
        " again, `logboat bundle` for whoever helps.",
        to_do="start the recorder: systemctl restart logboat-recorder",
    ),
    CommonFault(
        "recorder-killed",
        "the recorder has ended",
        {"record": FAST},
        ("recording", "NO: the recorder is not running (…)"),
        ("recorder", "the recorder is not running (…)"),
        "It is started again by itself, after 1 s, later after 30 s. If the light stays:"
        " `journalctl -u logboat-recorder`, `logboat doctor`.",
        to_do="start the recorder: systemctl restart logboat-recorder",
    ),
    CommonFault(
        "sync-hangs",
        "the sync daemon hangs",
        {"mesh": FAST, "gateway": FAST},
        ("mesh", "NO: the sync daemon is not running well: it has said nothing for …"),
        ("sync", "the sync daemon is not running well: it has said nothing for …"),
        "Recording goes on. Its watchdog starts it again within a minute; if not, `systemctl restart"
        " logboat-sync`.",
        to_do="start the sync daemon: systemctl restart logboat-sync",
    ),
    CommonFault(
        "sync-killed",
        "the sync daemon has ended",
        {"mesh": FAST, "gateway": FAST},
        ("mesh", "NO: the sync daemon is not running (…)"),
        ("sync", "the sync daemon is not running (…)"),
        "Recording goes on. It is started again by itself; if the lights stay: `journalctl -u logboat-sync`.",
        to_do="start the sync daemon: systemctl restart logboat-sync",
    ),
    CommonFault(
        "lights-hang",
        "the lights' daemon hangs",
        {},
        ("daemons", "THE LIGHTS ARE NOT TRUE: …: it has said nothing for …"),
        ("lights", "…: it has said nothing for …: they show what was, or nothing"),
        "Do not believe them; `logboat status` is right. Its watchdog starts it again within a minute; if"
        " not, `systemctl restart logboat-lights`.",
        to_do="do not trust the lights, …: systemctl restart logboat-lights",
        seen="they stand still: what blinked does not",
    ),
    CommonFault(
        "lights-killed",
        "the lights' daemon has ended",
        {},
        ("daemons", "THE LIGHTS ARE NOT TRUE: the lights' daemon is not running (…)"),
        ("lights", "the lights' daemon is not running (…): they show what was, or nothing"),
        "It is started again by itself, and lights all for a moment then; if not, `systemctl restart"
        " logboat-lights`.",
        to_do="do not trust the lights, …: systemctl restart logboat-lights",
        seen="all are dark",
    ),
    CommonFault(
        "daemon-restless",
        "a daemon ends again and again",
        {"fault": flashes(5)},
        ("daemons", "FAILING: logboat-… has ended … times in 10 min (the last time: …)"),
        ("restarts", "logboat-… has ended … times in 10 min"),
        "`journalctl -u logboat-…` and `errors.log` say why; it is tried on every 30 s, and the light goes"
        " out when"
        " it has run for two minutes. Put right the cause, or `logboat bundle` for whoever helps.",
        to_do="see why logboat-… has ended … times in 10 min",
    ),
    CommonFault(
        "sensors-toml-broken",
        "`sensors.toml` has a mistake, from the next start on",
        {"fault": flashes(3)},
        ("configuration", "WRONG: the last good one is in force; sensors.toml:…: …"),
        ("configuration", "sensors.toml:…: …"),
        "Recording goes on with the last good one. Correct the line that is named, on the card or here;"
        " `logboat config check`, then `logboat config apply`.",
        to_do="correct the configuration: sensors.toml:…",
    ),
    CommonFault(
        "certificate-expired",
        "the vessel's certificate has expired",
        {"fault": flashes(6)},
        ("identity", "…; the certificate EXPIRED on …"),
        ("identity", "the certificate expired on …"),
        "Recording goes on; others refuse this vessel. Ashore: `logboat fleet renew`, then a new card, or"
        " SSH into"
        " `/etc/logboat/identity`, which is taken up at once. Is the date right? If not, see to the clock"
        " first.",
        to_do="the certificate EXPIRED on …: logboat fleet renew",
    ),
    CommonFault(
        "vessel-cloned",
        "two boards say that they are this vessel",
        {"mesh": flashes(3)},
        ("mesh", "CLONED: two boards say they are one vessel"),
        ("clones", "… both say they are vessel …"),
        "Find the second card with this vessel's name, and give it one of its own (`logboat fleet add`);"
        " if it was"
        " stolen, `logboat fleet revoke`. The light goes out an hour after the two last met, or with"
        " `systemctl restart logboat-sync`.",
        to_do="see to a clone: …",
    ),
)


def markdown() -> str:
    """Return the table in Markdown, as the README contains it."""
    lines = [
        "| what has happened | lights | `logboat status` | `logboat doctor` | what to do |",
        "| --- | --- | --- | --- | --- |",
    ]
    for trouble in TROUBLES:
        status, doctor = (f"{where}: {words}" for where, words in (trouble.status, trouble.doctor))
        lines.append(f"| {trouble.what} | {lights_of(trouble)} | {status} | {doctor} | {trouble.do} |")
    return "\n".join(lines)


def lights_of(trouble: CommonFault) -> str:
    """Describe what the lights show for this fault."""
    return trouble.seen or ", ".join(f"{light}: {pattern}" for light, pattern in trouble.lights.items())
