"""Configuration keys of analog senders, and their meaning, for the sensor kind `sensors.kinds.analog`.

- `parsers`: the parsers of the keys
- `options`: the options of the kind, and the conversion that they describe
- `key_sets`: the sets of keys that can be used together
- `checks`: problems in combinations of keys
- `facts`: explanations of the keys for `logboat config check`
"""
