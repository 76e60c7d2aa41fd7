"""The daemon `logboat lights`: reads the live states once a second, and shows them on the lights.

It also drives the outputs, such as sirens. A light or an output that cannot be used is logged, and does not
affect the others.
"""

import logging
import math
import os
import select
import signal
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sensors.gpio.header_chip import open_header_chip
from sensors.outputs import OutputSettings
from services.config.last_good import load_or_last_good
from services.config.loader import Configuration, ConfigurationError
from services.config.model import LIGHTS, LightsSection
from services.config.timezones import zone_of
from services.logs.setup import fatal, running
from services.outputs.pins import OutputPins, release
from services.state import state_file
from services.system.control_socket import LIGHTS_SOCKET, ControlServer, OutputTest
from services.system.systemd import Notifier
from sync.gateway.policy import Situation

from .facts import LightFacts, Machine
from .output_panel import OutputPanel
from .output_tests import OutputTests
from .panel import DarkPanel, HeaderPanel, KernelPanel, Panel, PanelError, RetryingPanel
from .patterns import OFF, Pattern
from .states import LightState, shown, single, worst

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
OUTPUTS_WATCHDOG_S: Final = 20.0
"""Time limit of the watchdog in seconds if there are outputs, because a hung daemon may leave a siren on.

With sixteen busy processes on two processors, the longest time between two checks was 8 s, and 13 s with the
lowest priority. The slowest steps that wait for others take up to 10 s (the store) and 5 s (systemctl).
"""
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
        outputs: OutputPanel | None = None,
    ) -> None:
        """Set the panel, and the functions that supply facts and receive states.

        `look` returns the current facts. `night` returns True during the hours in which lights that report no
        fault stay dark. `tell` is called with the states that are shown.
        `outputs` are the sirens and other outputs, if any.
        """
        self._outputs = outputs
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
        looks = now - self._looked_at >= LOOK_EVERY_S
        if looks:
            self._looked_at = now
            facts = self._look()
            if self._outputs is not None:
                self._outputs.look(facts)
        change = None if self._outputs is None else self._outputs.turn(now, look=looks)
        if looks:
            self._choose(facts)
        return min(self._show_lights(now), _LONGEST_S if change is None else change)

    def _show_lights(self, now: float) -> float:
        if now < self._test_until:
            self._panel.show(dict.fromkeys(self._panel.lights, True))
            return min(self._test_until - now, _LONGEST_S)
        self._panel.show({name: pattern.is_lit(now) for name, pattern in self._patterns.items()})
        changes = (pattern.next_change(now) for pattern in self._patterns.values())
        return min((change for change in changes if change is not None), default=_LONGEST_S)

    def _choose(self, facts: LightFacts) -> None:
        states = shown(facts)
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
        factory = _factory()
    except Exception as error:
        raise PanelError(f"no GPIO header: {error}") from error
    return HeaderPanel(pins, factory=factory, active_high=lights.active == "high")


def _factory() -> Any:
    """Open the GPIO header. Raise DriverError if there is none."""
    open_header_chip().close()
    from sensors.gpio.pinfactory import GpiodFactory  # slow to import, and not every machine has a header

    return GpiodFactory()


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
    panel = RetryingPanel(lambda: open_panel(lights), clock=time.monotonic)
    _serve(args, loaded.configuration, panel, loaded.outputs)
    return 0


def off(args: Namespace) -> int:
    """Turn off all lights and outputs that a killed daemon left on.

    Return 0, or 1 if the lights or outputs cannot be reached.
    """
    try:
        loaded = load_or_last_good(args.config, args.sensors, args.data)
        pins = OutputPins(loaded.outputs, _factory)
        pins.show({}, time.monotonic())  # opening a pin turns it off
        pins.close()
        release(_pins_left(args.run) - {output.pin for output in loaded.outputs}, _factory)
        open_panel(loaded.configuration.lights).close()
        if pins.faults:
            raise PanelError("; ".join(f"output {name}: {fault}" for name, fault in pins.faults.items()))
    except (PanelError, ConfigurationError) as error:
        sys.stderr.write(f"logboat lights: {error}\n")
        return 1
    return 0


def _pins_left(run: Path) -> set[int]:
    """Return the pins of the outputs that a killed daemon drove, whatever the configuration is now."""
    state = state_file.read(state_file.path(run, "lights"))
    outputs = None if state is None else state.get("outputs")
    if not isinstance(outputs, list):
        return set()
    found = [each.get("pin") for each in outputs if isinstance(each, dict)]
    return {pin for pin in found if isinstance(pin, int)}


def _open_outputs(
    args: Namespace, configuration: Configuration, outputs: Sequence[OutputSettings]
) -> OutputPanel | None:
    if not outputs:
        return None
    from services.outputs.alarm_feed import AlarmFeed
    from services.outputs.silence_buttons import SilenceButtons
    from services.outputs.silence_writer import SilenceWriter

    has_button = any(output.silence_pin is not None for output in outputs)
    return OutputPanel(
        outputs,
        vessel=configuration.vessel.id,
        pins=OutputPins(outputs, _factory),
        buttons=SilenceButtons(outputs, _factory) if has_button else None,
        writer=SilenceWriter(args.data / "log.db", args.run) if has_button else None,
        feed=AlarmFeed(args.data / "log.db", args.run),
        boottime=time.clock_gettime(time.CLOCK_BOOTTIME),
    )


def _serve(
    args: Namespace,
    configuration: Configuration,
    panel: RetryingPanel,
    configured: Sequence[OutputSettings] = (),
) -> None:
    from services.system.processes import is_alive

    machine = Machine(args.run, args.identity)
    outputs = _open_outputs(args, configuration, configured)
    tests = OutputTests()
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
            if outputs is not None:
                state["outputs"] = outputs.report()
            state_file.write(state_file.path(args.run, "lights"), state)
        except OSError as error:
            log.warning("cannot write the lights' state: %s", error)
        notifier.alive()

    daemon = LightsDaemon(
        panel,
        look,
        night=lambda: is_night(configuration.lights, datetime.now(zone)),
        tell=tell,
        outputs=outputs,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    signal.signal(signal.SIGUSR1, lambda *_: daemon.test(time.monotonic()))
    daemon.test(time.monotonic())
    server = None if outputs is None else _listen(args, tests)
    notifier.ready()
    if outputs is not None:
        notifier.set_watchdog(OUTPUTS_WATCHDOG_S)
    try:
        while not stopping.is_set():
            if outputs is not None:
                tests.start(outputs, time.monotonic())
            pause = max(daemon.turn(time.monotonic()), 0.005)
            if outputs is None:
                stopping.wait(pause)
            else:
                _wait([tests.fileno(), *outputs.descriptors()], pause)
    finally:
        notifier.stopping()
        if outputs is not None:
            outputs.close()
        panel.close()
        if server is not None:
            server.close()
        state_file.path(args.run, "lights").unlink(missing_ok=True)


def _listen(args: Namespace, tests: OutputTests) -> ControlServer[OutputTest] | None:
    """Accept requests for tests of outputs. Return None if that is impossible; alarms still sound."""
    try:
        return ControlServer(args.run / LIGHTS_SOCKET, tests.handle, asked=OutputTest)
    except OSError as error:
        log.warning("outputs cannot be tested: %s", error)
        return None


def _wait(descriptors: Sequence[int], seconds: float) -> None:
    """Wait until a test is requested, alarms may have changed, a button was pressed, or the time has passed.

    A signal does not end this wait, which is at most `_LONGEST_S`.
    """
    select.select(descriptors, [], [], seconds)
