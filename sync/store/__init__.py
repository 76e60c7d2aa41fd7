"""The document store: one file that contains documents, their revisions and the state of replication.

Modules, in the order in which a change flows through them:

- `database`: the interface for users of the store; what a commit guarantees and costs
- `policy`: the rules that the application defines for its documents
- `bodies`, `attachments`, `revisions`, `tree`: what may be stored, how revisions are identified, and how they
  follow each other (these modules do no I/O)
- `edits`, `reader`: writing and reading documents
- `purge_watermarks`, `remotes`, `channel_removals`, `local_documents`, `checkpoints`, `meta`, `blobs`: data
  that is stored in addition to the documents
- `purge`: purging and expiry of documents
- `sizes`: the total sizes of documents, and a query for the oldest documents
- `rows`, `engine`, `writer_queue`, `schema`: a document as a table row, the database connection, the queue of
  writers, the tables of the file
- `notify`: notifications to other processes
- `check`, `wal`, `sqlite_pages`, `salvage`: detecting damage, and rescuing undamaged data
- `model`, `errors`: returned values and exceptions
"""

from sync.store.database import Database
from sync.store.errors import (
    BlobError,
    BusyError,
    ConflictError,
    DamagedError,
    DocumentError,
    FullError,
    InputOutputError,
    ReadOnlyError,
    StoreError,
    UnsupportedError,
)
from sync.store.model import (
    CompactionResult,
    Document,
    DocumentChange,
    InsertOutcome,
    LocalDocument,
    Revision,
    Usage,
)
from sync.store.notify import ChangeWatcher
from sync.store.policy import PLAIN, DocumentPolicy
from sync.store.salvage import SalvagedStore, salvage

__all__ = [
    "PLAIN",
    "BlobError",
    "BusyError",
    "ChangeWatcher",
    "CompactionResult",
    "ConflictError",
    "DamagedError",
    "Database",
    "Document",
    "DocumentChange",
    "DocumentError",
    "DocumentPolicy",
    "FullError",
    "InputOutputError",
    "InsertOutcome",
    "LocalDocument",
    "ReadOnlyError",
    "Revision",
    "SalvagedStore",
    "StoreError",
    "UnsupportedError",
    "Usage",
    "salvage",
]
