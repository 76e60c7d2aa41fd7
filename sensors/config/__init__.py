"""Configuration of sensors: the reader of `sensors.toml`.

`kinds` is the table of kinds and their keys, `parsers` read single keys, `conflicts` finds resources that
two sensors claim, and `loader` returns all settings or all problems.
"""
