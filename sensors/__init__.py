"""Drivers that read pins and chips, or play simulation models and recordings, and emit samples.

The modules and packages, in the order in which data flows through them:

- `units`, `signalk_paths`: parsing and formatting of quantities; Signal K paths and their SI units
- `presentation`, `contact_classes`: how each quantity is shown; the classes of contacts in Home Assistant
- `shunts`: shunts, by their resistance or their rating
- `toml`: reads a TOML file with line numbers, checks its keys, and reports all its problems at once
- `settings`, `config`: the settings of a sensor, and how they are read from `sensors.toml`
- `clock`, `state`, `sample`: the clocks, the states of a sensor, one sample
- `csv_recordings`: reads the recordings that `replay` sensors play
- `driver`: the interface of every driver
- `header_pins`: the pins of the 40-pin header, and those of each bus
- `gpio`: the GPIO chip behind the header, found by its label, and the thread that waits for edges
- `senders`, `end_of_line`: the arithmetic of analog senders and of supervised contacts
- `chips`: the chips that a kernel driver reads
- `analog`: the keys of analog senders
- `kind`, `kinds`, `registry`: the description of a kind, all kinds with their drivers, lookup by name
- `derived`: expressions, which compute the value of a sensor from other sensors
- `sampling`: runs the drivers, with one thread for each bus
- `plaintext`: makes text from any source safe to show

This package imports no other package of Logboat.
"""
