"""Logging of the daemons: one line for each record; repetitions are counted, and errors are kept.

- `lines`: a record as a line of fields, and the parser of a line (pure)
- `limits`: how often the same message may be logged (pure)
- `error_log`: `errors.log` on the data partition: of limited size, and preserved over a power cut
- `setup`: the set-up at a daemon's start, and the thread that writes, so that no other thread waits
"""
