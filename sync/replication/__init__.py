"""The replication protocol between two stores, as Couchbase Lite and Sync Gateway implement it over BLIP.

The package has no sockets, no store and no clock. The modules, in the order in which a message passes through
them:

- `limits`, `errors`: limits on a message, and the errors with which a message is rejected
- `json_size`: an estimate of the decoded size of a JSON text, before it is decoded
- `fields`: strict parsing and writing of the parts that messages share
- `checkpoint_messages`, `subscription`, `change_messages`, `revision_messages`, `blob_messages`: the requests
  and their replies, in the order in which a replication uses them
- `messages`: all messages in one place, decoding of a peer's requests, and addressing of collections
- `sequences`, `checkpoint`, `checkpoint_id`: the progress of a replication, and the name under which this
  progress is stored
"""
