"""Keys of analog senders, and what they mean; `sensors.kinds.analog` is the kind that has these keys.

- `parsers`: the parsers of the keys
- `options`: the options of the kind, and the conversion that they describe
- `key_sets`: which keys go together
- `checks`: problems in combinations of keys
- `facts`: what `logboat config check` says about the keys
"""
