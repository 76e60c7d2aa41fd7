"""Facts read from files: alarms and past values from the store, and the configuration.

systemd's list of failed units is also read here.

Any of these sources may be slow, locked, damaged or missing. Old facts are kept, with their age, until the
source can be read again. As in any other command, the store is opened for each reading and then closed.
"""

import subprocess
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Final

from services.console.environment import Environment
from services.console.errors import CommandError
from services.console.stores import STORE, configured_vessel, reading_store, zone
from services.documents import models
from services.history.current import CurrentValue, from_documents
from services.maintenance_schedule.overview import NONE, Overview, overview
from services.screens.service_list import trusted_utc
from services.screens.status_lines import StoreFacts
from services.screens.status_view import outputs_of, problems_of, store_facts, vessel_of
from services.state import recorder_state
from services.state.recorder_state import Sight
from services.system.systemd import list_failed
from sync.documents import DocumentType, reading_prefix

from .recent import SPAN_S, Recent

if TYPE_CHECKING:
    from services.history.alarms import AlarmEpisode
    from sync.store import Database

AT_MOST_EVERY_S: Final = 2.0
"""Minimum interval between reads of the files, in seconds.

A recorder may change the store every second, but stored facts are less urgent: an alarm appears in a sensor's
live state at once.
"""
AT_LEAST_EVERY_S: Final = 30.0
"""Maximum interval between reads of the files, in seconds, in case a change was not detected."""
RETRY_S: Final = 10.0
UNITS_EVERY_S: Final = 15.0
_WINDOWS: Final = 8
"""Maximum number of windows to read for each sensor when the view starts.

These windows cover ten minutes if windows have the default length, and over a minute if windows have the
minimum length.
"""
BEING_CHECKED: Final = "the store is damaged; it is read again after `logboat store check` has repaired it"


@dataclass(frozen=True, slots=True)
class StoredFacts:
    """Facts that were read from files, as of the last read."""

    vessel: str = ""
    """Id of the vessel; '' if unknown."""
    name: str = ""
    """Configured display name of the vessel."""
    zone: tzinfo = UTC
    problems: tuple[str, ...] = ()
    """Problems in the configuration, used if no recorder reports them."""
    outputs: tuple[str, ...] = ()
    """Ids of the configured outputs, used while the lights daemon is not running."""
    units: str = ""
    """systemd's list of failed units."""
    fault: str = ""
    """Reason why the store could not be read the last time; '' if it could be read."""
    read_at: float | None = None
    """Boot clock time at which the store was last read successfully, in seconds; None if it never was."""
    store: StoreFacts | None = None
    services: Overview = NONE
    """The maintenance tasks (services), and when they are due."""
    alarms: "tuple[AlarmEpisode, ...]" = ()
    """Recorded alarms of all vessels that are active or not acknowledged, most severe first."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Short ids of the alarms, by id."""
    passed_over: tuple[str, ...] = ()
    sensors: tuple[CurrentValue, ...] = ()
    """Sensors from documents, used if no recorder reports them. Their ages are those at `sensors_at`."""
    sensors_at: float = 0.0
    """Boot clock time at which `sensors` was read, in seconds."""
    sensors_passed_over: tuple[str, ...] = ()
    past: Mapping[str, Recent] = field(default_factory=dict)
    """Recorded values by sensor id, all from the log and boot in `past_of`."""
    past_of: tuple[str, int] | None = None


