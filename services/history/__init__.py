"""Recorded history of vessels, read from documents alone.

`timeline` converts boot clock times to UTC, using the recorded `boots`. `samples` yields a sensor's readings,
`current` finds its last value, `alarms` and `open_alarms` list alarms, and `completeness` determines which
samples of a log are present.
"""
