"""Lets a gateway's task go on after an error that ends one turn of its work, such as one bad document.

Only a damaged store ends the task: the daemon sees that itself, and ends to have it repaired.
"""

import logging
from typing import Final

from sync.store import Database, StoreError

log = logging.getLogger(__name__)

PAUSE_S: Final = 5.0
"""Seconds until the task tries again."""


class Endurance:
    """The errors of one gateway's task. Each is logged when it is another than the last."""

    def __init__(self, database: Database, name: str) -> None:
        self._database, self._name = database, name
        self.words: str | None = None
        """What stands in the way just now, for people."""

    def outlasts(self, error: Exception) -> bool:
        """Take note of an error; return False if the task is to end for it."""
        if isinstance(error, StoreError) and self._database.damage is not None:
            log.error("gateway %s: the store: %s", self._name, error)
            return False
        is_store = isinstance(error, StoreError)
        words = str(error) if is_store else f"a fault of Logboat: {type(error).__name__}: {error}"
        if words != self.words:
            # What somebody else's documents may cause is told in words, a fault of ours with its traceback.
            log.error("gateway %s goes on after: %s", self._name, words, exc_info=None if is_store else error)
            self.words = words
        return True

    def is_over(self) -> None:
        """Take note that a turn has passed without an error."""
        self.words = None
