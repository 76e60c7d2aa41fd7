"""How much is on its way at once. All constants of replication's pace, each with its reason."""

from typing import Final

BATCH: Final = 200
"""Changes in one list, and documents in one transaction: Couchbase Lite's size of a list, and some 10 ms of
writing, well below the 50 ms that others may be made to wait for the store."""
LOOKED_UP_AT_ONCE: Final = 50
"""Items of a list that are looked up in the store before others may have a turn: 3 ms of a laptop's time."""
SCANS_AT_ONCE: Final = 8
"""Times in one turn that BATCH changes are read of the feed. Where a filter leaves out nearly all, as alarms
are few among a year of readings, everybody else would otherwise wait until all of the store has been read."""
LISTS_AWAITING: Final = 4
"""Lists of changes sent whose reply has not come: two on the way and two being looked up keep a link busy."""
REVISIONS_AWAITING: Final = 5 * BATCH
"""Revisions sent whose reply has not come: one transaction's worth is written there, one is on its way, one
read here, and nobody ever waits for the other (measured: with 2, each waits a third of the time)."""
BYTES_AWAITING: Final = 4 * 1024 * 1024
"""Their bodies' bytes together, so that a peer need not hold more than a few large ones."""
MESSAGES_QUEUED: Final = 64
"""Messages of ours in line for the wire beyond which no revision is read from the store: memory, and a
change that is urgent waits behind few."""
BYTES_QUEUED: Final = 1024 * 1024
"""Bytes of our messages in line for the wire beyond which no more is read from the store, nor asked for."""
READ_AHEAD: Final = 50
"""Revisions read from the store in one go."""
REVISIONS_WANTED: Final = 6 * BATCH
"""Revisions asked for and not here; until there are fewer, further lists wait for their answers."""
LISTS_UNANSWERED: Final = 64
"""Lists of changes that a peer may send without waiting for answers. Couchbase Lite sends 4 at most."""
REQUESTS_AHEAD: Final = 200_000
"""Requests of a peer that may come whole while one that it began before does not: memory, a number for each.
The longest message takes some 5000 frames, between which others come."""
CHANGES_OPEN: Final = 200_000
"""Changes that a peer may announce after one whose revision it keeps back: some 40 MB of bookkeeping."""
DOCUMENTS_FETCHING: Final = 2 * REVISIONS_WANTED
"""Documents that wait for blobs: all that we asked for, and as many that are pushed."""
BYTES_FETCHING: Final = 64 * 1024 * 1024
"""Their bodies' bytes together; peers like ours let far fewer wait (BYTES_AWAITING)."""
FILES_OPEN: Final = 32
"""Blobs being sent at the same time on one connection; each holds a file open."""
WORK_RATE: Final = 16 * 1024 * 1024
"""Bytes a second that one connection may have hashed for it: a fifth of one core of the smallest board, and
more than its Wi-Fi carries."""
WORK_ALLOWANCE: Final = WORK_RATE // 4
"""Bytes of that at once, after a rest: some 50 ms of the smallest board's time, spread over several turns."""
WORK_SLICE: Final = 256 * 1024
"""Bytes of that in one turn: 3 ms of the smallest board's time, for which everybody else waits."""
JOBS_WAITING: Final = 1000
"""Questions in line that take such work: memory. An honest peer asks no more at once than revisions may be
on their way."""
PATCH_COST: Final = 4
"""A byte of a base, a delta and a result counts as so many that are hashed. It takes longer (measured: 100
times as long where the processor hashes in hardware); at this figure a connection gets some 200 documents of
20 kB a second, as many as without a limit here, and its turns keep it from holding others up."""
DELTA_BYTES: Final = 128 * 1024
"""Of a base, a delta or a new body, the longest of which a delta is made or applied: it cannot be done in
slices (measured: 0.1 microseconds a byte, several times that on the smallest board). What is longer goes
whole."""
DELTA_STORED: Final = 8 * DELTA_BYTES
"""Bytes that all kept revisions of such a base's document may take: they are read together."""
PROOFS_KEPT: Final = 1000
"""Blobs that a peer has proven to have, which it need not prove again on this connection."""
PROOF_WITHIN: Final = 60.0
"""Seconds without any proof from a peer that was asked for some, until what waits for them fails for now. The
largest blob takes half of that at WORK_RATE, as its bytes count twice."""
BLOB_BYTES: Final = 256 * 1024 * 1024
"""The largest blob that is taken in: what a card can spare for a photograph or a manual."""
COMMIT_BYTES: Final = 1024 * 1024
"""Bytes of bodies that are written in one transaction, even of fewer documents than BATCH."""
COMMIT_AFTER: Final = 0.05
"""Seconds that a revision waits at most for others to share its transaction: a card takes some 10 ms to
synchronise, so that by one at a time most of its life went into that."""
CHECKPOINT_EVERY: Final = 5.0
"""Seconds between checkpoints while documents pass; Couchbase Lite's. A kill costs so much repetition."""
BLOBS_AT_ONCE: Final = 4
"""Blobs being fetched at the same time."""
FEED_PATIENCE: Final = 5.0
"""Seconds until what a peer holds is asked for that its continuous feed may still bring: a gateway tells of a
change within one or two."""
HISTORY: Final = 20
"""Ancestors asked for with a revision: as many as the store keeps."""
DEPTH: Final = 50
"""Ancestors sent to a peer that does not say how many it takes: the depth of Couchbase Lite's trees. It takes
a gap in a history from that index on, and no earlier."""
DEPTH_MOST: Final = 100
"""Ancestors sent to any peer: bytes. Most of so long a history would be made-up names."""
RETRY_DOCUMENT: Final = 30.0
"""Seconds until a document that failed for the moment is tried again on the same connection."""
RETRY_REFUSED: Final = 1800.0
"""The same where the peer has had enough from us for a day (429): each attempt costs the whole body."""
RETRY_CONFLICT: Final = 300.0
"""Seconds until a change that the peer refuses as a conflict is proposed again on the same connection. What
is in its way goes by people's work, not by itself; a proposal costs some 100 bytes."""
CONFLICTS_RETRIED: Final = 10_000
"""Conflicts that are proposed again on the same connection: a few megabytes. With more, the next connection
proposes the others."""
QUESTIONS_WAITING: Final = 5_000
"""Conflicts that wait for the pull to bring the peer's revision: memory, some 3 MB."""
ATTEMPTS_KEPT: Final = 2 * QUESTIONS_WAITING
"""Revisions of which is kept which ways were tried to get them to the peer: all that wait for the pull, and
as many that are being proposed, so that none is dropped while it is needed."""
WAYS_MOST: Final = 8
"""Ways tried for one revision before it fails. An honest peer, whose document changes between two proposals
now and then, needs 2 or 3; one that names another revision each time would be answered without end."""
FAULTS_MOST: Final = 3
"""Times that the other side may fail on a document (HTTP 500) before it counts as refused: a sync function
that raises does so each time, and each time the whole body has gone there."""
