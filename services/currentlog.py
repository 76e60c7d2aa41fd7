"""The log that this vessel's recorder writes now, as another daemon knows it.

Nobody but the vessel itself may write it. So it must be known also while no recorder runs: before its first
state after a start, and after it was stopped.
"""

from pathlib import Path

from sync.store import Database

from . import behind, livestate


class CurrentLog:
    """Finds out again at each call."""

    def __init__(self, run: Path, database: Database, vessel: str) -> None:
        """`run`: where the recorder's live state is; `vessel`: whose recorder."""
        self._run, self._database, self._vessel = run, database, vessel
        self._last: str | None = None

    def __call__(self) -> str | None:
        """Return the log's name; None if no log has begun. Raises StoreError.

        It is what the recorder says, or said last; before that, the last log of the vessel's own document.
        """
        self._last = self.recorded() or self._last
        if self._last is None:
            logs = behind.known_of(self._database, self._vessel).get("logs", "").split()
            return logs[-1] if logs else None
        return self._last

    def recorded(self) -> str | None:
        """Return the log that a recorder writes at this moment; None if none runs."""
        state = livestate.read(livestate.path(self._run))
        found = None if state is None else state.get("log")
        return found if isinstance(found, str) else None
