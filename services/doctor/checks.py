"""The table of the doctor's checks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sensors.toml.toml_file import unforeseen

from . import card, daemons, hardware, network, recording, wiring
from .context import Appliance
from .findings import CheckStatus, Finding, skipped, warn


@dataclass(frozen=True, slots=True)
class Check:
    """A row of the table: a check."""

    name: str
    ask: Callable[[Appliance], Finding]
    why: str
    """The reason why the check matters, as a clause."""
    fix: Sequence[str] | None = None
    """A command that does no harm and may cure the fault; None if there is none."""


CHECKS: Final[tuple[Check, ...]] = (
    Check("recorder", daemons.recorder, "what is not recorded now is lost for ever"),
    Check("sync", daemons.sync, "without it nothing is shared or forwarded"),
    Check("lights", daemons.lights, "people look at them, not at logs"),
    Check(
        "units",
        daemons.failed,
        "a unit that has failed does nothing",
        ("systemctl", "reset-failed", "logboat-*"),
    ),
    Check("restarts", daemons.restarts, "a daemon that ends again and again hides a fault"),
    Check("errors", daemons.errors, "the journal is in memory; these were kept over a power cut"),
    Check("configuration", recording.configuration, "a wrong file is not in force"),
    Check("name", recording.named, "others tell vessels apart by their names"),
    Check("gpio-chip", wiring.chip, "contacts and pulses come by it"),
    Check("pins", wiring.pins, "a pin that a bus drives reads nonsense"),
    Check("overlays", wiring.overlays, "the kernel must know what is wired"),
    Check("1-wire", wiring.one_wire, "thermometers hang on it"),
    Check("i2c", wiring.i2c, "shunts, converters and clock chips hang on it"),
    Check("spi", wiring.spi, "converters hang on it"),
    Check("sensors", wiring.sensors, "a fault is no reading"),
    Check("silent", wiring.silent, "a sensor that never spoke may not be there"),
    Check("edges", wiring.edges, "revolutions and flow are counted by them"),
    Check("clock", hardware.clock, "times of readings are told by it"),
    Check("clock-chip", hardware.rtc, "it keeps the time without network"),
    Check("age", hardware.sane_time, "a clock at its beginning was never set"),
    Check("voltage", hardware.voltage, "low voltage damages cards, and restarts boards"),
    Check("heat", hardware.heat, "a hot processor slows down, then stops"),
    Check("memory", hardware.memory, "what runs out of memory is killed"),
    Check("space", card.space, "a full card drops the oldest history"),
    Check("mounted", card.mounted, "on a read-only card nothing is recorded"),
    Check("file-systems", card.filesystem, "errors announce the end of a card"),
    Check("wear", card.wear, "cards wear out by being written"),
    Check("store", recording.store, "documents are in it"),
    Check("copies", recording.copies, "they outlive a bad page"),
    Check("gaps", recording.gaps, "completeness is what a log is worth"),
    Check("interfaces", network.interfaces, "the mesh and the shore are reached by them"),
    Check("radio", network.country, "Wi-Fi is silent until a country is set", ("rfkill", "unblock", "wifi")),
    Check("signal", network.signal, "a weak signal loses links"),
    Check("multicast", network.multicast, "vessels find each other by it"),
    Check("firewall", network.firewall, "a closed port keeps others out"),
    Check("identity", network.identity, "vessels know each other by it"),
    Check("mesh", network.mesh, "what others hold is your log's second home"),
    Check("clones", network.clones, "two vessels of one name mix up their logs"),
    Check("gateways", network.gateways, "the log goes ashore by them"),
)


def examine(patient: Appliance, checks: Sequence[Check] = CHECKS) -> Iterator[tuple[Check, Finding]]:
    """Yield each check with its finding, in order.

    A check that fails yields a finding that says why, and the following checks still run.
    """
    for check in checks:
        try:
            found = check.ask(patient)
        except OSError as error:
            found = skipped(f"it cannot be asked: {error.strerror or error}")
        except Exception as error:  # noqa: BLE001  # a fault in one check must not hide the others
            found = warn(*unforeseen(error))
        yield check, found


def is_well(findings: Sequence[tuple[Check, Finding]]) -> bool:
    """Return True if no check found a fault. Warnings do not count."""
    return all(finding.verdict is not CheckStatus.BAD for _, finding in findings)
