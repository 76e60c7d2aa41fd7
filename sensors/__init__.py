"""Sensors: from a wire, a chip, a model or a recording to samples.

In the order in which data flows:

- `quantities`, `paths`: how people write quantities; Signal K paths and their SI units
- `tomllines`, `tomlfile`, `schema`: a TOML file with line numbers, what may stand in it, all its problems at
  once
- `settings`, `sensorkeys`, `kinds`, `conflicts`, `sections`, `configuration`: what a sensor is told;
  `sensors.toml` into settings
- `clock`, `quality`, `sample`: when, how good, what
- `chips`, `lines`, `watcher`, `pinfactory`: the GPIO chip by its label; a line in gpiod's words; the thread
  that waits for edges; gpiozero's pin factory on `gpiod`
- `gpio`, `eventclock`, `edges`: what drivers of pins share; the kernel's clock for events; what edges come to
- `contact`, `pulse`: drivers of what is on a pin
- `kernel`, `bus`, `analog`: chips that the kernel drives, and their drivers
- `models`, `simulated`, `replay`, `manual`: drivers without wires
- `drivers`: which kind is which driver
- `sampling`: runs drivers, each lane in a thread of its own

Imports nothing of ours.
"""