class FactsReader:
    """Reader of the files, which caches facts that need not be read again."""

    def __init__(
        self, args: Namespace, world: Environment, *, ask_units: Callable[[], str] = list_failed
    ) -> None:
        self._args, self._world, self._ask_units = args, world, ask_units
        self._kept = StoredFacts()
        self._read_at = self._asked_at = float("-inf")
        self._was_live: bool | None = None
        self._signature: object = None
        self._configured: object = None
        self._store_of: tuple[str, int] | None = None
        self._sensors_of: tuple[str, int] | None = None

    def is_due(self, *, is_live: bool) -> bool:
        """Return True if files should be read, because a file has changed or may have changed.

        `is_live` is True if the recorder's state is current; sensors are then not read from files.
        """
        if is_live != self._was_live:
            return True
        since = self._world.boottime - self._read_at
        if since >= AT_LEAST_EVERY_S or (self._kept.fault and since >= RETRY_S):
            return True
        return since >= AT_MOST_EVERY_S and self._signed() != self._signature

    def read(self) -> StoredFacts:
        """Read the files that may have changed. No exception is raised: a failure is reported as a fact."""
        world, kept = self._world, self._kept
        self._signature, self._read_at = self._signed(), world.boottime
        try:
            sight = recorder_state.read(self._args.run, boottime=world.boottime, alive=world.alive)
            self._was_live = sight.is_live
            kept = self._asked(self._configuration(kept, sight))
            self._kept = self._store(kept, sight)
        except CommandError as error:
            self._kept = replace(kept, fault=str(error))
        except OSError as error:
            self._kept = replace(kept, fault=f"{error.filename or 'store'}: {error.strerror or error}")
        except Exception as error:  # noqa: BLE001  # an unexpected error is shown, and must not end the view
            self._kept = replace(kept, fault=f"unexpected {type(error).__name__}: {error}")
        return self._kept

    def _signed(self) -> object:
        """Return a value that changes when the store or a configuration file is changed or replaced."""
        args, store = self._args, self._args.data / STORE
        log = _stamp(store.with_name(f"{STORE}-wal"))
        # If only one process opens the store, it creates an empty write-ahead log and removes it again.
        written = log if log is not None and log[2] else None
        return _stamp(store), written, _stamp(args.config), _stamp(args.sensors)

    def _configuration(self, kept: StoredFacts, sight: Sight) -> StoredFacts:
        args = self._args
        stamps = (_stamp(args.config), _stamp(args.sensors), sight.is_live)
        if stamps == self._configured:
            return kept
        try:
            vessel = configured_vessel(args)
            kept = replace(
                kept,
                name="" if vessel is None else vessel.name,
                zone=zone(args),
                vessel=kept.vessel or ("" if vessel is None else vessel.id),
                problems=() if sight.is_live else problems_of(args),
                outputs=outputs_of(args),
            )
        except (CommandError, OSError) as error:
            return replace(kept, problems=(str(error),))
        self._configured = stamps
        return kept

    def _asked(self, kept: StoredFacts) -> StoredFacts:
        if self._world.boottime - self._asked_at < UNITS_EVERY_S:
            return kept
        self._asked_at = self._world.boottime
        try:
            return replace(kept, units=self._ask_units())
        except (OSError, subprocess.SubprocessError):  # systemd is missing or does not answer
            return replace(kept, units="")

    def _store(self, kept: StoredFacts, sight: Sight) -> StoredFacts:
        from services.recovery.store_check import is_marked

        store = self._args.data / STORE
        if is_marked(self._args.data):
            return replace(kept, fault=f"{store}: {BEING_CHECKED}")
        with reading_store(self._args) as database:
            now = (database.uuid, database.last_sequence)
            vessel = vessel_of(self._args, sight, database)
            kept = replace(kept, vessel=vessel or kept.vessel, fault="", read_at=self._world.boottime)
            if self._alarms_changed(database, now):
                kept = _alarms(kept, database)
            kept = replace(
                kept, store=store_facts(database), services=self._services(database, vessel, sight)
            )
            kept = self._sensors(kept, sight, database, now)
            kept = _past(kept, sight, database, self._world.boottime)
            self._store_of = now
            return kept

    def _services(self, database: "Database", vessel: str, sight: Sight) -> Overview:
        live = sight.state if sight.is_live else None
        return overview(database, vessel, live=live, utc=trusted_utc(live, self._world)) if vessel else NONE

    def _alarms_changed(self, database: "Database", now: tuple[str, int]) -> bool:
        before = self._store_of
        if before is None or before[0] != now[0]:
            return True
        kinds = (f"{DocumentType.ALARM}:", f"{DocumentType.SILENCE}:", f"{DocumentType.BOOT}:")
        return now != before and any(change.id.startswith(kinds) for change in database.changes(before[1]))

    def _sensors(
        self, kept: StoredFacts, sight: Sight, database: "Database", now: tuple[str, int]
    ) -> StoredFacts:
        if sight.is_live:
            self._sensors_of = None
            return kept
        if now == self._sensors_of:
            return kept
        self._sensors_of = now
        if not kept.vessel:
            return replace(kept, sensors=())
        sensors, faults = from_documents(database, kept.vessel, utc=self._world.utc)
        return replace(
            kept,
            sensors=tuple(sensors),
            sensors_at=self._world.boottime,
            sensors_passed_over=tuple(dict.fromkeys(faults)),
        )


def _alarms(kept: StoredFacts, database: "Database") -> StoredFacts:
    from services.history.alarms import episodes, short_ids

    every, faults = episodes(database)
    return replace(
        kept,
        alarms=tuple(episode for episode in every if episode.is_open),
        names=short_ids([episode.id for episode in every]),
        passed_over=tuple(faults),
    )


def aged(kept: StoredFacts, now: float) -> tuple[CurrentValue, ...]:
    """Return the stored sensors with their current ages. `now` is the boot clock in seconds."""
    passed = max(now - kept.sensors_at, 0.0)
    return tuple(
        sensor if sensor.age is None else replace(sensor, age=sensor.age + passed) for sensor in kept.sensors
    )


def _past(kept: StoredFacts, sight: Sight, database: "Database", now: float) -> StoredFacts:
    """Return the facts, with each sensor's values from before the view started.

    These values are read only once.
    """
    state = sight.state
    if sight.is_live and state is not None:
        of = (state.log, state.boot)
        past = dict(kept.past) if kept.past_of == of else {}
        for sensor in state.sensors.keys() - past.keys():
            prefix = reading_prefix(state.vessel, sensor, state.log)
            past[sensor] = _recorded(database, prefix, boot=state.boot, since=now - SPAN_S)
        return replace(kept, past=past, past_of=of)
    past = {}
    for current in kept.sensors:
        logs = models.logs(database, kept.vessel, current.sensor)
        if logs:
            past[current.sensor] = _recorded(database, reading_prefix(kept.vessel, current.sensor, logs[-1]))
    return replace(kept, past=past, past_of=None)


def _recorded(
    database: "Database", prefix: str, *, boot: int | None = None, since: float | None = None
) -> Recent:
    """Return the values in a sensor's most recent windows.

    If `boot` is given, return values from that boot, starting at the boot clock time `since`. Otherwise
    return values from the last boot.
    """
    windows = []
    for document in database.documents(prefix, reverse=True, limit=_WINDOWS):
        try:
            reading = models.read(document, models.ReadingDocument)
        except models.ShapeError:  # `logboat verify` reports invalid documents; the graph leaves them out
            continue
        boot = reading.boot if boot is None else boot
        since = reading.end - SPAN_S if since is None else since
        if reading.boot != boot or reading.end < since:
            break
        windows.append(reading)
    recent = Recent()
    for reading in reversed(windows):
        for entry in reading.samples:
            recent.add(reading.start + entry.offset / 1000, entry.value)
    return recent


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
