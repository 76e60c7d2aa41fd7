"""Lines in config.txt that configure the kernel for hardware; the firmware reads config.txt at boot.

- `clock_chips`: the names of the clock chips
- `kernel_settings`: the lines that a configuration needs
- `configtxt`: Logboat's block in a config.txt, and the decision whether to restart
"""
