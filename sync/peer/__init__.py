"""A replication between a store here and a peer: what to send, what to take in, how far it has come.

Without sockets and without a clock of its own. An owner (`sync.net.link`) carries frames and time. The
modules, in the order in which a connection uses them:

- `active`, `passive`: the two roles; `peer`: how an owner drives either
- `session`: requests to their handlers, replies to those who asked, and how a connection ends
- `checkpoints`: where to begin, and how far we are
- `selection`: which documents it is about
- `sender`: the feed of changes, and the revisions that are wanted (`deliveries`)
- `contests`: what becomes of a change that the peer refuses as a conflict; `attempts`: what was tried for it
- `inquiry`: what is asked for by itself
- `echo`: what the peer need not be told, as it has told us
- `receiver`: the same from the other side, into the store in transactions
- `quotas`: how much a peer may bring
- `patches`: bodies made of the deltas that come
- `claims`: which of several peers that offer a revision is asked for it
- `blob_traffic`, `blob_access`, `wire_bodies`: blobs, who may have which, and how bodies differ on the wire
- `work`: what takes long, in slices, and no more of it than one connection may cause
- `conflicts`: what becomes of a document that was changed on both sides
- `progress`, `problems`: what those who watch are told; `failed`: the documents that did not get through
- `tuning`: how much is on its way at once
"""
