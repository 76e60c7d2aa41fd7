"""How daemons log: one line a record, in fields; what comes again and again is counted; errors are kept.

- `lines`: a record as a line, and a line read again (pure)
- `limits`: how often the same may be said (pure)
- `kept`: `errors.log` on the data partition: bounded, and still there after a power cut
- `setup`: what a daemon does at its start; the thread that writes, so that nobody else waits
"""
