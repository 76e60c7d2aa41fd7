"""Chips that a kernel driver reads: base modules for the kinds of sensors on 1-wire, I2C and SPI.

`sysfs` finds a chip's directory and reads its attributes. `chip_keys` declares the keys for the bus and the
address of a chip. `kernel_driver` contains the base classes of the drivers, and `dropout_driver` contains the
base class for sensors that occasionally stop responding for a moment. `adc` reads analog-to-digital
converters. `one_wire` finds thermometers on the 1-wire bus, `one_wire_keys` declares their keys, `scratchpad`
converts their bytes, and `one_wire_driver` contains their driver. `expander_keys` names the pins of GPIO
expanders, and `expander` reads them.
"""
