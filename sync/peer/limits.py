"""Constants of replication's pace, each with its reason: how much may be in flight at once."""

from typing import Final

BATCH: Final = 200
"""Number of changes in one list, and of documents in one transaction.

It is Couchbase Lite's size of a list, and takes about 10 ms to write, well below the 50 ms that others may
have to wait for the store.
"""
LOOKED_UP_AT_ONCE: Final = 50
"""Number of items of a list looked up before others may have a turn: 3 ms on a laptop."""
SCANS_AT_ONCE: Final = 8
"""Number of times in one turn that BATCH changes of the feed are read.

If a filter excludes nearly all, as alarms are few among a year of readings, everyone else would otherwise
wait until the whole store has been read.
"""
LISTS_AWAITING: Final = 4
"""Maximum number of unanswered lists of changes: two in flight and two being processed keep a link busy."""
REVISIONS_AWAITING: Final = 5 * BATCH
"""Maximum number of sent revisions without a reply.

One transaction is being written at the peer, one is in flight, and one is being read here, so neither side
waits for the other (measured: with 2, each waits a third of the time).
"""
BYTES_AWAITING: Final = 4 * 1024 * 1024
"""Maximum bytes of their bodies together, so that a peer need not hold more than a few large ones."""
MESSAGES_QUEUED: Final = 64
"""Number of queued messages beyond which no revision is read.

This saves memory, and keeps urgent changes fast.
"""
BYTES_QUEUED: Final = 1024 * 1024
"""Bytes of queued messages beyond which nothing more is read from the store or requested."""
READ_AHEAD: Final = 50
"""Number of revisions read from the store at once."""
REVISIONS_WANTED: Final = 6 * BATCH
"""Number of requested revisions not stored yet, above which further lists wait for their answers."""
LISTS_UNANSWERED: Final = 64
"""Maximum number of lists of changes that a peer may send without waiting; Couchbase Lite sends 4."""
REQUESTS_AHEAD: Final = 200_000
"""Maximum number of a peer's complete requests after one that is incomplete, for memory.

The longest message takes some 5000 frames, between which others arrive.
"""
CHANGES_OPEN: Final = 200_000
"""Maximum number of changes announced after one whose revision is withheld: some 40 MB of records."""
DOCUMENTS_FETCHING: Final = 2 * REVISIONS_WANTED
"""Maximum number of documents that wait for blobs: all that we requested, and as many pushed ones."""
BYTES_FETCHING: Final = 64 * 1024 * 1024
"""Maximum bytes of their bodies together; peers like ours let far fewer wait (BYTES_AWAITING)."""
FILES_OPEN: Final = 32
"""Maximum number of blobs being sent on one connection, each of which holds a file open."""
WORK_RATE: Final = 16 * 1024 * 1024
"""Bytes per second that may be hashed for one connection.

This is a fifth of one core of the smallest board, and more than its Wi-Fi carries.
"""
WORK_ALLOWANCE: Final = WORK_RATE // 4
"""Bytes of such work at once after a pause: about 50 ms on the smallest board, spread over several turns."""
WORK_SLICE: Final = 256 * 1024
"""Bytes of such work in one turn: 3 ms on the smallest board, for which everyone else waits."""
JOBS_WAITING: Final = 1000
"""Maximum number of queued jobs, for memory.

An honest peer asks for no more at once than revisions may be in flight.
"""
PATCH_COST: Final = 4
"""Cost of a byte of a base, a delta and a result, in hashed bytes.

Applying a delta takes longer (measured: 100 times as long where the processor hashes in hardware). With this
value a connection gets about 200 documents of 20 kB a second, as many as without a limit here, and its turns
keep it from delaying others.
"""
DELTA_BYTES: Final = 128 * 1024
"""Maximum bytes of a base, a delta or a new body for which a delta is made or applied.

It cannot be done in slices (measured: 0.1 microseconds a byte, several times that on the smallest board). A
longer body is sent whole.
"""
DELTA_STORED: Final = 8 * DELTA_BYTES
"""Maximum bytes of all kept revisions of such a document, because they are read together."""
PROOFS_KEPT: Final = 1000
"""Maximum number of proven blobs remembered, which need not be proven again on this connection."""
PROOF_WITHIN: Final = 60.0
"""Seconds after a request for a proof, or any later proof, until documents that wait for it fail temporarily.

The largest blob takes half of that at WORK_RATE, as its bytes count twice.
"""
BLOB_BYTES: Final = 256 * 1024 * 1024
"""Maximum bytes of a received blob: what a card can spare for a photograph or a manual."""
COMMIT_BYTES: Final = 1024 * 1024
"""Maximum bytes of bodies written in one transaction, even for fewer documents than BATCH."""
COMMIT_AFTER: Final = 0.05
"""Maximum seconds that a revision waits for others to share its transaction.

A card takes about 10 ms to synchronise, so with one revision at a time most of its life would be spent on
that.
"""
CHECKPOINT_EVERY: Final = 5.0
"""Seconds between checkpoints during transfers, as in Couchbase Lite; a crash repeats that much work."""
BLOBS_AT_ONCE: Final = 4
"""Maximum number of blobs being fetched at the same time."""
FEED_PATIENCE: Final = 5.0
"""Seconds to wait for a continuous feed before a revision is requested by itself.

A gateway announces a change within one or two seconds.
"""
HISTORY: Final = 20
"""Number of ancestors requested with a revision: as many as the store keeps."""
DEPTH: Final = 50
"""Number of ancestors sent to a peer that does not say how many it accepts.

This is the depth of Couchbase Lite's trees. It accepts a gap in a history from that index on, and no earlier.
"""
DEPTH_MOST: Final = 100
"""Maximum number of ancestors sent to any peer. Most of a longer history would be substitute ids."""
RETRY_DOCUMENT: Final = 30.0
"""Seconds until a document that failed temporarily is tried again on the same connection."""
RETRY_REFUSED: Final = 1800.0
"""The same if the peer's daily quota is used up (429), as each attempt costs the whole body."""
RETRY_CONFLICT: Final = 300.0
"""Seconds until a change refused as a conflict is proposed again on the same connection.

The conflict is resolved by people, not by itself. A proposal costs about 100 bytes.
"""
CONFLICTS_RETRIED: Final = 10_000
"""Maximum number of conflicts proposed again on the same connection: a few megabytes.

With more, the next connection proposes the others.
"""
QUESTIONS_WAITING: Final = 5_000
"""Maximum number of conflicts that wait for the pull to bring the peer's revision: about 3 MB of memory."""
ATTEMPTS_KEPT: Final = 2 * QUESTIONS_WAITING
"""Maximum number of revisions whose tried solutions are recorded.

These are all that wait for the pull, and as many that are being proposed, so that none is dropped while it is
needed.
"""
WAYS_MOST: Final = 8
"""Maximum number of solutions tried for one revision before it fails.

An honest peer, whose document sometimes changes between two proposals, needs 2 or 3. One that gives another
revision each time would be answered endlessly.
"""
FAULTS_MOST: Final = 3
"""Number of times that the other side may fail on a document (HTTP 500) before it counts as refused.

A sync function that raises does so each time, and each time the whole body has been sent.
"""
