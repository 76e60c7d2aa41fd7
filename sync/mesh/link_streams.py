"""The two streams of a link between vessels: urgent documents, and documents that can wait.

Each stream has its own connection and checkpoint, so that a month of readings does not delay an alarm in our
queues or in those of the network.
"""

from typing import Final

from sync.documents import is_history
from sync.peer.selection import Stream

HISTORY: Final = Stream("logboat/history", is_history)
"""Stream of readings, and of the gaps that account for missing readings."""
LIVE: Final = Stream("logboat/live", lambda document_id: not is_history(document_id))
"""Stream of all other documents.

These are alarms, current values, notes, boots, vessels, the fleet's own documents, and those of crew apps.
"""
STREAMS: Final = (LIVE, HISTORY)
