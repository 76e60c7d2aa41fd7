"""The daemon `logboat gnss`: reads a satellite receiver, and sets the clock while no other time service does.

It publishes the receiver's state once a second in `gnss.json` in the run directory. Without a receiver in the
configuration, it does nothing until it is stopped.
"""

import logging
import os
import re
import signal
import threading
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Final

from services.clocks import kernel_clock
from services.config.last_good import load_or_last_good
from services.config.loader import ConfigurationError
from services.config.model import ClockSection
from services.config.receiver_parsers import BAUDS
from services.logs.setup import fatal, running
from services.state import gnss_state, state_file
from services.system import machine
from services.system.systemd import Notifier

from .discipline import Pulse
from .serial_device import SerialDevice
from .station import ClockSetter, Station, Summary

log = logging.getLogger(__name__)

_TURN_S: Final = 0.5
TRY_EVERY_S: Final = 2.0
"""Interval between attempts to open the device, in seconds."""
TRY_BAUD_S: Final = 3.0
"""Time without a sentence after which to try the next baud rate, in seconds. Receivers send once a second."""
_ASSERT: Final = re.compile(r"(\d+\.\d+)#(\d+)")
PULSES: Final = Path("/sys/class/pps/pps0/assert")
"""File with the time and number of the last pulse per second (kernel's Documentation/driver-api/pps.rst)."""


def read_pulse(path: Path = PULSES) -> Pulse | None:
    """Return the last pulse per second; None if there is none."""
    try:
        match = _ASSERT.match(path.read_text())
    except OSError:
        return None
    return None if match is None or match[2] == "0" else Pulse(int(match[2]), float(match[1]))


class Reader:
    """Keeps a receiver's device open, finds its baud rate, and passes its data to a station."""

    def __init__(
        self,
        clock: ClockSection,
        station: Station,
        *,
        boottime: Callable[[], float],
        pulse: Callable[[], Pulse | None] = lambda: None,
    ) -> None:
        """Set the configured device, and the functions that return the boot clock and the last pulse."""
        assert clock.gnss is not None
        self._path, self._station, self._boottime, self._pulse = Path(clock.gnss), station, boottime, pulse
        self._bauds = BAUDS if clock.baud is None else (clock.baud,)
        self.baud = self._bauds[0]
        self._device: SerialDevice | None = None
        self._try_at = self._next_baud_at = 0.0

    def turn(self) -> bool:
        """Wait briefly for data, and process the data received. Return False if the device is not open."""
        now = self._boottime()
        if self._device is None:
            if now < self._try_at:
                return False
            self._open()
        if self._device is None:
            return False
        try:
            data = self._device.read(_TURN_S)
        except OSError as error:
            self._lose(error)
            return False
        now = self._boottime()
        if data:
            self._station.receive(data, at=now, pulse=self._pulse())
        self._choose_baud(now)
        return True

    def close(self) -> None:
        """Close the device, if it is open."""
        if self._device is not None:
            self._device.close()
            self._device = None

    def _open(self) -> None:
        try:
            self._device = SerialDevice(self._path, self.baud)
        except OSError as error:
            self._lose(error)
            return
        now = self._boottime()
        self._station.opened(now)
        self._next_baud_at = now + TRY_BAUD_S

    def _lose(self, error: OSError) -> None:
        self.close()
        self._try_at = self._boottime() + TRY_EVERY_S
        self._station.closed(error)

    def _choose_baud(self, now: float) -> None:
        heard = self._station.input
        if heard.count("sentence", now):
            self._station.bauds, self._next_baud_at = (), now + TRY_BAUD_S
            return
        # A receiver that sends nothing may be switched off. In that case, its baud rate cannot be found.
        if now < self._next_baud_at or heard.is_silent(now):
            return
        if self.baud not in self._station.bauds:
            self._station.bauds = (*self._station.bauds, self.baud)
        self._next_baud_at = now + TRY_BAUD_S
        if len(self._bauds) > 1:
            self.baud = self._bauds[(self._bauds.index(self.baud) + 1) % len(self._bauds)]
            self.close()
            self._open()


def run(args: Namespace, *, setter: ClockSetter = kernel_clock) -> int:
    """Run `logboat gnss`. Return 0 when stopped, and 2 if the configuration is invalid."""
    with running("gnss", args.data):
        try:
            loaded = load_or_last_good(args.config, args.sensors, args.data)
        except ConfigurationError as error:
            fatal(str(error))
            return 2
        _serve(args.run, loaded.configuration.clock, setter)
    return 0


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _serve(folder: Path, clock: ClockSection, setter: ClockSetter) -> None:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    notifier = Notifier()
    notifier.ready()
    if clock.gnss is None:
        gnss_state.path(folder).unlink(missing_ok=True)
        while not stopping.wait(10.0):
            notifier.alive()
        return
    station = Station(
        clock.gnss,
        image=machine.image_epoch(),
        setter=setter,
        utc=time.time,
        has_pps=clock.pps is not None,
        set_before=gnss_state.last_set(folder, boot=machine.boot_id()),
    )
    reader = Reader(
        clock,
        station,
        boottime=_boottime,
        pulse=read_pulse if clock.pps is not None else lambda: None,
    )
    said: str | None = None
    published_at = -1.0
    try:
        while not stopping.is_set():
            if not reader.turn():
                stopping.wait(_TURN_S)
            now = _boottime()
            if now - published_at < 1.0:
                continue
            published_at = now
            summary = station.summary(now)
            if (name := "" if summary.fault is None else summary.fault.name) != said:
                said = name
                log.log(logging.WARNING if summary.fault else logging.INFO, "%s", summary.words)
            _publish(folder, clock.gnss, reader.baud, station, summary, now)
            notifier.alive()
    finally:
        notifier.stopping()
        reader.close()
        gnss_state.path(folder).unlink(missing_ok=True)


def _publish(  # noqa: PLR0917  # private, and called once
    folder: Path, device: str, baud: int, station: Station, summary: Summary, now: float
) -> None:
    fault = summary.fault
    state = {
        "pid": os.getpid(),
        "updated": {"clock": now, "utc": time.time()},
        "device": device,
        "baud": baud,
        "words": summary.words,
        "fault": None if fault is None else fault.name,
        "remedy": None if fault is None else fault.remedy,
    }
    try:
        state_file.write(gnss_state.path(folder), state)
        gnss_state.write_clock(
            folder, boot=machine.boot_id(), last_set=station.discipline.last_set, governs=summary.governs
        )
    except OSError as error:
        log.warning("cannot write the receiver's state: %s", error)
