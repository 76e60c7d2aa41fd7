"""Limits on the data that a replication has in flight, in queues or in memory, each with its reason."""

from typing import Final

BATCH: Final = 200
"""Maximum number of changes in one `changes` message, and of documents in one transaction.

Couchbase Lite sends `changes` messages of this size. A transaction of this size takes about 10 ms. At most
50 ms would be acceptable, because other writers must wait for the store during a transaction.
"""
LOOKED_UP_AT_ONCE: Final = 50
"""Number of items of a `changes` message that are looked up in the store before other connections are served.

Looking up this number of items takes 3 ms on a laptop.
"""
SCANS_AT_ONCE: Final = 8
"""Maximum number of batches of changes read from the feed before other connections are served.

A filter may exclude nearly all changes, for example all but a few documents of a whole year. Without this
limit, all other connections would have to wait until the whole store has been read.
"""
LISTS_AWAITING: Final = 4
"""Maximum number of unanswered `changes` messages that we send.

Two messages in flight and two that the peer is processing are enough to keep a link busy.
"""
REVISIONS_AWAITING: Final = 5 * BATCH
"""Maximum number of revisions that were sent to a peer and are not answered yet: five transactions.

The peer can write one transaction while the next is in flight and a third is being read here. So neither side
waits for the other. In a measurement with 2 transactions, each side waited a third of the time.
"""
BYTES_AWAITING: Final = 4 * 1024 * 1024
"""Maximum total size, in bytes, of document bodies that were sent to a peer and are not answered yet.

This limits the memory that the peer uses.
"""
MESSAGES_QUEUED: Final = 64
"""Number of queued messages above which no more revisions are read from the store.

The limit saves memory, and prevents urgent messages from having to wait long.
"""
BYTES_QUEUED: Final = 1024 * 1024
"""Total size of queued messages, in bytes, above which no more revisions are read from the store."""
READ_AHEAD: Final = 50
"""Maximum number of revisions that are prefetched from the store in one query."""
REVISIONS_WANTED: Final = 6 * BATCH
"""Maximum number of revisions that were requested from a peer and are not stored yet.

When this number is reached, the peer's `changes` messages stay unanswered until more revisions are stored.
"""
LISTS_UNANSWERED: Final = 64
"""Maximum number of unanswered `changes` messages that a peer may send; Couchbase Lite sends 4."""
REQUESTS_AHEAD: Final = 200_000
"""Maximum number of requests from a peer that may overtake a request that is still incomplete.

The longest message takes about 5000 frames, and other complete messages may arrive between these frames.
"""
CHANGES_OPEN: Final = 200_000
"""Maximum number of changes that a peer may announce while an earlier change is still incomplete.

The records of this number of changes use about 40 MB of memory.
"""
DOCUMENTS_FETCHING: Final = 2 * REVISIONS_WANTED
"""Maximum number of received documents that wait for their blobs.

Half of these documents may come from our own subscription, and half may be pushed by the peer.
"""
BYTES_FETCHING: Final = 64 * 1024 * 1024
"""Maximum total size, in bytes, of the bodies of received documents that wait for their blobs.

Another vessel never sends that much at once, because it observes the limit BYTES_AWAITING.
"""
FILES_OPEN: Final = 32
"""Maximum number of blobs sent at the same time on one connection. Each of them keeps a file open."""
WORK_RATE: Final = 16 * 1024 * 1024
"""Maximum hashing rate for one connection, in bytes per second.

Hashing at this rate uses a fifth of one core of the smallest supported board. The rate exceeds the throughput
of that board's Wi-Fi.
"""
WORK_ALLOWANCE: Final = WORK_RATE // 4
"""Maximum burst of hashing for one connection after a pause, in bytes. A burst consists of several slices.

Hashing this number of bytes takes about 50 ms on the smallest supported board.
"""
WORK_SLICE: Final = 256 * 1024
"""Number of bytes hashed in one slice.

A slice takes 3 ms on the smallest supported board. All other connections wait during that time.
"""
JOBS_WAITING: Final = 1000
"""Maximum number of a connection's queued jobs, to limit memory.

A well-behaved peer never has more unanswered requests than revisions in flight (REVISIONS_AWAITING).
"""
PATCH_COST: Final = 4
"""Cost of applying a delta, as the number of hashed bytes charged for each byte of the base and the delta.

The real cost is higher. On a processor that hashes in hardware, applying a delta was measured to take 100
times as long as hashing. With this value, a connection can apply about 200 deltas per second to 20 kB
documents, as many as without a limit. Other connections are not delayed, because the work is done in slices.
"""
DELTA_BYTES: Final = 128 * 1024
"""Maximum size, in bytes, of a delta, of its base body, and of the new body. Larger bodies are sent whole.

The limit is needed because a delta cannot be created or applied in slices. The measured time is
0.1 microseconds per byte, and several times as much on the smallest supported board.
"""
DELTA_STORED: Final = 8 * DELTA_BYTES
"""Maximum total size, in bytes, of all stored bodies of a document for which deltas are used.

Above this size, no delta is created or applied, because all bodies of a document are read together.
"""
PROOFS_KEPT: Final = 1000
"""Maximum number of blobs per connection for which we remember that the peer has proved to have them.

For these blobs, no second proof is requested.
"""
PROOF_WITHIN: Final = 60.0
"""Seconds after which a document fails temporarily if the peer has not proved that it has a blob.

The time starts with the request for the proof, and again with each proof that arrives for another blob. At
WORK_RATE, a peer needs about half of this time for the largest blob, each byte of which counts as two.
"""
BLOB_BYTES: Final = 256 * 1024 * 1024
"""Maximum size of a received blob, in bytes: the space that a card can spare for a photograph or a manual."""
COMMIT_BYTES: Final = 1024 * 1024
"""Maximum total size, in bytes, of the document bodies in one transaction.

A transaction that reaches this size has fewer than BATCH documents.
"""
COMMIT_AFTER: Final = 0.05
"""Maximum time, in seconds, for which a received revision waits for others to share its transaction.

Flushing data to the card takes about 10 ms. With one transaction per revision, most of the time would be
spent on flushing.
"""
CHECKPOINT_EVERY: Final = 5.0
"""Seconds between checkpoints during transfers, as in Couchbase Lite.

After a crash, at most this many seconds of work must be repeated.
"""
BLOBS_AT_ONCE: Final = 4
"""Maximum number of blobs fetched from a peer at the same time."""
FEED_PATIENCE: Final = 5.0
"""Seconds to wait for a revision to appear in a peer's continuous feed before it is requested individually.

A gateway announces a change within one or two seconds.
"""
HISTORY: Final = 20
"""Number of ancestors requested with each revision. The store keeps the same number of ancestors."""
DEPTH: Final = 50
"""Number of ancestors sent with a revision to a peer that does not state its maximum.

This is the depth of Couchbase Lite's revision trees. Couchbase Lite accepts a gap in a revision's history
only beyond this depth.
"""
DEPTH_MOST: Final = 100
"""Maximum number of ancestors sent with a revision to any peer.

A longer history would consist mostly of substitute revision ids for ancestors that are no longer stored.
"""
RETRY_DOCUMENT: Final = 30.0
"""Seconds until a document that failed temporarily is tried again on the same connection."""
RETRY_REFUSED: Final = 1800.0
"""Seconds until a document is sent again after the peer has reported (429) that our quota is used up.

The time is long because each retry sends the whole body.
"""
RETRY_CONFLICT: Final = 300.0
"""Seconds until a change that was rejected as a conflict is proposed again on the same connection.

A user must resolve such a conflict, because it cannot be resolved automatically. The proposal has only about
100 bytes.
"""
CONFLICTS_RETRIED: Final = 10_000
"""Maximum number of changes that are proposed again on the same connection after a conflict.

Their records use a few megabytes of memory. All further rejected changes are proposed again on the next
connection.
"""
QUESTIONS_WAITING: Final = 5_000
"""Maximum number of conflicts that wait until the pull receives the peer's revision.

Their records use about 3 MB of memory.
"""
ATTEMPTS_KEPT: Final = 2 * QUESTIONS_WAITING
"""Maximum number of revisions for which `attempts` records the solutions tried after a conflict.

This covers all revisions that wait for the pull, and an equal number of revisions that are being proposed. So
no record is dropped while it is needed.
"""
WAYS_MOST: Final = 8
"""Maximum number of solutions tried after a conflict before a revision fails; see `attempts`.

Normally 2 or 3 are enough, even if the peer's document changes between two proposals. Without this limit, a
malicious peer that reports a different revision each time would be sent proposals indefinitely.
"""
FAULTS_MOST: Final = 3
"""Number of HTTP 500 replies to a revision after which the revision counts as rejected.

If a gateway's sync function raises an exception for a revision, it does so at each attempt, and each attempt
sends the whole body.
"""
PEERS_CHECKPOINT_EVERY: Final = 0.5
"""Minimum average time, in seconds, between two checkpoints that peers store here for the same owner.

The rate is limited because storing a checkpoint writes to the card. During transfers, Couchbase Lite and
Logboat save a checkpoint at most every 5 s. This value is shorter because all devices of a user share it.
"""
PEERS_CHECKPOINTS_AT_ONCE: Final = 20
"""Maximum number of checkpoints that the peers of one owner may store here in a burst after a pause."""
PEERS_CHECKPOINTS_WAITING: Final = 64
"""Maximum number of checkpoints per connection that wait to be stored."""
