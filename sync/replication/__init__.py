"""Replication between two stores: what Couchbase Lite and Sync Gateway say to each other over BLIP.

Without sockets, store or clock. The modules, in the order in which a message passes them:

- `limits`, `errors`: what one message may hold, and how it is refused
- `json_size`: how much a JSON text may become, told before anything is made of it
- `fields`: the parts that messages share, read strictly and written
- `checkpoint_messages`, `subscription`, `change_messages`, `revision_messages`, `blob_messages`: the requests
  and their replies, in the order in which a replication uses them
- `way_messages`: what only vessels of a fleet tell each other
- `messages`: all of these in one place; the requests of a peer decoded; collections or none
- `sequences`, `checkpoint`, `checkpoint_id`: how far a replication has come, and under which name it is kept
"""
