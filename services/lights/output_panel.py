"""The outputs in the lights daemon: turns sirens, lamps and relays on and off as alarms require.

The active alarms come from the document store. While it cannot be read or written, the recorder's live state
counts too (`services.outputs.known_alarms`).
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from sensors.outputs import OutputSettings
from services.alarms.audible import AlarmFact, audible
from services.clocks.clock_quality import trust_of
from services.outputs.known_alarms import known_alarms, live_alarms
from services.outputs.local_silences import LocalSilences
from services.outputs.machine import OFF as NOT_ON
from services.outputs.machine import OutputMachine, Shown, SilenceDetector
from services.outputs.pins import OutputPins
from services.outputs.silence_buttons import SilenceButtons
from sync.fleet.silences import Silence, SilenceTimer

from .facts import LightFacts
from .patterns import pattern_named

log = logging.getLogger(__name__)


class OutputError(Exception):
    """An output that cannot be tested. The message states the reason."""


class Feed(Protocol):
    """Source of the active alarms."""

    def follow(self, now: float, *, look: bool) -> bool:
        """Read what has changed. Return False if the alarms cannot be read now."""

    def alarms(self) -> tuple[AlarmFact, ...]:
        """Return the active alarms, as they were last read."""

    def silences(self) -> tuple[Silence, ...]:
        """Return the silences of the active alarms, including those that have ended."""

    def close(self) -> None:
        """Stop following the alarms."""

    def fileno(self) -> int | None:
        """Return a descriptor that is readable when alarms may have changed; None if there is none."""


class Writer(Protocol):
    """Writer of silences to the document store."""

    def write(self, alarms: Sequence[AlarmFact], *, utc: float, trust: str) -> None:
        """Write silences of alarms soon. `trust` states whether `utc` is synced."""

    def close(self) -> None:
        """Finish the writes that were requested."""


class OutputPanel:
    """The outputs of a vessel, with their state machines and pins."""

    def __init__(
        self,
        outputs: Sequence[OutputSettings],
        *,
        vessel: str,
        pins: OutputPins,
        feed: Feed,
        boottime: float,
        buttons: SilenceButtons | None = None,
        writer: Writer | None = None,
    ) -> None:
        """Start with all outputs off. `boottime` is the boot clock's current time, in seconds."""
        self._machines = [OutputMachine(output, vessel) for output in outputs]
        self._vessel, self._pins, self.feed = vessel, pins, feed
        self._detector = SilenceDetector(boottime)
        self._is_silent = False
        self._live: dict[str, AlarmFact] | None = None
        self._timer, self._local = SilenceTimer(), LocalSilences()
        self._buttons, self._writer, self._trust = buttons, writer, trust_of(synced=False)
        self._utc, self._boottime = 0.0, boottime
        self._is_delayed = False
        self.shown: dict[str, Shown] = {output.id: NOT_ON for output in outputs}

    def look(self, facts: LightFacts) -> None:
        """Process the states of the daemons, and read the pins' levels. This must be called once a second."""
        state = facts.recorder.state
        stored = None if state is None or state.last_durable is None else state.last_durable.clock
        self._is_silent = self._detector.is_silent(stored, facts.boottime)
        self._utc, self._boottime = facts.utc, facts.boottime
        live = facts.live
        self._is_delayed = live is not None and (live.documents is not None or live.fault is not None)
        self._trust = trust_of(synced=live is not None and live.clock.is_known)
        self._live = live_alarms(facts.live, self._vessel)
        self._pins.check()

    def turn(self, now: float, *, look: bool = False) -> float | None:
        """Set the outputs for the time `now` of a monotonic clock.

        Return the seconds until a pattern changes; None if none does. With `look`, changes of the store by
        processes that send no hints are detected too.
        """
        is_readable = self.feed.follow(now, look=look)
        known = self.feed.alarms()
        if self._is_delayed or not is_readable:
            known = known_alarms(self._vessel, known, self._live)
        alarms = self._audible(known)
        if self._buttons is not None and self._buttons.was_pressed(now):
            self._silence(alarms)
            alarms = self._audible(known)
        is_muted = self._local.mutes_recorder(self._boottime, is_recorder_silent=self._is_silent)
        lit = dict[str, bool]()
        changes = list[float | None]()
        for machine in self._machines:
            name = machine.settings.id
            shown = self.shown[name] = machine.turn(alarms, now, is_silent=self._is_silent and not is_muted)
            pattern = pattern_named(machine.settings.pattern)
            lit[name] = shown.sounds and (shown.is_steady or pattern.is_lit(now))
            if shown.sounds:
                changes += (pattern.next_change(now), machine.next_change(now))
        self._pins.show(lit, now)
        return min((change for change in changes if change is not None), default=None)

    def _audible(self, known: Iterable[AlarmFact]) -> tuple[AlarmFact, ...]:
        stored = self.feed.silences()
        silences = self._timer.in_effect(stored, utc=self._utc, boottime=self._boottime)
        return audible(known, (*silences, *self._local.in_effect(stored, self._boottime)))

    def _silence(self, alarms: Sequence[AlarmFact]) -> None:
        """Silence the audible alarms of this vessel, and those of other vessels that sound here."""
        sounding = [alarm for alarm in alarms if any(each.concerns(alarm) for each in self._machines)]
        here = [alarm for alarm in alarms if alarm.vessel == self._vessel or alarm in sounding]
        chosen = self._local.press(
            here, sounding, utc=self._utc, boottime=self._boottime, is_recorder_silent=self._is_silent
        )
        log.info("the silence button was pressed; alarms that it silences: %d", len(chosen))
        if chosen and self._writer is not None:
            self._writer.write(chosen, utc=self._utc, trust=self._trust)

    def descriptors(self) -> list[int]:
        """Return descriptors that are readable when alarms may have changed, or a button was pressed."""
        feed, button = self.feed.fileno(), None if self._buttons is None else self._buttons.fileno()
        return [descriptor for descriptor in (feed, button) if descriptor is not None]

    def test(self, name: str, seconds: float, now: float) -> bool | None:
        """Turn an output on for `seconds`, and return the state that was read back from its pin.

        Return None if the pin cannot be read. Raise OutputError if there is no such output, or its pin cannot
        be turned on.
        """
        machine = next((each for each in self._machines if each.settings.id == name), None)
        if machine is None:
            known = ", ".join(self.shown)
            raise OutputError(f"the lights daemon has no output {name!r}; its outputs: {known}")
        log.info("testing output %s for %g s", name, seconds)
        machine.test(seconds, now)
        self._pins.retry(name)
        self.turn(now)
        self._pins.check()
        fault = self._pins.faults.get(name)
        if fault is not None:
            raise OutputError(f"{name} was not turned on: {fault}")
        return self._pins.read_back.get(name)

    def report(self) -> list[dict[str, Any]]:
        """Return the state of each output, for the live state."""
        return [
            {
                "id": machine.settings.id,
                "name": machine.settings.name,
                "pin": machine.settings.pin,
                "on": self.shown[machine.settings.id].sounds,
                "why": self.shown[machine.settings.id].why,
                "neighbours": machine.settings.neighbours,
                "readBack": self._pins.read_back.get(machine.settings.id),
                "fault": self._pins.faults.get(machine.settings.id),
                "silencePin": machine.settings.silence_pin,
                "silenceFault": None
                if self._buttons is None
                else self._buttons.faults.get(machine.settings.id),
            }
            for machine in self._machines
        ]

    def close(self) -> None:
        """Turn all outputs off, release their pins, and stop following the alarms."""
        self._pins.close()
        self.feed.close()
        if self._buttons is not None:
            self._buttons.close()
        if self._writer is not None:
            self._writer.close()
