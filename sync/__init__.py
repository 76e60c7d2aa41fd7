"""Sync: documents, and their replication to other vessels and to servers ashore.

This package imports no other package in this repository.

- `folders`, `durable_files`: creation of folders and files, and changes that survive a power cut
- `documents`: ids, types and channels of Logboat's documents
- `store`: the document store
- `delta`: the difference between two documents as JSON
- `blip`: the protocol beneath replication: messages on a connection, without sockets
- `replication`: the content of those messages, and the progress of a replication
- `peer`: the two roles of a replication: sending, receiving and conflicts, without sockets
- `fleet`: identities in a fleet of vessels, and who may write which document
- `mesh`: vessels that find each other, and keep links
- `gateway`: forwarding ashore
- `net`: replicator and listener: sockets, TLS, time (docs/replication.md shows how to use them)
- `api`: everything that applications use, in one place
"""
