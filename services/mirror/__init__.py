"""The mirror: a second copy of the vessel's own finished documents beside the store.

`segment_file` is the append-only file format. `mirror` writes and reads the copies, `scheduler` decides
when, and `restore` puts back documents that the store has lost.
"""
