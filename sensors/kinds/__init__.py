"""Drivers: one module for each kind of sensor, or for a family of chips.

`registry` has the driver of each kind. `sysfs` reads chips that have a kernel driver, and
`simulation_models` are the models that `simulated` plays.
"""
