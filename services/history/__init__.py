"""Recorded history of vessels, read from documents alone.

`timeline` converts moments of boots to UTC, from the `boots` on record. `samples` yields a sensor's
readings, `current` finds its last value, `alarms` and `open_alarms` list alarms, and `completeness`
proves which samples of a log are present.
"""
