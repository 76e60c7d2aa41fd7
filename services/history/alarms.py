"""Recorded alarms, and their acknowledgement."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sensors.severity import Severity
from services.alarms.phases import Phase, phase_of
from services.clocks.clock_quality import UNSYNCED
from services.documents import models
from services.documents.models import AlarmDocument, BootMoment, DocumentSource, ShapeError
from sync.documents import DocumentType
from sync.fleet import acknowledgements
from sync.fleet.silences import Silence
from sync.store import Database

from .boots import boots_of
from .silences import silence_of
from .timeline import Moment, Timeline


class AlarmIdError(ValueError):
    """The given name matches no alarm or several alarms. The error message states how many."""


@dataclass(frozen=True, slots=True)
class AlarmEpisode:
    """An alarm episode with the facts that views show."""

    id: str
    alarm: AlarmDocument
    raised: Moment
    cleared: Moment | None
    """Time at which the alarm was cleared; None if it is active."""
    display: str = ""
    """Unit in which the sensor's values are shown; '' for the default unit."""
    silence: Silence | None = None
    """Last silence of the alarm, even if it has ended. None if the alarm is inactive or acknowledged."""

    @property
    def is_acknowledged(self) -> bool:
        """True if anyone has acknowledged the alarm."""
        return bool(self.alarm.acks)

    @property
    def phase(self) -> Phase:
        """Phase of the alarm, determined from the alarm's document alone."""
        return phase_of(cleared=self.cleared is not None, acknowledged=self.is_acknowledged)

    def silenced_until(self, utc: float) -> float | None:
        """Return the end of the silence that is in effect at a time, or None if the alarm is not silenced.

        Both times are in seconds since 1970.
        """
        silence = self.silence
        if silence is None or self.phase is not Phase.UNACKNOWLEDGED:
            return None
        is_silenced = silence.is_current(utc) and silence.mutes(self.id, self.alarm.severity)
        return silence.ends if is_silenced else None

    def is_audible(self, utc: float) -> bool:
        """Return True if the alarm is audible at a time, in seconds since 1970."""
        return self.phase is Phase.UNACKNOWLEDGED and self.silenced_until(utc) is None

    @property
    def is_open(self) -> bool:
        """True if the alarm is active or has not been acknowledged."""
        return self.cleared is None or not self.is_acknowledged

    @property
    def rank(self) -> int:
        """Rank of the alarm's severity, 0 to 5.

        A severity that Signal K does not define has the highest rank.
        """
        try:
            return Severity(self.alarm.severity).rank
        except ValueError:
            return Severity.EMERGENCY.rank


def episodes(source: DocumentSource, vessel: str | None = None) -> tuple[list[AlarmEpisode], list[str]]:
    """Return the alarms of one vessel or all vessels, and the problems in documents that were skipped.

    Active alarms come first, then the most severe, then the latest.
    """
    shown, faults = [], []
    timelines: dict[str, Timeline] = {}
    shown_in: dict[str, Mapping[str, str]] = {}
    for document in source.documents(
        f"{DocumentType.ALARM}:" if vessel is None else f"{DocumentType.ALARM}:{vessel}:"
    ):
        try:
            alarm = models.read(document, AlarmDocument)
        except ShapeError as error:
            faults.append(str(error))
            continue
        if alarm.vessel not in timelines:
            timelines[alarm.vessel] = Timeline(boots_of(source, alarm.vessel)[0])
            shown_in[alarm.vessel] = models.display_units(source, alarm.vessel)
        timeline = timelines[alarm.vessel]
        cleared = None if alarm.cleared is None else moment(timeline, alarm, alarm.cleared)
        raised, display = moment(timeline, alarm, alarm.raised), shown_in[alarm.vessel].get(alarm.sensor, "")
        silence = silence_if_needed(source, document.id, alarm)
        shown.append(AlarmEpisode(document.id, alarm, raised, cleared, display, silence))
    return in_order(shown), faults


def silence_if_needed(source: DocumentSource, document_id: str, alarm: AlarmDocument) -> Silence | None:
    """Return the last silence of an alarm that is active and not acknowledged; None for any other alarm."""
    return silence_of(source, document_id) if alarm.cleared is None and not alarm.acks else None


def in_order(alarm_episodes: Iterable[AlarmEpisode]) -> list[AlarmEpisode]:
    """Return the alarms sorted: active ones first, then the most severe, then the latest."""
    return sorted(alarm_episodes, key=lambda e: (e.cleared is not None, -e.rank, -(e.raised.utc or 0.0)))


def moment(timeline: Timeline, alarm: AlarmDocument, when: BootMoment) -> Moment:
    """Convert the recorded time at which an alarm was raised or cleared to a moment on the timeline."""
    is_unknown = when.utc is None or when.trust == UNSYNCED
    recorded = None if when.utc is None or is_unknown else models.seconds_of(when.utc)
    return timeline.at(alarm.log, when.boot or 0, when.clock, recorded=recorded)


def short_ids(ids: Sequence[str]) -> dict[str, str]:
    """Return the shortest unique suffix of each alarm id, by id.

    The suffix is the alarm's number, preceded by as many parts of the id as are needed to make it unique.
    """
    short = {}
    endings: dict[str, int] = {}
    for document_id in ids:
        for suffix in _suffixes(document_id):
            endings[suffix] = endings.get(suffix, 0) + 1
    for document_id in ids:
        short[document_id] = next(
            (suffix for suffix in _suffixes(document_id) if endings[suffix] == 1), document_id
        )
    return short


def _suffixes(document_id: str) -> Iterator[str]:
    """Yield suffixes of an id, shortest first: `17`, `abcdef:000000000017`, and so on."""
    parts = document_id.split(":")
    yield parts[-1].lstrip("0") or "0"
    for begin in range(len(parts) - 2, -1, -1):
        yield ":".join(parts[begin:])


def find(source: DocumentSource, name: str) -> str:
    """Return the id of the alarm that `name` identifies: by its id, its number, or a unique suffix.

    Raise AlarmIdError if no alarm matches, or if several do.
    """
    ids = [document.id for document in source.documents(f"{DocumentType.ALARM}:")]
    if name in ids:
        return name
    matches = [document_id for document_id in ids if next(_suffixes(document_id)) == name.lstrip("0")]
    if not matches:
        matches = [document_id for document_id in ids if name and document_id.endswith(name)]
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise AlarmIdError(f"unknown alarm {name!r}; `logboat alarms --all` lists all alarms")
    raise AlarmIdError(f"{name!r} is ambiguous; it matches: {', '.join(matches[:10])}")


def acknowledge(database: Database, document_id: str, *, who: str, utc: float) -> bool:
    """Record durably that `who` has acknowledged an alarm; return False if that was already recorded.

    Raise AlarmIdError if the alarm does not exist, and StoreError if it cannot be written.
    """
    from services.documents.reading_documents import iso

    is_new = acknowledgements.acknowledge(database, document_id, who=who, when=iso(utc))
    if is_new is None:
        raise AlarmIdError(f"{document_id} no longer exists")
    return is_new
