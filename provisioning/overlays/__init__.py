"""What the kernel must be told of the wiring: lines in config.txt, for the firmware reads them before it.

- `wanted`: which lines a configuration needs
- `configtxt`: our part of a config.txt, and whether a restart is due
"""
