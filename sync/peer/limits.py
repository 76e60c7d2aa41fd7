"""Limits on the data that a replication has in flight, in queues or in memory, each with its reason."""

from typing import Final

BATCH: Final = 200
"""Number of changes in one list, and of documents in one transaction.

Lists of Couchbase Lite have this size. Such a transaction takes about 10 ms, well below the 50 ms for which
other writers may have to wait for the store.
"""
LOOKED_UP_AT_ONCE: Final = 50
"""Number of items of a list that are looked up before other connections are served.

Looking up this number takes 3 ms on a laptop.
"""
SCANS_AT_ONCE: Final = 8
"""Maximum number of batches read from the feed before other connections are served.

A filter may exclude nearly all changes, for example all but a few documents of a whole year. Without this
limit, all other connections would wait until the whole store has been read.
"""
LISTS_AWAITING: Final = 4
"""Maximum number of unanswered `changes` messages: two in flight and two in processing keep a link busy."""
REVISIONS_AWAITING: Final = 5 * BATCH
"""Maximum number of sent revisions without a reply.

One transaction can be written at the peer while the next is in flight and a third is read here. So neither
side waits for the other. In a measurement with 2 transactions, each side waited a third of the time.
"""
BYTES_AWAITING: Final = 4 * 1024 * 1024
"""Maximum total size, in bytes, of sent bodies without a reply. It limits the peer's memory usage."""
MESSAGES_QUEUED: Final = 64
"""Number of queued messages above which no further revision is read from the store.

This saves memory, and prevents urgent messages from waiting long.
"""
BYTES_QUEUED: Final = 1024 * 1024
"""Total size in bytes of queued messages above which no further revision is read from the store."""
READ_AHEAD: Final = 50
"""Maximum number of revisions read from the store at once."""
REVISIONS_WANTED: Final = 6 * BATCH
"""Maximum number of requested revisions that are not stored yet.

Once this number is reached, `changes` messages are not answered.
"""
LISTS_UNANSWERED: Final = 64
"""Maximum number of unanswered `changes` messages that a peer may send; Couchbase Lite sends 4."""
REQUESTS_AHEAD: Final = 200_000
"""Maximum number of complete requests from a peer after an incomplete request, to limit memory.

The longest message takes about 5000 frames, and other messages arrive between them.
"""
CHANGES_OPEN: Final = 200_000
"""Maximum number of changes announced while an earlier change is incomplete. They use about 40 MB."""
DOCUMENTS_FETCHING: Final = 2 * REVISIONS_WANTED
"""Maximum number of documents that wait for blobs: as many requested as pushed documents."""
BYTES_FETCHING: Final = 64 * 1024 * 1024
"""Maximum total size in bytes of the bodies of documents that wait for blobs.

Other vessels send far fewer bytes at a time (BYTES_AWAITING).
"""
FILES_OPEN: Final = 32
"""Maximum number of blobs being sent on one connection, each of which keeps a file open."""
WORK_RATE: Final = 16 * 1024 * 1024
"""Bytes per second that may be hashed for one connection.

This uses a fifth of one core of the smallest board, and is more than the board's Wi-Fi can transfer.
"""
WORK_ALLOWANCE: Final = WORK_RATE // 4
"""Number of bytes that may be hashed without delay after a pause, in several slices.

Hashing this number takes about 50 ms on the smallest board.
"""
WORK_SLICE: Final = 256 * 1024
"""Number of bytes hashed in one slice.

A slice takes 3 ms on the smallest board, and all other connections wait for that time.
"""
JOBS_WAITING: Final = 1000
"""Maximum number of queued jobs, to limit memory.

An honest peer has no more requests open at once than revisions may be in flight.
"""
PATCH_COST: Final = 4
"""Cost of applying a delta, in hashed bytes per byte of the base and the delta.

The real cost is higher. On a processor that hashes in hardware, applying a delta was measured to take 100
times as long as hashing. With this value, a connection can apply about 200 deltas to documents of 20 kB a
second, as many as without a limit. Other connections are not delayed, because the work is done in slices.
"""
DELTA_BYTES: Final = 128 * 1024
"""Maximum size in bytes of the base, the delta and the new body of a delta that is made or applied.

A delta cannot be made or applied in slices. The measured time is 0.1 microseconds per byte, and several times
as much on the smallest board. A larger body is sent whole.
"""
DELTA_STORED: Final = 8 * DELTA_BYTES
"""Maximum total size in bytes of a document's stored bodies for which a delta is made or applied.

The limit is needed because all these bodies are read together.
"""
PROOFS_KEPT: Final = 1000
"""Maximum number of blobs that are recorded as proven on one connection and need no further proof."""
PROOF_WITHIN: Final = 60.0
"""Seconds from a request for a proof, or from any later proof, until the waiting documents fail temporarily.

At WORK_RATE, a peer needs about half of that time for the largest blob, because its bytes count twice.
"""
BLOB_BYTES: Final = 256 * 1024 * 1024
"""Maximum size in bytes of a received blob: the space that a card can spare for a photograph or a manual."""
COMMIT_BYTES: Final = 1024 * 1024
"""Maximum total size in bytes of bodies written in one transaction, even for fewer documents than BATCH."""
COMMIT_AFTER: Final = 0.05
"""Maximum seconds for which a received revision waits to be stored in one transaction with others.

A card takes about 10 ms to synchronise. With one transaction per revision, synchronising would take most of
the time.
"""
CHECKPOINT_EVERY: Final = 5.0
"""Seconds between checkpoints during transfers, as in Couchbase Lite.

After a crash, up to this many seconds of work are repeated.
"""
BLOBS_AT_ONCE: Final = 4
"""Maximum number of blobs being fetched at the same time."""
FEED_PATIENCE: Final = 5.0
"""Seconds to wait for a revision to appear in the continuous feed before it is requested individually.

A gateway announces a change within one or two seconds.
"""
HISTORY: Final = 20
"""Number of ancestors requested with a revision. The store keeps the same number."""
DEPTH: Final = 50
"""Number of ancestors sent to a peer that does not state its maximum.

This is the depth of Couchbase Lite's revision trees. Couchbase Lite accepts a gap in a history only beyond
that depth.
"""
DEPTH_MOST: Final = 100
"""Maximum number of ancestors sent to any peer. A longer history would consist mostly of substitute ids."""
RETRY_DOCUMENT: Final = 30.0
"""Seconds until a document that failed temporarily is tried again on the same connection."""
RETRY_REFUSED: Final = 1800.0
"""Seconds until a retry if the peer reports that our daily quota is used up (429).

Each retry sends the whole body.
"""
RETRY_CONFLICT: Final = 300.0
"""Seconds until a change refused as a conflict is proposed again on the same connection.

Users resolve such a conflict, because it cannot be resolved automatically. A proposal costs about 100 bytes.
"""
CONFLICTS_RETRIED: Final = 10_000
"""Maximum number of conflicts to propose again on the same connection. They use a few megabytes of memory.

All other conflicts are proposed again on the next connection.
"""
QUESTIONS_WAITING: Final = 5_000
"""Maximum number of conflicts that wait for the pull to receive the peer's revision: about 3 MB of memory."""
ATTEMPTS_KEPT: Final = 2 * QUESTIONS_WAITING
"""Maximum number of revisions whose tried solutions are recorded.

This covers all revisions that wait for the pull, and the same number that are being proposed. So no record is
dropped while it is needed.
"""
WAYS_MOST: Final = 8
"""Maximum number of solutions tried for one revision before it fails.

With an honest peer, whose document sometimes changes between two proposals, 2 or 3 are enough. Without this
limit, a peer that reports a different revision each time would get proposals indefinitely.
"""
FAULTS_MOST: Final = 3
"""Number of times that the peer may fail on a revision (HTTP 500) before the revision counts as rejected.

If a gateway's sync function raises an exception for a revision, it does so at each attempt, and each attempt
sends the whole body.
"""
