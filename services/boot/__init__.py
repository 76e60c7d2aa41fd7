"""The work of an appliance at each boot, before anything records: `logboat boot`.

It runs as root and without network.

- `check`: whether a folder's configuration could be put in force: the same check everywhere
- `state`: `boot.json` in the run directory: what failed, for lights and status
- `places`: the paths on an appliance
- `clock`: the earliest possible current time
- `imager`: the customisation that Raspberry Pi Imager left on the card
- `system`: changes of the system, one function for each step
- `run`: the steps, in order
"""
