"""Hardware for which the kernel must be configured: lines in config.txt, which the firmware reads at boot.

- `kernel_settings`: the lines that a configuration needs
- `configtxt`: our part of a config.txt, and the decision whether to restart
"""
