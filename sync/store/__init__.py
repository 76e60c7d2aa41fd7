"""The document store.

Modules, in the order in which a change flows through them:

- `database`: what users see; what a commit promises and costs
- `bodies`, `attachments`, `revisions`, `tree`: what may be stored, what identifies a revision, which follows
  which (pure)
- `edits`, `reader`: how documents change, how they are read
- `floors`, `remotes`, `departures`, `local`, `checkpoints`, `meta`, `retire`, `blobs`: what stands beside the
  documents, and what goes
- `sizes`: what documents take, and which are the oldest
- `rows`, `engine`, `turnstile`, `schema`: a document as a row, the connection, writers in turn, the file
- `notify`: telling other processes
- `check`, `wal`, `pages`, `salvage`: finding damage, and saving what is sound
- `model`, `errors`: what is handed out, and what can go wrong
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
from sync.store.model import Change, Compacted, Document, Inserted, LocalDocument, Revision, Usage
from sync.store.notify import Watcher
from sync.store.salvage import Salvaged, salvage

__all__ = [
    "BlobError",
    "BusyError",
    "Change",
    "Compacted",
    "ConflictError",
    "DamagedError",
    "Database",
    "Document",
    "DocumentError",
    "FullError",
    "InputOutputError",
    "Inserted",
    "LocalDocument",
    "ReadOnlyError",
    "Revision",
    "Salvaged",
    "StoreError",
    "UnsupportedError",
    "Usage",
    "Watcher",
    "salvage",
]
