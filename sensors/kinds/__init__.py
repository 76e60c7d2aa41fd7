"""Kinds of sensors: one module for each kind, with the complete description of the kind.

The module's name is the value of the key `kind`. The module defines `KIND`, with the keys and their limits,
the unit, the chip, the driver, the wiring, an example and a description. `sensors.registry` finds the
modules in this folder, so a new kind needs no entry anywhere else. The list of kinds in `docs/sensors.md` and
the pages in `docs/kinds/` are generated from the modules.
"""
