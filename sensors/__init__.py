"""Sensors: drivers that turn a wire, a chip, a model or a recording into samples.

The modules and packages, in the order in which data flows through them:

- `units`, `signalk_paths`: quantities as people write them; Signal K paths and their SI units
- `toml`: a TOML file with line numbers, the keys that it may have, and a report of all its problems at once
- `settings`, `config`: the settings of a sensor, and how they are read from `sensors.toml`
- `clock`, `state`, `sample`: time, the state of a reading, one sample
- `driver`: the interface of every driver
- `gpio`: the chip of the header, found by its label, and the thread that waits for edges of its lines
- `kinds`: the driver of each kind of sensor, with or without wires
- `sampling`: runs the drivers, each lane in a thread of its own
- `plaintext`: makes text from any source safe to show

This package imports no other package of Logboat.
"""
