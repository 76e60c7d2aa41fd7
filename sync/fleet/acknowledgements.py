"""Acknowledgement of alarms. Anyone with access to a vessel's store may acknowledge its alarms.

An acknowledgement adds only the user's name and the time to the alarm's document, once for each user. It can
therefore be merged with other acknowledgements and with the clearing of the alarm (`conflict_resolvers`).
"""

from typing import Any

from sync.store import Database


def acknowledge(database: Database, document_id: str, *, who: str, when: str) -> bool | None:
    """Record durably that `who` has acknowledged an alarm at the UTC time `when`.

    Return True if the acknowledgement was added, False if `who` had already acknowledged the alarm, and None
    if the alarm does not exist. Raises StoreError if the store fails.
    """
    with database.transaction():  # no other process may write between the read and the write
        current = database.get(document_id)
        if current is None or current.deleted:
            return None
        body: dict[str, Any] = current.body
        value = body.get("acks")
        acks = [ack for ack in value if isinstance(ack, dict)] if isinstance(value, list) else []
        if any(ack.get("who") == who for ack in acks):
            return False
        body["acks"] = [*acks, {"who": who, "when": when}]
        database.put(document_id, body, parent=current.rev)
        return True
