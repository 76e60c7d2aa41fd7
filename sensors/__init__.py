"""Sensors: drivers that turn a wire, a chip, a model or a recording into samples.

The modules, in the order in which data flows through them:

- `quantities`, `paths`: quantities as people write them; Signal K paths and their SI units
- `tomllines`, `tomlfile`, `schema`: a TOML file with line numbers, the keys that it may have, and a report of
  all its problems at once
- `settings`, `sensorkeys`, `kinds`, `conflicts`, `sections`, `configuration`: the settings of a sensor, and
  how they are read from `sensors.toml`
- `clock`, `quality`, `sample`: time, the state of a reading, one sample
- `chips`, `lines`, `watcher`, `pinfactory`: the GPIO chip, found by its label; the settings of a line for
  gpiod; the thread that waits for edges; gpiozero's pin factory on `gpiod`
- `gpio`, `eventclock`, `edges`: the context that drivers of pins share; the kernel's clock for events;
  counts, durations and rates derived from edges
- `contact`, `pulse`: drivers of equipment on a pin
- `kernel`, `bus`, `analog`: chips that have a kernel driver, and our drivers for them
- `models`, `simulated`, `replay`, `manual`: drivers without wires
- `drivers`: the table from kind to driver
- `sampling`: runs the drivers, each lane in a thread of its own

This package imports no other package of Logboat.
"""
