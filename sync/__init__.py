"""Sync: documents, and their replication to other vessels and to servers ashore.

This package imports no other package in this repository. Programs outside this repository import only `api`;
all other modules are internal.

The replication library, which does not depend on Logboat's documents:

- `api`: the names that applications import (docs/library.md shows how to use them)
- `net`: the replicator and the listener, with sockets, TLS and timers
- `peer`: the active and the passive side of a replication: sending, receiving and conflicts, without sockets
- `replication`: the content of messages, and the progress of a replication
- `blip`: the message protocol that replication uses, without sockets
- `store`: the document store
- `delta`: differences between two documents, as JSON
- `folders`, `durable_files`: creation of protected folders and files, and file changes that survive a power
  cut

What Logboat adds:

- `documents`: ids, types and channels of Logboat's documents, and the document policy of its stores
- `fleet`: identities in a fleet of vessels, write access to documents, and conflict resolution
- `mesh`: discovery of other vessels, and the links to them
- `gateway`: forwarding of documents to servers ashore
"""
