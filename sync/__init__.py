"""Sync: documents, and their replication to other vessels and to servers ashore.

This package imports no other package in this repository. Programs outside this repository import only `api`;
all other modules are internal.

The replication library, which does not depend on Logboat's documents:

- `api`: everything that applications use, in one place (docs/library.md shows how)
- `net`: replicator and listener: sockets, TLS, time
- `peer`: the two roles of a replication: sending, receiving and conflicts, without sockets
- `replication`: the content of messages, and the progress of a replication
- `blip`: the protocol beneath replication: messages on a connection, without sockets
- `store`: the document store
- `delta`: the difference between two documents as JSON
- `folders`, `durable_files`: creation of folders and files, and changes that survive a power cut

What Logboat adds:

- `documents`: ids, types and channels of Logboat's documents, and the policy with which its stores are opened
- `fleet`: identities in a fleet of vessels, who may write which document, and how conflicts are resolved
- `mesh`: vessels that find each other, and keep links
- `gateway`: forwarding ashore
"""
