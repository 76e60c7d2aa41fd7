"""A replication between a local store and a peer: what to send, what to accept, and the progress.

The package has no sockets and no clock of its own. An owner (`sync.net.peer_driver`) carries frames and
supplies the time. The modules, in the order in which a connection uses them:

- `active`, `passive`: the two roles; `peer_base`: the interface by which an owner drives either
- `session`: dispatch of requests and replies, and the end of a connection
- `checkpoints`: where to begin, and the progress so far
- `selection`: which documents are replicated
- `sender`: sending the feed of changes, and the wanted revisions (`deliveries`)
- `push_conflicts`: changes that the peer refuses as conflicts; `attempts`: the solutions tried for them
- `missing_revision_fetch`: requests for single documents
- `echo_suppression`: changes that came from the peer and need not be sent back
- `receiver`: receiving changes, and storing them in transactions
- `quotas`: how much a peer may send
- `received_deltas`: applying received deltas
- `pull_dedup`: which of several peers that offer a revision is asked for it
- `blob_traffic`, `blob_access`, `wire_bodies`: blobs, access to them, and how bodies differ on the wire
- `work`: long tasks, in slices and limited for each connection
- `conflicts`: resolution of conflicts
- `progress`, `problems`: events for observers; `failed_documents`: documents that could not be replicated
- `limits`: how much may be in flight at once
"""
