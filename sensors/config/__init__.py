"""Configuration of sensors: the reader of `sensors.toml`.

`conflicts` finds resources that two sensors claim. `pin_conflicts` does so for pins of the header, and
`shared_pins` for sensors on one pin. `values` checks values in the sensor's unit. `alarms` reads alarm rules,
and `while_condition` reads their conditions on other sensors. `loader` returns all settings or all problems.
The keys of each kind are declared in its module in `sensors.kinds`.
"""
