"""The silences that this vessel's silence button has requested, until they are stored.

They take effect at once, and even if the document store cannot be written.
"""

import math
from collections.abc import Iterable, Sequence

from services.alarms.audible import AlarmFact
from services.alarms.silences import USUAL_S, to_silence
from sync.fleet.silences import Silence


class LocalSilences:
    """The alarms that this vessel's button has silenced, by the boot clock."""

    def __init__(self) -> None:
        self._silences: dict[Silence, float] = {}
        """End of each silence, by the boot clock, in seconds."""
        self._recorder_until = 0.0

    def press(
        self,
        alarms: Sequence[AlarmFact],
        sounding: Sequence[AlarmFact],
        *,
        utc: float,
        boottime: float,
        is_recorder_silent: bool,
    ) -> tuple[AlarmFact, ...]:
        """Silence the audible `alarms`, and return those that were silenced.

        `sounding` are those for which an output is on. Emergencies among them are not silenced together with
        lesser alarms, so a second press may be necessary. If the recorder stores nothing, the outputs that
        this turns on are silenced too.
        """
        first = {alarm.id for alarm in to_silence(sounding)}
        heard = {alarm.id for alarm in sounding}
        lesser = {alarm.id for alarm in to_silence(alarms)} - heard
        chosen = tuple(alarm for alarm in alarms if alarm.id in first | lesser)
        for alarm in chosen:
            silence = Silence(alarm.id, alarm.severity.value, utc, utc + USUAL_S)
            self._silences[silence] = boottime + USUAL_S
        if is_recorder_silent:
            self._recorder_until = boottime + USUAL_S
        return chosen

    def in_effect(self, stored: Iterable[Silence], boottime: float) -> Sequence[Silence]:
        """Return the silences that have not ended and are not stored yet.

        `stored` are the last stored silences, of which newer ones replace those of the button. `boottime` is
        the boot clock's time, in seconds.
        """
        if self._silences:
            begins = {silence.alarm: silence.begins for silence in stored}
            self._silences = {
                silence: end
                for silence, end in self._silences.items()
                if boottime < end and not _is_newer(begins.get(silence.alarm, -math.inf), silence.begins)
            }
        return tuple(self._silences)

    def mutes_recorder(self, boottime: float, *, is_recorder_silent: bool) -> bool:
        """Return True if outputs must not sound because the recorder stores nothing.

        This ends when the recorder works again, so that the next fault sounds.
        """
        if not is_recorder_silent:
            self._recorder_until = 0.0
        return boottime < self._recorder_until


def _is_newer(stored: float, local: float) -> bool:
    """Return True if a stored silence was begun when the button was pressed, or afterwards.

    A vessel whose clock is far ahead does not disable the button.
    """
    return -0.001 <= stored - local <= USUAL_S  # times are stored in milliseconds
