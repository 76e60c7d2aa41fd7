"""The silences of the alarms that a gateway publishes, and when they end.

A notification of a silenced alarm does not sound. When the silence ends, the notification is published again,
because the alarm's document does not change then.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from sync import documents
from sync.documents import DocumentType
from sync.fleet.silences import Silence, SilenceTimer, silence_in
from sync.store import Database, Document, DocumentError, bodies


def boot_clock() -> float:
    """Return the time of the boot clock, in seconds."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


CHECK_EVERY_S: Final = 1.0
"""Seconds between two checks of whether a silence has ended. Each check covers all silences."""


class SilenceWatch:
    """Watcher of the silences in a store that are in effect."""

    def __init__(
        self,
        database: Database,
        *,
        utc: Callable[[], float] = time.time,
        boottime: Callable[[], float] = boot_clock,
    ) -> None:
        """Create a watcher without silences.

        `utc` returns the seconds since 1970, and `boottime` the boot clock's time in seconds.
        """
        self._database, self._utc, self._boottime = database, utc, boottime
        self._timer = SilenceTimer()
        self._quiet: dict[str, Silence] = {}
        """Silences of the alarms that may have been published without sound, by alarm id."""
        self._again_at = 0.0

    def begin(self) -> None:
        """Watch the silences of alarms that should sound, even if they have ended long ago.

        Such an alarm may have been published without sound, and the end of its silence may have passed while
        this daemon was stopped or the broker unreachable. Raises StoreError if the store fails.
        """
        for document in self._database.documents(f"{DocumentType.SILENCE}:"):
            silence = _read(document)
            if silence is not None and self._should_sound(silence.alarm):
                self._quiet[silence.alarm] = silence

    def is_silenced(self, alarm: str, body: Mapping[str, Any]) -> bool:
        """Return True if an alarm is silenced. Raises StoreError if the store fails.

        `alarm` is the id of the alarm's document, and `body` is its body.
        """
        document = self._database.get(documents.silence_id(alarm))
        silence = None if document is None else _read(document)
        if silence is None:
            return False
        if not self._is_in_effect(silence):
            return False
        self._quiet[alarm] = silence
        return silence.mutes(alarm, body.get("severity"))

    def ended(self) -> list[str]:
        """Return the ids of the alarms whose silences have ended since the last call."""
        now = self._boottime()
        if not self._quiet or now < self._again_at:
            return []
        self._again_at = now + CHECK_EVERY_S
        ended = [alarm for alarm, silence in self._quiet.items() if not self._is_in_effect(silence)]
        for alarm in ended:
            del self._quiet[alarm]
        return ended

    def _should_sound(self, alarm: str) -> bool:
        """Return True if an alarm without a silence sounds: it is neither cleared nor acknowledged."""
        document = self._database.get(alarm)
        if document is None or document.deleted:
            return False
        body = bodies.decode(document.id, document.raw)
        return not body.get("cleared") and not body.get("acks")

    def _is_in_effect(self, silence: Silence) -> bool:
        return self._timer.is_in_effect(silence, utc=self._utc(), boottime=self._boottime())


def _read(document: Document) -> Silence | None:
    try:
        return silence_in(document.id, document.body)
    except DocumentError:  # from another vessel, whose document may contain anything
        return None
