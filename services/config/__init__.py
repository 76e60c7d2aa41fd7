"""Configuration of a vessel: `logboat.toml`, `vessel.toml`, `sensors.toml`.

`model` defines the settings as types, `parsers` reads single keys, and `loader` converts a file to settings
or into a list of problems with line numbers. `last_good` falls back to the last good configuration when a
file is invalid. `check` implements `logboat config check`, and `understood` describes the meaning of a valid
`sensors.toml`.
"""
