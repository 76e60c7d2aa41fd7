"""The recorded history of vessels, reconstructed from documents.

Only `undocumented` reads the journal. It finds the newest samples of this vessel, which are in no document
yet. `boots` reads the recorded boots, and `timeline` uses them to convert boot clock times to UTC. `samples`
yields a sensor's readings, `current` finds its last value, `alarms` and `open_alarms` list alarms, `silences`
reads and writes their silences, and `completeness` determines which samples of a log are present.
"""
