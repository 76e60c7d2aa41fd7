"""Configuration of sensors: the reader of `sensors.toml`.

`conflicts` finds resources that two sensors claim, and `shared_pins` checks sensors on one pin. `loader`
returns all settings or all problems. The keys of each kind are declared in its module in `sensors.kinds`.
"""
