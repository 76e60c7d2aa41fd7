"""Drivers: one module for each kind of sensor, or for a family of chips.

`registry` maps each kind to its driver. `sysfs` reads chips that have a kernel driver, and
`simulation_models` contains the models that `simulated` plays.
"""
