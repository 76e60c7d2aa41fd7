"""Configuration of a vessel: `logboat.toml`, `vessel.toml` and `sensors.toml`.

`model` and `network_model` define the settings as types, and `parsers` parses the values of single keys.
`loader` converts a file to settings, or reports a list of problems with line numbers. `last_good` falls back
to the last good configuration when a file is invalid, and `configured_outputs` finds the outputs for
commands. `pair_check` checks both files together, with `readiness` and `wifi_files` for the files to which
they refer. `surroundings` adds the rules for their folder. `check` implements `logboat config check` with
these modules. `summary`, `understood` and `understood_outputs` describe valid files. `example_values` finds
values that were copied from the documentation.
"""
