"""The sequence of events in the demo: when vessels are started, disconnected, reconnected and stopped.

A vessel's network is cut by killing its sync daemon, because only root can take an interface down. The other
vessels see the link break without a proper close, and stay linked to each other. The recorder of the
disconnected vessel keeps running.
"""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from services.terminal.present import count
from sync.mesh.link_state import LinkState
from sync.store import StoreError

from . import vessel_sensors
from .fleet import Fleet
from .progress import ProgressDisplay, ProgressRow
from .shore import ArrivedDocuments, Shore
from .store_differences import Standing, StoreDifference, apart, current_revisions
from .supervisor import Supervisor
from .vessel import Daemon, DemoError, DemoVessel

SPARE_S: Final = 5.0
"""Time reserved for startup and shutdown, in seconds, so that the recording ends before the demo does."""
PATIENCE_S: Final = 30.0
"""Additional time that each step may take on a slow machine, in seconds."""
FIND_WITHIN_S: Final = 20.0
"""Time after which each vessel is given the others' addresses if discovery has not found all, in seconds."""
COMPLAIN_AFTER_S: Final = 3.0
"""Time after which each vessel is given the others' addresses if discovery has a problem, in seconds."""
OFF, BACK = 1 / 3, 2 / 3
"""Times at which the last vessel's network is cut and restored, as fractions of the demo's duration."""
LOOK_EVERY_S: Final = 0.1


@dataclass(slots=True)
class Outage:
    """A period during which one vessel had no network."""

    vessel: str
    seconds: float
    apart: StoreDifference
    caught_up_s: float | None = None
    """Seconds from the vessel's return until both sides had exchanged documents; None if they never did.
    """


@dataclass(slots=True)
class ScenarioEvents:
    """The events of one run of the demo."""

    linked_s: float | None = None
    """Seconds from the start of the sync daemons until all vessels were linked; None if they never were."""
    no_discovery: str | None = None
    """The reason why the vessels had to be given each other's addresses; None if they found each other."""
    outage: Outage | None = None
    agreed_s: float | None = None
    """Seconds from the recorders' exit until all stores had the same content; None if they never did."""
    ashore: ArrivedDocuments | None = None
    """Documents that had arrived ashore by the end; None without a shore."""


