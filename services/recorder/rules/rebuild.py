"""Reconstructs the states of alarm rules after a restart, before the first sample is accepted."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from sensors.settings import SensorSettings
from services.clocks.clock_quality import Anchor
from services.journal.batch import Identity
from services.journal.journal import JournalReader
from services.journal.schema import JournalError
from sync import documents
from sync.store import Database, StoreError

from .history import MOST_BOOTS, Past, PastBoot, PowerOff, needs_past, power_off

log = logging.getLogger(__name__)


def rebuild(
    *,
    data: Path,
    journal: Path,
    vfs: str | None,
    identity: Identity,
    sensors: Sequence[SensorSettings],
    measured_before: Mapping[str, tuple[str, str]],
    anchors: Sequence[Anchor],
    now_ms: int,
    raised: Mapping[str, int],
    replay: Callable[[str, Iterable[PastBoot]], None],
    progress: Callable[[], None],
) -> PowerOff | None:
    """Pass the samples recorded before this start to `replay`, for each sensor whose rules need them.

    `measured_before` contains the paths and units that sensors had before this start. Samples that a sensor
    recorded with a different path or unit are ignored. `raised` contains the numbers of the samples that
    raised the current alarms.

    Return the times of earlier boots; None if no samples were needed or could be read. If the store cannot
    be read, the error is logged, and the rules start with an unknown state.
    """
    needing = [settings for settings in sensors if needs_past(settings)]
    store = data / "log.db"
    if not needing or not store.exists():
        return None
    unchanged = {
        settings.id
        for settings in sensors
        if measured_before.get(settings.id) in (None, (settings.path, settings.unit))
    }
    by_id = {settings.id: settings for settings in sensors}
    try:
        with ExitStack() as stack:
            reader = JournalReader(journal, vfs=vfs, read_only=True)
            stack.callback(reader.close)
            waiting = [
                batch
                for batch in reader.all_batches(after=reader.through())
                if batch.boot > identity.boot - MOST_BOOTS
            ]
            database = stack.enter_context(
                Database.open(store, policy=documents.POLICY, checkpoint_pages=0, create=False, vfs=vfs)
            )
            times = power_off(database, identity, last_before=reader.last_of_earlier_boot, anchors=anchors)
            past = Past(source=database, identity=identity, waiting=waiting, times=times, now_ms=now_ms)
            for settings in needing:
                progress()
                others = {rule.other.sensor for rule in settings.alarms if rule.other is not None}
                if not unchanged.issuperset({settings.id, *others}):
                    continue
                found = [by_id[other] for other in sorted(others)]
                replay(settings.id, past.boots(settings, found, raised=raised.get(settings.id, 0)))
            return times
    except (StoreError, JournalError, OSError) as error:
        log.warning("alarm rules start without the samples recorded before: %s", error)
        return None
