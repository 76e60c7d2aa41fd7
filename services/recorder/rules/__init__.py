"""Reconstructs the state of alarm rules after a restart.

`history` reads the samples that the rules need, from documents and from the journal, and `rebuild` replays
them. `services.alarms.rules` evaluates the rules.
"""
