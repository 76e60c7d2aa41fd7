"""The faults of a satellite receiver, each with a description and a remedy."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a receiver. The texts may contain fields in braces, which `filled` replaces."""

    name: str
    text: str
    remedy: str

    def filled(self, **values: object) -> "Fault":
        """Return the fault with these values in the fields of its texts."""
        return Fault(self.name, self.text.format(**values), self.remedy.format(**values))


NO_DEVICE: Final = Fault(
    "no-device",
    "{device} does not exist",
    "Plug in the receiver. To find its name, run `ls /dev/serial/by-id/ /dev/ttyA* /dev/ttyUSB*`, and set"
    " gnss in [clock] to this name.",
)
CANNOT_OPEN: Final = Fault(
    "cannot-open",
    "{device} cannot be read: {reason}",
    "End other programs that read the receiver, and check that gnss in [clock] names a serial device.",
)
SILENT: Final = Fault(
    "silent",
    "{device} sends nothing",
    "Check the receiver's power and the cable. On a UART, the receiver's TX must be connected to RX.",
)
NOT_NMEA: Final = Fault(
    "not-nmea",
    "{device} sends data, but no NMEA sentences at {bauds} baud",
    "Set baud in [clock] to the receiver's rate, or set the receiver to NMEA. Some send a binary protocol.",
)
BAD_CHECKSUMS: Final = Fault(
    "bad-checksums",
    "{bad} of {every} sentences from {device} have a wrong checksum, and are not used",
    "Check the cable and its ground, and end other programs that read the receiver.",
)
NO_TIME: Final = Fault(
    "no-time",
    "{device} sends sentences, but neither RMC nor ZDA, which contain the date",
    "Set the receiver to send RMC once a second.",
)
ANTENNA_OPEN: Final = Fault(
    "antenna-open",
    "the receiver reports that its antenna is not connected",
    "Check the antenna's plug and cable.",
)
ANTENNA_SHORT: Final = Fault(
    "antenna-short",
    "the receiver reports a short circuit in the antenna's cable",
    "Check the antenna's plug and cable for water and damage.",
)
NO_SATELLITES: Final = Fault(
    "no-satellites",
    "no fix: the receiver is receiving no satellite",
    "Give the antenna a clear view of the sky, away from metal and transmitters; check its cable.",
)
NO_FIX: Final = Fault(
    "no-fix",
    "no fix yet{view}",
    "Wait: after a long time without power, a receiver needs up to 15 minutes. If there is still no fix, give"
    " the antenna a clearer view of the sky.",
)
NOT_FROM_SATELLITES: Final = Fault(
    "not-from-satellites",
    "the receiver reports an estimated, entered or simulated position, so its time is not used",
    "Turn off the receiver's demo mode, or wait for a fix.",
)
ROLLOVER: Final = Fault(
    "rollover",
    "the receiver's date, {date}, is before this image was made ({image}): probably its GPS week number has"
    " started again, which happens every 1024 weeks (19.6 years)",
    "Update the receiver's firmware, or replace the receiver. Its time is not used.",
)
TOO_OLD: Final = Fault(
    "too-old",
    "the receiver's date, {date}, is before this image was made ({image})",
    "Wait for 15 minutes with a clear view of the sky. If the date remains wrong, replace the receiver. Its"
    " time is not used.",
)
TOO_NEW: Final = Fault(
    "too-new",
    "the receiver's date, {date}, is 1024 weeks (19.6 years) or more after this image was made ({image})",
    "Replace the receiver; if the date is right, update the image. The receiver's time is not used.",
)
JUMPS: Final = Fault(
    "jumps",
    "the receiver's time jumps, so it is not used",
    "Check the antenna and the cable. If the time still jumps, a transmitter may be disturbing or faking the"
    " satellites' signals.",
)
NOT_ALLOWED: Final = Fault(
    "not-allowed",
    "the clock cannot be set: {reason}",
    "Start the daemon as the unit logboat-gnss, which has permission to set the clock.",
)
DIFFERS: Final = Fault(
    "differs",
    "the receiver's time differs by {difference} from the clock, which another time service sets",
    "Find out which one is wrong: compare both with a watch. Then turn off or correct the wrong source.",
)
NO_PULSE: Final = Fault(
    "no-pulse",
    "no pulse per second on the pin of pps; the time is used without it, ± {uncertainty:g} s",
    "Check the wire from the receiver's PPS output, and that pps in [clock] is its pin (BCM number).",
)

EVERY: Final = (
    NO_DEVICE,
    CANNOT_OPEN,
    SILENT,
    NOT_NMEA,
    BAD_CHECKSUMS,
    NO_TIME,
    ANTENNA_OPEN,
    ANTENNA_SHORT,
    NO_SATELLITES,
    NO_FIX,
    NOT_FROM_SATELLITES,
    ROLLOVER,
    TOO_OLD,
    TOO_NEW,
    JUMPS,
    NOT_ALLOWED,
    DIFFERS,
    NO_PULSE,
)
"""All faults, in the order of the table in the documentation."""


def markdown() -> str:
    """Return the table of all faults, for the documentation."""
    dots = dict.fromkeys(("device", "reason", "bauds", "bad", "every", "date", "image", "difference"), "…")
    rows = [fault.filled(**dots, view="", uncertainty=1.0) for fault in EVERY]
    return "\n".join(
        ["| message | what to do |", "| --- | --- |", *(f"| {row.text} | {row.remedy} |" for row in rows)]
    )
