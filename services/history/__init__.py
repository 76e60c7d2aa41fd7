"""What is on record, read from documents alone.

`timeline` turns moments of boots into UTC, from the `boots` on record. `samples` goes through a sensor's
readings, `current` finds its last value, `alarms` and `open_alarms` list alarms, and `completeness`
proves which samples of a log are present.
"""
