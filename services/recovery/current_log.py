"""Finds the log that this vessel's recorder is writing, for other daemons.

No other vessel may write that log. So other daemons must know its name even while the recorder is not
running, for example before it has started after a boot.
"""

from pathlib import Path

from services.state import state_file
from sync.store import Database

from . import rollback


class CurrentLog:
    """Callable that returns the name of the log that the recorder is writing."""

    def __init__(self, run: Path, database: Database, vessel: str) -> None:
        """Prepare to look up the current log's name.

        `run` is the folder with the recorder's live state; `vessel` is the vessel that the recorder records.
        """
        self._run, self._database, self._vessel = run, database, vessel
        self._last: str | None = None

    def __call__(self) -> str | None:
        """Return the log's name; None if no log has begun. Raise StoreError if the store cannot be read.

        The name comes from the recorder's current or last known state. If the recorder has published no state
        yet, the name is that of the last log in the vessel's own document.
        """
        self._last = self.recorded() or self._last
        if self._last is None:
            logs = rollback.known_of(self._database, self._vessel).get("logs", "").split()
            return logs[-1] if logs else None
        return self._last

    def recorded(self) -> str | None:
        """Return the name of the log in the recorder's live state; None if there is no live state."""
        state = state_file.read(state_file.path(self._run))
        log = None if state is None else state.get("log")
        return log if isinstance(log, str) else None
