"""The table of all the doctor's checks.

To add a check, add a row here, and a function in the module for its subject.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sensors.toml.toml_file import unforeseen

from . import card, daemons, hardware, network, outputs, recording, wiring
from .context import Appliance
from .findings import CheckStatus, Finding, skipped, warn


@dataclass(frozen=True, slots=True)
class Check:
    """A check of the doctor: its name, function, reason and, if there is one, a safe fix."""

    name: str
    ask: Callable[[Appliance], Finding]
    why: str
    """Reason why the check matters, as a clause."""
    fix: Sequence[str] | None = None
    """A safe command that may fix the problem; None if there is none."""


CHECKS: Final[tuple[Check, ...]] = (
    Check("recorder", daemons.recorder, "what is not recorded now is lost permanently"),
    Check("sync", daemons.sync, "nothing is shared or forwarded without the sync daemon"),
    Check("lights", daemons.lights, "the crew notices faults on the lights first"),
    Check("outputs", outputs.outputs, "alarms sound on outputs, such as sirens"),
    Check(
        "units",
        daemons.failed,
        "a failed unit does not run until it is started again",
        ("systemctl", "reset-failed", "logboat-*"),
    ),
    Check("restarts", daemons.restarts, "a daemon that keeps stopping hides a fault"),
    Check(
        "errors", daemons.errors, "systemd's journal is only in memory; these errors are stored on the card"
    ),
    Check("configuration", recording.configuration, "a file with errors is not used"),
    Check("name", recording.vessel_name, "vessels are identified by their ids"),
    Check("gpio-chip", wiring.chip, "contacts and pulses are read through the GPIO chip"),
    Check("pins", wiring.pins, "readings from a pin that a bus also uses are meaningless"),
    Check("overlays", wiring.overlays, "the kernel must know which devices are connected"),
    Check("1-wire", wiring.one_wire, "thermometers are connected to the 1-Wire bus"),
    Check("i2c", wiring.i2c, "shunts, converters and clock chips are connected to the I2C bus"),
    Check("spi", wiring.spi, "converters are connected to the SPI bus"),
    Check("sensors", wiring.sensors, "a faulty sensor gives no readings"),
    Check("silent", wiring.silent, "a sensor that has never sent data may not be connected"),
    Check("edges", wiring.edges, "revolutions and flow are counted from edges"),
    Check("clock", hardware.clock, "readings get their times from the clock"),
    Check("clock-chip", hardware.rtc, "the clock chip keeps the time without a network"),
    Check("receiver", hardware.receiver, "the satellite receiver sets the clock without a network"),
    Check("age", hardware.sane_time, "a date before 2025 shows that the clock was never set"),
    Check("voltage", hardware.voltage, "low voltage damages cards and restarts boards"),
    Check("heat", hardware.heat, "a hot processor slows down, then stops"),
    Check("memory", hardware.memory, "the kernel stops processes when memory runs out"),
    Check("space", card.space, "the oldest history is removed when the card is full"),
    Check("mounted", card.mounted, "nothing is recorded on a read-only card"),
    Check("file-systems", card.filesystem, "errors show that a card is failing"),
    Check("wear", card.wear, "each write wears out the card"),
    Check("store", recording.store, "the store contains all documents"),
    Check("copies", recording.copies, "copies replace documents that are damaged in the store"),
    Check("gaps", recording.gaps, "a log is only useful if it is complete"),
    Check("alarms", recording.alarms, "an alarm that is silenced sounds again, and nobody has dealt with it"),
    Check("service", recording.service, "machinery that is serviced late breaks at sea"),
    Check(
        "interfaces",
        network.interfaces,
        "the vessel reaches the mesh and the shore through its network interfaces",
    ),
    Check(
        "radio",
        network.country,
        "Wi-Fi does not transmit until a country is set",
        ("rfkill", "unblock", "wifi"),
    ),
    Check("signal", network.signal, "links break when the signal is weak"),
    Check("multicast", network.multicast, "vessels find each other by multicast"),
    Check("firewall", network.firewall, "other vessels cannot connect to a closed port"),
    Check("identity", network.identity, "vessels authenticate each other with their certificates"),
    Check("mesh", network.mesh, "other vessels store a second copy of your log"),
    Check("clones", network.clones, "two boards with one identity mix up their logs"),
    Check("gateways", network.gateways, "the log is sent ashore through gateways"),
)


def examine(appliance: Appliance, checks: Sequence[Check] = CHECKS) -> Iterator[tuple[Check, Finding]]:
    """Yield each check with its finding, in order.

    A check that raises an error yields a finding that reports the error, and the following checks still run.
    """
    for check in checks:
        try:
            finding = check.ask(appliance)
        except OSError as error:
            finding = skipped(f"cannot be checked: {error.strerror or error}")
        except Exception as error:  # noqa: BLE001  # a fault in one check must not hide the others
            finding = warn(*unforeseen(error))
        yield check, finding


def is_well(findings: Sequence[tuple[Check, Finding]]) -> bool:
    """Return True if no check found a fault. Warnings do not count as faults."""
    return all(finding.verdict is not CheckStatus.BAD for _, finding in findings)
