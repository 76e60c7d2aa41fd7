"""The mirror: a second copy of the vessel's own finished documents, stored next to the document store.

`segment_file` is the append-only file format. `mirror` writes and reads the copies, and `scheduler` decides
when to copy. `restore` restores documents that the store has lost.
"""
