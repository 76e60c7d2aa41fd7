"""The facts about the appliance that the lights show, from live states and from the machine.

A state older than `liveness.FRESH_S` does not count as current, because a daemon that has stalled stops
writing its state.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from services.state import crash_loops, recorder_state, sync_state
from services.state.boot_state import BootState
from services.state.boot_state import read as read_boot
from services.state.recorder_state import LiveState, Sight
from services.state.sync_state import LiveGateway, LiveMesh
from services.system.maintenance import STATE as MAINTENANCE
from services.system.systemd import failed_units

_UNDER_VOLTAGE, _THROTTLED = 0x1, 0x4 | 0x8
"""Bit masks for the firmware's `get_throttled` value: low voltage now, and throttled or too hot now."""
_FIRMWARE: Final = "sys/devices/platform/soc/soc:firmware/get_throttled"
UNITS_EVERY_S: Final = 10.0
"""Seconds between checks for failed units while a unit has failed or a daemon has just exited."""
UNITS_AT_LEAST_EVERY_S: Final = 60.0
"""Seconds between checks for failed units at all other times.

Logboat's units record every exit, so these checks find only unforeseen failures.
"""


@dataclass(frozen=True, slots=True)
class LightFacts:
    """Facts that determine the states of the lights."""

    recorder: Sight
    sync: sync_state.Sight
    boottime: float
    utc: float
    boot: BootState = field(default_factory=BootState)
    under_voltage: bool = False
    throttled: bool = False
    failed_units: tuple[str, ...] = ()
    restless: tuple[crash_loops.CrashLoop, ...] = ()
    """Daemons that exit repeatedly."""
    expires: float | None = None
    """Expiry of the vessel's certificate, in seconds since 1970; None if there is no certificate."""
    maintenance: bool = False
    """True while the root file system is temporarily writable."""

    @property
    def live(self) -> LiveState | None:
        """The recorder's state if it is current, else None."""
        return self.recorder.state if self.recorder.is_live else None

    @property
    def mesh(self) -> LiveMesh | None:
        """The sync daemon's state if it is current, else None."""
        return self.sync.state if self.sync.is_live else None

    @property
    def gateways(self) -> Sequence[LiveGateway]:
        """The current states of the gateways; empty if the sync daemon's state is not current."""
        return () if self.mesh is None else self.mesh.gateways

    @property
    def is_recording(self) -> bool:
        """True if recent commits show that new samples are becoming durable."""
        return recorder_state.is_recording(self.recorder, boottime=self.boottime)


@dataclass(slots=True)
class Machine:
    """Source of facts about this machine. Tests pass a different root directory."""

    run: Path
    identity: Path
    root: Path = Path("/")
    ask_units: Callable[[], str] | None = None
    """Function that returns systemd's list of failed units; None to run systemctl."""
    units_every: float = UNITS_EVERY_S
    """Seconds between checks for failed units while a unit has failed or a daemon has just exited."""
    _noted: tuple[tuple[str, int], ...] = field(default=(), init=False)
    _noted_at: float = field(default=-math.inf, init=False)
    """Boot clock time at which a daemon's exit was last noticed, in seconds."""
    _asked: float = field(default=-math.inf, init=False)
    _units: tuple[str, ...] = field(default=(), init=False)
    _certificate: tuple[int, float | None] = field(default=(-1, None), init=False)
    """Modification time of the certificate file, and the expiry of the certificate in it."""

    def read_facts(self, *, boottime: float, utc: float, alive: Callable[[int], bool]) -> LightFacts:
        """Return the current facts. Never raise: a fact that cannot be read counts as absent."""
        return self.read_facts_with(
            recorder_state.read(self.run, boottime=boottime, alive=alive),
            sync_state.read(self.run, boottime=boottime, alive=alive),
            boottime=boottime,
            utc=utc,
        )

    def read_facts_with(
        self, recorder: Sight, sync: sync_state.Sight, *, boottime: float, utc: float
    ) -> LightFacts:
        """Return the same facts as `read_facts`, using daemon states that the caller has already read."""
        voltage, throttled = self._power()
        return LightFacts(
            recorder=recorder,
            sync=sync,
            boottime=boottime,
            utc=utc,
            boot=read_boot(self.run),
            under_voltage=voltage,
            throttled=throttled,
            failed_units=self._failed(boottime),
            restless=tuple(crash_loops.find_crash_loops(self.run, clock=boottime)),
            expires=self._expires(),
            maintenance=(self.run / MAINTENANCE).exists(),
        )

    def _power(self) -> tuple[bool, bool]:
        bits = 0
        with suppress(OSError, ValueError):  # not a Raspberry Pi, or a different kernel
            bits = int((self.root / _FIRMWARE).read_text(), 16)
        low = bool(bits & _UNDER_VOLTAGE)
        for folder in sorted((self.root / "sys/class/hwmon").glob("hwmon*")):
            if _text(folder / "name") == "rpi_volt":
                low |= _text(folder / "in0_lcrit_alarm") == "1"
        return low, bool(bits & _THROTTLED)

    def _failed(self, boottime: float) -> tuple[str, ...]:
        """Return the units that have failed.

        Each query of systemd starts a process, which takes longer than reading all the other facts.
        """
        noted = crash_loops.last_changes(self.run)
        if noted != self._noted:
            self._noted, self._noted_at = noted, boottime
        is_likely = bool(self._units) or boottime - self._noted_at < UNITS_AT_LEAST_EVERY_S
        every = self.units_every if is_likely else max(self.units_every, UNITS_AT_LEAST_EVERY_S)
        if not 0 <= boottime - self._asked < every:
            self._asked = boottime
            self._units = failed_units(self.ask_units)
        return self._units

    def _expires(self) -> float | None:
        path = self.identity / "vessel.pem"
        try:
            written = path.stat().st_mtime_ns
            if written != self._certificate[0]:
                from cryptography import x509  # slow to import, and many vessels have no certificate

                ends = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc.timestamp()
                self._certificate = (written, ends)
            return self._certificate[1]
        except Exception:  # noqa: BLE001 -- `cryptography` raises many types for what it cannot read
            return None  # no certificate, or an invalid one, which the sync daemon reports


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def day(utc: float) -> str:
    """Return the date in human-readable form, such as `2026-05-15`."""
    return f"{datetime.fromtimestamp(utc, UTC):%Y-%m-%d}"
