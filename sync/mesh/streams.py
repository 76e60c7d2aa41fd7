"""The two streams of a link between vessels: what must arrive at once, and what may take its time.

Each has a connection and a checkpoint of its own, so that a month of readings does not stand in the way of
an alarm, be it in a queue of ours or in one of the network's.
"""

from typing import Final

from sync.documents import is_history
from sync.peer.selection import Stream

HISTORY: Final = Stream("logboat/history", is_history)
"""Readings, and what explains that some are missing."""
LIVE: Final = Stream("logboat/live", lambda document_id: not is_history(document_id))
"""All else: alarms, current values, notes, boots, vessels, the fleet's own, and documents of crew's apps."""
STREAMS: Final = (LIVE, HISTORY)
