"""Handling of errors in a gateway's task, so that the task continues with its next iteration.

Only a damaged store ends the task. The daemon detects the damage and exits, so that the store is repaired.
"""

import logging
from typing import Final

from sync.store import Database, StoreError

log = logging.getLogger(__name__)

PAUSE_S: Final = 5.0
"""Delay in seconds between an error and the next attempt at the task."""


class TaskErrors:
    """Error handler of one gateway's task. An error is logged only if it differs from the last error."""

    def __init__(self, database: Database, name: str) -> None:
        self._database, self._name = database, name
        self.words: str | None = None
        """Message about the error in the last iteration; None if there was no error."""

    def outlasts(self, error: Exception) -> bool:
        """Record an error. Return False if the task must end because of this error."""
        if isinstance(error, StoreError) and self._database.damage is not None:
            log.error("gateway %s: store error: %s", self._name, error)
            return False
        is_store = isinstance(error, StoreError)
        words = str(error) if is_store else f"internal error: {type(error).__name__}: {error}"
        if words != self.words:
            # Errors that other vessels' documents may cause are logged as a message. Bugs are logged with a
            # traceback.
            log.error(
                "gateway %s continues after an error: %s",
                self._name,
                words,
                exc_info=None if is_store else error,
            )
            self.words = words
        return True

    def is_over(self) -> None:
        """Record that an iteration has ended without an error."""
        self.words = None
