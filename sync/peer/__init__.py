"""A replication between the local store and a peer: what to send, what to accept, and the progress.

The package does no network I/O and reads no clock. Its owner (`sync.net.peer_driver`) transports the frames
and passes in the time. The modules, in the order in which a connection uses them:

- `active`, `passive`: the two roles; `peer_base`: the interface by which an owner drives either
- `session`: dispatch of requests and replies, and the end of a connection
- `checkpoints`: the position at which a replication continues, stored at both sides
- `selection`: which documents are replicated
- `sender`: sending the feed of changes, and the wanted revisions (`deliveries`)
- `push_conflicts`: changes that the peer refuses as conflicts; `attempts`: the solutions tried for each
- `missing_revision_fetch`: requests for single documents that the feed does not bring
- `echo_suppression`: changes received from the peer, which need not be sent back
- `receiver`: receiving changes, and storing them in transactions
- `quotas`: how much a peer may send
- `received_deltas`: applying received deltas
- `pull_dedup`: selection of one peer from which to request a revision that several peers offer
- `blob_traffic`, `blob_access`, `wire_bodies`: blobs, access to them, and the form of bodies on the wire
- `work`: long-running jobs, done in slices and limited for each connection
- `conflicts`: resolution of conflicts
- `progress`, `problems`: events for observers; `failed_documents`: documents that could not be replicated
- `limits`: how much may be in flight at once
"""