class Scenario:
    """A run of the demo, which prints events as they happen."""

    def __init__(self, fleet: Fleet, seconds: float, shore: Shore | None = None) -> None:
        self._fleet, self._seconds, self._shore = fleet, seconds, shore
        self._began = time.monotonic()
        self._progress = ProgressDisplay(lambda: time.monotonic() - self._began)
        self._voyage = ScenarioEvents()

    def run(self) -> ScenarioEvents:
        """Run the demo from start to finish.

        Raise DemoError or StoreError if the demo cannot be carried out.
        """
        fleet = self._fleet
        sailed = self._set_out()
        if not fleet.is_alone:
            self._sail_until(sailed + self._seconds * OFF)
            self._outage(sailed + self._seconds * BACK)
        self._sail_until(sailed + self._seconds)
        self._watch(self._has_played, "the recorded data to be replayed")
        stopped = time.monotonic()
        self._stop(Daemon.RECORDER)
        if not fleet.is_alone:
            self._agree(stopped)
            if self._shore is not None:
                self._forward(self._shore)
                self._agree(stopped)
                self._voyage.ashore = self._shore.ashore(_standing(self._fleet.first))
            self._stop(Daemon.SYNC)
        return self._voyage

    def stay(self) -> NoReturn:
        """Run until interrupted, and restart daemons that exit, as systemd does.

        Raise DemoError if a vessel cannot be started.
        """
        self._set_out()
        for vessel in self._fleet:
            vessel.start(Daemon.LIGHTS)
            if self._fleet.is_alone:  # the only vessel of a fleet still searches for others
                vessel.start(Daemon.SYNC)
        keepers = [Supervisor(vessel) for vessel in self._fleet]
        while True:
            for keeper in keepers:
                for words in keeper.supervise(time.monotonic()):
                    self._progress.say(words)
            if self._shore is not None:
                for words in self._shore.restart_exited(time.monotonic()):
                    self._progress.say(words)
            self._progress.show(lambda: [self._row(vessel) for vessel in self._fleet])
            time.sleep(LOOK_EVERY_S)

    def _set_out(self) -> float:
        """Start the services ashore and the vessels. Return the time at which all vessels were recording."""
        fleet = self._fleet
        if self._shore is not None:
            self._land(self._shore)
        for vessel in fleet:
            vessel.start(Daemon.RECORDER)
        # A sync daemon needs to know the log in which its vessel records.
        self._watch(lambda: all(vessel.state(Daemon.RECORDER) for vessel in fleet), "the recorders to start")
        sailed = time.monotonic()
        if not fleet.is_alone:
            self._link()
        return sailed

    # The shore

    def _land(self, shore: Shore) -> None:
        vessel = self._fleet.linked_ashore
        vessel.gateways = shore.start()
        vessel.configure()
        broker = "a mosquitto" if shore.has_broker else "NO MQTT broker (mosquitto is not installed)"
        self._progress.say(f"ashore: an office and {broker}, on loopback; only {vessel.name} has an uplink")

    def _forward(self, shore: Shore) -> None:
        """Wait until all documents are ashore, and until the linked vessel's store records this.

        If this takes too long, the proof reports it.
        """
        vessel, began = self._fleet.linked_ashore, time.monotonic()

        def is_there() -> bool:
            store = vessel.database()
            return (
                store is not None
                and shore.ashore(current_revisions(store)).is_complete
                and shore.is_noted(store)
            )

        try:
            self._watch(is_there, "all documents to arrive ashore")
        except _ImpatientError as error:
            self._progress.say(str(error))
        else:
            took = time.monotonic() - began
            self._progress.say(
                f"the whole fleet's log has arrived ashore through {vessel.name} alone, after {took:.1f} s"
            )

    # The mesh

    def _link(self) -> None:
        fleet, started = self._fleet, time.monotonic()
        for vessel in fleet:
            vessel.start(Daemon.SYNC)
        self._watch(lambda: self._all_linked() or self._hindrance(started) is not None, "the vessels to link")
        if not self._all_linked():
            why = self._voyage.no_discovery = self._hindrance(started)
            self._progress.say(
                f"the vessels do not find each other by mDNS on loopback ({why}): using configured addresses"
            )
            self._stop(Daemon.SYNC)
            fleet.tell_addresses()
            started = time.monotonic()
            for vessel in fleet:
                vessel.start(Daemon.SYNC)
            self._watch(self._all_linked, "the vessels to link")
        self._voyage.linked_s = time.monotonic() - started
        self._progress.say(
            f"all vessels are linked, {self._voyage.linked_s:.1f} s after their sync daemons started"
        )

    def _all_linked(self) -> bool:
        return all(_links(vessel) == len(self._fleet.vessels) - 1 for vessel in self._fleet)

    def _hindrance(self, started: float) -> str | None:
        """Return the reason to stop waiting for discovery; None to continue waiting."""
        waited = time.monotonic() - started
        if waited >= COMPLAIN_AFTER_S:
            for vessel in self._fleet:
                problems = (vessel.state(Daemon.SYNC) or {}).get("problems")
                if problems:
                    return f"{vessel.name}: {problems[0]}"
        if waited >= FIND_WITHIN_S:
            return f"none found within {FIND_WITHIN_S:.0f} s"
        return None

    def _outage(self, until: float) -> None:
        """Cut the last vessel's network until `until`, a time of the monotonic clock."""
        vessel = self._fleet.vessels[-1]
        off = time.monotonic()
        vessel.kill(Daemon.SYNC)
        self._progress.say(
            f"{vessel.name}'s network is off (its sync daemon is killed); its recorder keeps recording"
        )
        self._sail_until(max(until, off + self._seconds * (BACK - OFF)))
        self._watch(lambda: self._apart(vessel).is_mutual, "new documents on both sides")
        between = self._apart(vessel)
        outage = self._voyage.outage = Outage(vessel.name, time.monotonic() - off, between)
        self._progress.say(
            f"{vessel.name}'s network is back: it has {count(len(between.own), 'new document')}, and "
            f"missed {len(between.lacked)}"
        )
        back = time.monotonic()
        vessel.start(Daemon.SYNC)
        self._watch(
            lambda: self._all_linked() and between.is_past(self._standings()), f"{vessel.name} to catch up"
        )
        outage.caught_up_s = time.monotonic() - back
        self._progress.say(f"{vessel.name} has caught up, {outage.caught_up_s:.1f} s after its return")

    def _agree(self, stopped: float) -> None:
        """Wait until all stores have the same content.

        If this takes too long, the proof reports what is missing.
        """

        def agree() -> bool:
            first, *others = self._standings()
            return all(other == first for other in others)

        try:
            self._watch(agree, "the stores to agree")
        except _ImpatientError as error:
            self._progress.say(str(error))
        else:
            if self._voyage.agreed_s is None:
                self._voyage.agreed_s = time.monotonic() - stopped
                self._progress.say(
                    f"all stores agree, {self._voyage.agreed_s:.1f} s after the recorders were stopped"
                )

    def _apart(self, vessel: DemoVessel) -> StoreDifference:
        """Return the differences between one vessel's store and the other vessels' stores."""
        return apart(_standing(vessel), [_standing(other) for other in self._fleet if other is not vessel])

    def _standings(self) -> list[Standing]:
        return [_standing(vessel) for vessel in self._fleet]

    # Time passes

    def _sail_until(self, when: float) -> None:
        """Let the vessels record until the monotonic clock reaches a given time."""
        self._watch(lambda: time.monotonic() >= when, "time to pass", patience=self._seconds + PATIENCE_S)

    def _watch(self, is_so: Callable[[], bool], what: str, *, patience: float = PATIENCE_S) -> None:
        """Show the progress until `is_so` returns True; `what` describes that condition.

        Raise DemoError if that takes more than `patience` seconds, or if a process exits.
        """
        ends = time.monotonic() + patience
        while not is_so():
            for vessel in self._fleet:
                vessel.check()
            if self._shore is not None:
                self._shore.check()
            if time.monotonic() > ends:
                raise _ImpatientError(f"timed out after {patience:.0f} s waiting for {what}")
            self._progress.show(lambda: [self._row(vessel) for vessel in self._fleet])
            time.sleep(LOOK_EVERY_S)

    def _has_played(self) -> bool:
        first = self._fleet.first
        numbers_by_sensor = first.ledger()
        held = dict.fromkeys(vessel_sensors.REPLAYED, 0)
        for (sensor, _), numbers in numbers_by_sensor.items():
            if sensor in held:
                held[sensor] += len(numbers)
        return all(number >= vessel_sensors.rows(sensor) for sensor, number in held.items())

    def _stop(self, daemon: Daemon) -> None:
        for vessel in self._fleet:
            vessel.signal(daemon, signal.SIGTERM)
        for vessel in self._fleet:
            vessel.wait(daemon)

    def _row(self, vessel: DemoVessel) -> ProgressRow:
        vessel.count()
        try:
            store = vessel.database()
            documents = 0 if store is None else store.count()
        except StoreError:  # the store is still being created
            documents = 0
        peers = _peers(vessel)
        return ProgressRow(
            vessel.name,
            vessel.samples,
            documents,
            _links(vessel) if vessel.runs(Daemon.SYNC) else None,
            sum(peer["behind"] + peer["receiving"] for peer in peers),
        )


class _ImpatientError(DemoError):
    """Error raised if a condition was not met within the time limit."""


def _standing(vessel: DemoVessel) -> Standing:
    store = vessel.database()
    return {} if store is None else current_revisions(store)


def _peers(vessel: DemoVessel) -> list[dict[str, Any]]:
    peers: list[dict[str, Any]] = (vessel.state(Daemon.SYNC) or {}).get("peers", [])
    return peers


def _links(vessel: DemoVessel) -> int:
    return sum(peer["state"] == LinkState.LINKED for peer in _peers(vessel))
