"""The state of alarm rules, and its reconstruction from recorded samples after a restart.

`activity` follows starts, running times and idle times. `rates` follows how fast a number changes. `words`
formats conditions as text. `history` reads the samples that rules need after a restart, from documents
and from the journal. `services.recorder.alarm_rules` evaluates the rules.
"""
