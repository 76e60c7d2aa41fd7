"""Sync: documents, and how they get to other vessels and ashore. Imports nothing of ours.

- `documents`: ids, types and channels of Logboat's documents; who may write what
- `store`: the document store
- `delta`: the difference between two documents, as JSON
- `blip`: the protocol under replication: messages on a connection, without sockets
- `replication`: what those messages say, and how far a replication has come
- `peer`: the two roles: what to send, what to take in, conflicts; without sockets
- `fleet`: who is who in a fleet of vessels, and who may write what
- `mesh`: vessels that find each other, and keep links
- `gateway`: ways ashore
- `net`: replicator and listener: sockets, TLS, time (docs/replication.md shows how to use them)
- `api`: what applications use of it all, in one place
"""
