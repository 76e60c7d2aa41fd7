"""Limits on the data that a replication has in flight, in queues or in memory, each with its reason."""

from typing import Final

BATCH: Final = 200
"""Maximum number of changes in one `changes` message, and of documents in one transaction.

Couchbase Lite sends messages of this size. A transaction of this size takes about 10 ms. This is well below
the 50 ms for which other writers may have to wait for the store.
"""
LOOKED_UP_AT_ONCE: Final = 50
"""Number of items of a `changes` message that are looked up before other connections are served.

Looking up this number of items in the store takes 3 ms on a laptop.
"""
SCANS_AT_ONCE: Final = 8
"""Maximum number of batches read from the feed before other connections are served.

A filter may exclude nearly all changes, for example all but a few documents of a whole year. Without this
limit, all other connections would wait until the whole store has been read.
"""
LISTS_AWAITING: Final = 4
"""Maximum number of unanswered `changes` messages: two in flight and two being processed keep a link busy."""
REVISIONS_AWAITING: Final = 5 * BATCH
"""Maximum number of revisions that were sent to a peer but not answered yet.

One transaction can be written at the peer while the next is in flight and a third is read here. So neither
side waits for the other. In a measurement with 2 transactions, each side waited a third of the time.
"""
BYTES_AWAITING: Final = 4 * 1024 * 1024
"""Maximum total size, in bytes, of bodies that were sent to a peer but not answered yet.

This limits the peer's memory usage.
"""
MESSAGES_QUEUED: Final = 64
"""Number of queued messages above which no further revision is read from the store.

This saves memory, and prevents urgent messages from waiting long.
"""
BYTES_QUEUED: Final = 1024 * 1024
"""Total size in bytes of queued messages above which no further revision is read from the store."""
READ_AHEAD: Final = 50
"""Maximum number of revisions read from the store in one query, before they can be sent."""
REVISIONS_WANTED: Final = 6 * BATCH
"""Maximum number of revisions that were requested from a peer but are not stored yet.

While this number is reached, the peer's `changes` messages are not answered.
"""
LISTS_UNANSWERED: Final = 64
"""Maximum number of unanswered `changes` messages that a peer may send; Couchbase Lite sends 4."""
REQUESTS_AHEAD: Final = 200_000
"""Maximum number of complete requests from a peer that began after a request that is still incomplete.

The longest message takes about 5000 frames, and other messages arrive between them.
"""
CHANGES_OPEN: Final = 200_000
"""Maximum number of changes that a peer may announce while an earlier change is incomplete.

This number of changes uses about 40 MB of memory.
"""
DOCUMENTS_FETCHING: Final = 2 * REVISIONS_WANTED
"""Maximum number of documents that wait for their blobs.

Of these, half may be requested from a subscription, and half may be pushed by the peer.
"""
BYTES_FETCHING: Final = 64 * 1024 * 1024
"""Maximum total size, in bytes, of the bodies of documents that wait for their blobs.

Another vessel never sends that much at once, because its own limit is BYTES_AWAITING.
"""
FILES_OPEN: Final = 32
"""Maximum number of blobs being sent on one connection, each of which keeps a file open."""
WORK_RATE: Final = 16 * 1024 * 1024
"""Bytes per second that may be hashed for one connection.

This uses a fifth of one core of the smallest board, and is more than the board's Wi-Fi can transfer.
"""
WORK_ALLOWANCE: Final = WORK_RATE // 4
"""Number of bytes that may be hashed at once, in several slices, after a pause.

Hashing this number of bytes takes about 50 ms on the smallest board.
"""
WORK_SLICE: Final = 256 * 1024
"""Number of bytes hashed in one slice.

A slice takes 3 ms on the smallest board, and all other connections wait for that time.
"""
JOBS_WAITING: Final = 1000
"""Maximum number of queued jobs, to limit memory.

An honest peer never has more unanswered requests than revisions in flight (REVISIONS_AWAITING).
"""
PATCH_COST: Final = 4
"""Cost of applying a delta, in hashed bytes per byte of the base and the delta.

The real cost is higher. On a processor that hashes in hardware, applying a delta was measured to take 100
times as long as hashing. With this value, a connection can apply about 200 deltas per second to 20 kB
documents, as many as without a limit. Other connections are not delayed, because the work is done in slices.
"""
DELTA_BYTES: Final = 128 * 1024
"""Maximum size, in bytes, of each of the base body, the delta and the new body. Larger bodies are sent whole.

The limit is needed because a delta cannot be created or applied in slices. The measured time is
0.1 microseconds per byte, and several times as much on the smallest board.
"""
DELTA_STORED: Final = 8 * DELTA_BYTES
"""Maximum total size, in bytes, of a document's stored bodies. Above it, no delta is created or applied.

The limit is needed because all these bodies are read together.
"""
PROOFS_KEPT: Final = 1000
"""Maximum number of blobs per connection for which a proof is remembered, so that no other is requested."""
PROOF_WITHIN: Final = 60.0
"""Seconds from a request for a proof, or from any later proof, until the waiting documents fail temporarily.

At WORK_RATE, a peer needs about half of this time to prove the largest blob, whose bytes count twice.
"""
BLOB_BYTES: Final = 256 * 1024 * 1024
"""Maximum size in bytes of a received blob: the space that a card can spare for a photograph or a manual."""
COMMIT_BYTES: Final = 1024 * 1024
"""Maximum total size, in bytes, of the bodies in one transaction, even with fewer than BATCH documents."""
COMMIT_AFTER: Final = 0.05
"""Maximum seconds for which a received revision waits to be stored in one transaction with others.

Flushing data to the card takes about 10 ms. With one transaction per revision, most of the time would be
spent on flushing.
"""
CHECKPOINT_EVERY: Final = 5.0
"""Seconds between checkpoints during transfers, as in Couchbase Lite.

After a crash, up to this many seconds of work are repeated.
"""
BLOBS_AT_ONCE: Final = 4
"""Maximum number of blobs being fetched at the same time."""
FEED_PATIENCE: Final = 5.0
"""Seconds to wait for a revision to appear in a peer's continuous feed before it is requested individually.

A gateway announces a change within one or two seconds.
"""
HISTORY: Final = 20
"""Number of ancestors requested with a revision. The store keeps the same number."""
DEPTH: Final = 50
"""Number of ancestors sent with a revision to a peer that does not state its maximum.

This is the depth of Couchbase Lite's revision trees. Couchbase Lite accepts a gap in a history only beyond
this depth.
"""
DEPTH_MOST: Final = 100
"""Maximum number of ancestors sent with a revision to any peer.

A longer history would consist mostly of substitute ids, for ancestors that are no longer stored.
"""
RETRY_DOCUMENT: Final = 30.0
"""Seconds until a document that failed temporarily is tried again on the same connection."""
RETRY_REFUSED: Final = 1800.0
"""Seconds until a document is sent again after the peer has reported that our quota is used up (429).

Each retry sends the whole body.
"""
RETRY_CONFLICT: Final = 300.0
"""Seconds until a change that was rejected as a conflict is proposed again on the same connection.

A user must resolve such a conflict, because it cannot be resolved automatically. A proposal has about
100 bytes.
"""
CONFLICTS_RETRIED: Final = 10_000
"""Maximum number of rejected changes that are proposed again on the same connection after a conflict.

They use a few megabytes of memory. All other such changes are proposed again on the next connection.
"""
QUESTIONS_WAITING: Final = 5_000
"""Maximum number of conflicts that wait for the pull to receive the peer's revision: about 3 MB of memory."""
ATTEMPTS_KEPT: Final = 2 * QUESTIONS_WAITING
"""Maximum number of revisions for which `attempts` records the solutions tried after a conflict.

This covers all revisions that wait for the pull, and the same number that are being proposed. So no record is
dropped while it is needed.
"""
WAYS_MOST: Final = 8
"""Maximum number of solutions tried after a conflict before a revision fails; see `attempts`.

With an honest peer, whose document sometimes changes between two proposals, 2 or 3 are enough. Without this
limit, a peer that reports a different revision each time would get proposals indefinitely.
"""
FAULTS_MOST: Final = 3
"""Number of HTTP 500 replies to a revision after which the revision counts as rejected.

If a gateway's sync function raises an exception for a revision, it does so at each attempt, and each attempt
sends the whole body.
"""
PEERS_CHECKPOINT_EVERY: Final = 0.5
"""Minimum average time, in seconds, between two checkpoints that peers store here for the same owner.

The rate is limited because storing a checkpoint writes to the card. During transfers, Couchbase Lite and
Logboat save a checkpoint at most every 5 s. The limit is lower because all devices of a user share it.
"""
PEERS_CHECKPOINTS_AT_ONCE: Final = 20
"""Number of an owner's checkpoints that peers may store here at once after a pause."""
PEERS_CHECKPOINTS_WAITING: Final = 64
"""Maximum number of a connection's checkpoints that wait to be stored."""
