"""Hardware that the kernel must be configured for: lines in config.txt, which the firmware reads before it.

- `kernel_settings`: the lines that a configuration needs
- `configtxt`: our part of a config.txt, and the decision to restart
"""
