"""All facts for one update of the view: the daemons' live states, and the facts last read from files."""

from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sensors.units import format_duration
from services.console.environment import Environment
from services.console.stores import STORE
from services.lights import explain
from services.lights.facts import Machine
from services.lights.states import LightState, shown
from services.screens import alarm_list, peer_list, sensor_list, status_view
from services.screens.sensor_list import SensorList
from services.screens.status_lines import StatusFacts, advice
from services.state import gnss_state, lights_state, recorder_state, sync_state
from services.state.recorder_state import LiveState
from services.system.systemd import failed_units, list_failed

from .background import Background
from .recent import Recent
from .stored_facts import FactsReader, StoredFacts, aged

if TYPE_CHECKING:
    from services.history.alarms import AlarmEpisode
    from services.schemas.status import Top

MOST_ALARMS: Final = 100
SLOW_S: Final = 3.0
"""Time after which reading the files is reported as slow, in seconds."""


@dataclass(frozen=True, slots=True)
class TopFacts:
    """All facts that `logboat top` can show at one point in time."""

    facts: StatusFacts
    """The facts of `logboat status`."""
    name: str
    """Configured display name of the vessel."""
    sensors: SensorList
    recent: Mapping[str, Recent]
    """Recent values, by sensor id.

    The period that these values cover ends now if the recorder's state is current, else at the last recorded
    value.
    """
    alarms: "tuple[AlarmEpisode, ...]"
    """Recorded alarms of all vessels that are active or not acknowledged, most severe first."""
    more_alarms: int
    """Number of further alarms, which are left out to keep the list short."""
    names: Mapping[str, str]
    """Short ids of the alarms, by id."""
    alarms_age: float | None
    """Seconds since the alarms were read; None if they have not been read."""
    lights: Mapping[str, LightState]
    utc: float
    passed_over: tuple[str, ...] = ()

    @property
    def todo(self) -> str | None:
        """The most urgent advice; None if there is nothing to do."""
        return advice(self.facts)

    @property
    def title(self) -> str:
        """Title that names the vessel, log and boot."""
        return status_view.title(self.facts, self.name)


class TopFactsCollector:
    """Collector of the facts for each update of the view."""

    def __init__(
        self, args: Namespace, world: Environment, *, ask_units: Callable[[], str] = list_failed
    ) -> None:
        """Prepare to read the files at the paths in `args`: those of the common options, and `identity`."""
        self._args, self._world = args, world
        self._files = FactsReader(args, world, ask_units=ask_units)
        self._background = Background(self._files.read, lambda: world.boottime)
        # This uses the list of failed units that was read with the other files.
        self._machine = Machine(
            args.run, args.identity, ask_units=lambda: self._on_file().units, units_every=0.0
        )
        self._recent: dict[str, Recent] = {}
        self._recent_of: tuple[str, int] | None = None
        self._followed: set[str] = set()

    def read_again(self, patience: float) -> None:
        """Read the files again, waiting at most `patience` seconds. May be called from any thread."""
        self._background.wait(patience)
        self._background.start()
        self._background.wait(patience)

    def wait_for_reading(self, patience: float) -> None:
        """Wait until no file is being read, for at most `patience` seconds."""
        self._background.wait(patience)

    def collect(self, *, patience: float = 0.0) -> TopFacts:
        """Return the current facts.

        If files are being read, wait for at most `patience` seconds. Raise OSError if the run directory
        cannot be read.
        """
        args, world = self._args, self._world
        now, utc = world.boottime, world.utc
        sight = recorder_state.read(args.run, boottime=now, alive=world.alive)
        if self._files.is_due(is_live=sight.is_live):
            self._background.start()
        if patience:
            self._background.wait(patience)
        mesh_sight = sync_state.read(args.run, boottime=now, alive=world.alive)
        lights_sight = lights_state.read(args.run, boottime=now, alive=world.alive)
        gnss_sight = gnss_state.read(args.run, boottime=now, alive=world.alive)
        kept = self._on_file()
        sensors = aged(kept, now)
        vessel = kept.vessel if sight.state is None else sight.state.vessel
        stored = status_view.FromStore(
            vessel=kept.vessel,
            store=kept.store,
            fault=self._fault(kept),
            alarms=tuple(episode for episode in kept.alarms if episode.alarm.vessel == vessel),
            sensors=sensors,
            services=kept.services,
        )
        facts = status_view.compose(
            args,
            sight,
            mesh_sight,
            lights_sight,
            stored,
            gnss_sight=gnss_sight,
            boottime=now,
            utc=utc,
            problems=kept.problems,
            outputs=kept.outputs,
            failed_units=failed_units(lambda: kept.units),
            place=kept.zone,
        )
        return TopFacts(
            facts=facts,
            name=kept.name,
            sensors=SensorList(
                facts.vessel,
                facts.sensors,
                sight.why_not,
                () if sight.is_live else kept.sensors_passed_over,
            ),
            recent=kept.past if facts.live is None else self._values(facts.live, kept),
            alarms=kept.alarms[:MOST_ALARMS],
            more_alarms=max(len(kept.alarms) - MOST_ALARMS, 0),
            names=kept.names,
            alarms_age=None if kept.read_at is None else max(now - kept.read_at, 0.0),
            lights=shown(self._machine.read_facts_with(sight, mesh_sight, boottime=now, utc=utc)),
            utc=utc,
            passed_over=kept.passed_over,
        )

    def acknowledge(self, name: str, *, who: str) -> str:
        """Acknowledge an alarm as `logboat ack` does, and return a message that confirms this.

        Raise CommandError or OSError if that fails.
        """
        document_id, added = alarm_list.acknowledged(self._args, self._world, name, who=who)
        short = self._on_file().names.get(document_id, document_id)
        return alarm_list.acknowledged_words(short, who, added=added)

    def as_json(self, look: TopFacts) -> "Top":
        """Return the facts as an object for JSON output."""
        from services.schemas.status import Top

        return Top(
            status=status_view.as_json(look.facts, look.todo),
            sensors=sensor_list.as_json(look.sensors),
            alarms=alarm_list.as_json(look.alarms, look.names, look.passed_over, utc=look.utc),
            peers=peer_list.as_json(look.facts.mesh_sight, None, self._world),
            lights=explain.as_json(look.lights),
        )

    def _on_file(self) -> StoredFacts:
        return self._background.result or StoredFacts()

    def _fault(self, kept: StoredFacts) -> str:
        busy = self._background.busy_for
        if busy is not None and busy > SLOW_S:
            long = format_duration(round(busy))
            return (
                f"{self._args.data / STORE} has not responded for {long}: another process has locked "
                "it, or the card is failing"
            )
        return kept.fault

    def _values(self, state: LiveState, kept: StoredFacts) -> Mapping[str, Recent]:
        of = (state.log, state.boot)
        if of != self._recent_of:
            self._recent, self._recent_of, self._followed = {}, of, set()
        for name, sensor in state.sensors.items():
            recent = self._recent.setdefault(name, Recent())
            if sensor.clock is not None:
                recent.add(sensor.clock, sensor.value)
            if kept.past_of == of and name in kept.past and name not in self._followed:
                self._followed.add(name)
                recent.follow(kept.past[name])
        return self._recent
