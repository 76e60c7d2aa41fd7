"""The daemon `logboat lights`: reads the live states once a second, and shows them on the lights.

A light that cannot be used is logged, and does not affect the other lights.
"""

import logging
import math
import os
import signal
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from sensors.gpio.header_chip import open_header_chip
from services.config.last_good import load_or_last_good
from services.config.loader import Configuration, ConfigurationError
from services.config.model import LIGHTS, LightsSection
from services.config.timezones import zone_of
from services.logs.setup import fatal, running
from services.state import state_file
from services.system.systemd import Notifier
from sync.gateway.policy import Situation

from .facts import LightFacts, Machine
from .panel import DarkPanel, HeaderPanel, KernelPanel, Panel, PanelError, RetryingPanel
from .patterns import OFF, Pattern
from .states import LightState, shown, single, worst

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
LAMP_TEST_S: Final = 1.5
"""Seconds for which a lamp test turns all lights on, at startup and on request."""
_LONGEST_S: Final = 0.5


class LightsDaemon:
    """Control loop that shows the appliance's state on the lights. The caller provides the clock."""

    def __init__(
        self,
        panel: Panel,
        look: Callable[[], LightFacts],
        *,
        night: Callable[[], bool] = lambda: False,
        tell: Callable[[Mapping[str, LightState]], None] = lambda _states: None,
    ) -> None:
        """Set the panel, and the functions that supply facts and receive states.

        `look` returns the current facts. `night` returns True during the hours in which lights that report no
        fault stay dark. `tell` is called with the states that are shown.
        """
        self._panel, self._look, self._night, self._tell = panel, look, night, tell
        self._looked_at = -math.inf
        self._test_until = -math.inf
        self._patterns: dict[str, Pattern] = {}
        self._states: Mapping[str, LightState] = {}

    def test(self, now: float) -> None:
        """Start a lamp test, which turns all lights on for `LAMP_TEST_S` seconds."""
        self._test_until = now + LAMP_TEST_S

    def turn(self, now: float) -> float:
        """Set the lights for the time `now`, and return the seconds until the next change."""
        if now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            self._choose()
        if now < self._test_until:
            self._panel.show(dict.fromkeys(self._panel.lights, True))
            return min(self._test_until - now, _LONGEST_S)
        self._panel.show({name: pattern.is_lit(now) for name, pattern in self._patterns.items()})
        changes = (pattern.next_change(now) for pattern in self._patterns.values())
        return min((change for change in changes if change is not None), default=_LONGEST_S)

    def _choose(self) -> None:
        states = shown(self._look())
        if self._panel.lights == ("status",):
            most_severe = worst(states)
            patterns = {"status": OFF if self._night() and most_severe.severity == 0 else single(states)}
        else:
            patterns = {
                name: OFF if self._night() and state.severity == 0 else state.pattern
                for name, state in states.items()
            }
        if states != self._states:
            for name in LIGHTS:
                if self._states.get(name) is not states[name]:
                    log.info("%s: %s, %s", name, states[name].pattern, states[name].means)
            self._states = states
        self._patterns = patterns
        self._tell(states)


def is_night(lights: LightsSection, moment: datetime) -> bool:
    """Return True during the configured hours in which lights that report no fault stay dark."""
    situation = Situation(minute=moment.hour * 60 + moment.minute)
    return lights.night is not None and lights.night.is_met(situation)


def open_panel(lights: LightsSection) -> Panel:
    """Open the configured LEDs. Raise PanelError if one of them cannot be used."""
    if lights.single is not None:
        return KernelPanel(lights.single)
    pins = {name: pin for name in LIGHTS if (pin := getattr(lights, name))}
    if not pins:
        return DarkPanel()  # no lights configured: not an error
    try:
        open_header_chip().close()
        from sensors.gpio.pinfactory import GpiodFactory  # slow to import, and not every machine has a header

        factory = GpiodFactory()
    except Exception as error:
        raise PanelError(f"no GPIO header: {error}") from error
    return HeaderPanel(pins, factory=factory, active_high=lights.active == "high")


def run(args: Namespace) -> int:
    """Run `logboat lights`. Return 0 when stopped, and 2 if the configuration is invalid."""
    with running("lights", args.data):
        return _run(args)


def _run(args: Namespace) -> int:
    try:
        loaded = load_or_last_good(args.config, args.sensors, args.data)
    except ConfigurationError as error:
        fatal(str(error))
        return 2
    lights = loaded.configuration.lights
    _serve(args, loaded.configuration, RetryingPanel(lambda: open_panel(lights), clock=time.monotonic))
    return 0


def off(args: Namespace) -> int:
    """Turn off all lights that a killed daemon left on.

    Return 0, or 1 if the lights cannot be reached.
    """
    try:
        open_panel(load_or_last_good(args.config, args.sensors, args.data).configuration.lights).close()
    except (PanelError, ConfigurationError) as error:
        sys.stderr.write(f"logboat lights: {error}\n")
        return 1
    return 0


def _serve(args: Namespace, configuration: Configuration, panel: RetryingPanel) -> None:
    from services.system.processes import is_alive

    machine = Machine(args.run, args.identity)
    zone = zone_of(configuration.vessel.timezone)
    notifier = Notifier()
    stopping = threading.Event()

    def look() -> LightFacts:
        return machine.read_facts(
            boottime=time.clock_gettime(time.CLOCK_BOOTTIME), utc=time.time(), alive=is_alive
        )

    def tell(states: Mapping[str, LightState]) -> None:
        shown = {
            name: {"pattern": state.pattern.name, "means": state.means} for name, state in states.items()
        }
        clock = {"clock": time.clock_gettime(time.CLOCK_BOOTTIME), "utc": time.time()}
        try:
            state = {"pid": os.getpid(), "updated": clock, "lights": shown, "whyDark": panel.why_dark}
            state_file.write(state_file.path(args.run, "lights"), state)
        except OSError as error:
            log.warning("cannot write the lights' state: %s", error)
        notifier.alive()

    daemon = LightsDaemon(
        panel, look, night=lambda: is_night(configuration.lights, datetime.now(zone)), tell=tell
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    signal.signal(signal.SIGUSR1, lambda *_: daemon.test(time.monotonic()))
    daemon.test(time.monotonic())
    notifier.ready()
    try:
        while not stopping.is_set():
            stopping.wait(max(daemon.turn(time.monotonic()), 0.005))
    finally:
        notifier.stopping()
        panel.close()
        state_file.path(args.run, "lights").unlink(missing_ok=True)
