"""Chips that a kernel driver reads: base modules for the kinds of sensors on 1-wire, I2C and SPI.

`sysfs` finds a chip's directory and reads its attributes, `chip_keys` declares the keys that say where a chip
is, and `kernel_driver` is the base of the drivers.
"""
