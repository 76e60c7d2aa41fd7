"""The two streams of a link between vessels: urgent documents, and documents that can wait.

Each stream has its own connection and checkpoint. So an alarm is not queued behind a month of readings, on
this vessel or in the network.
"""

from typing import Final

from sync.documents import is_history
from sync.peer.selection import Stream

HISTORY: Final = Stream("logboat/history", is_history)
"""Stream of readings, and of the gap documents that account for missing readings."""
LIVE: Final = Stream("logboat/live", lambda document_id: not is_history(document_id))
"""Stream of all other documents.

These are the documents of alarms, silences, current values, notes, boots, vessels, the fleet and crew apps.
"""
STREAMS: Final = (LIVE, HISTORY)
