"""What an appliance does at each start, before anything records: `logboat boot`, as root, without network.

- `check`: whether a folder's configuration could be put in force: the same check everywhere
- `state`: `boot.json` in the run directory: what could not be done, for lights and status
- `places`: where things are on an appliance
- `clock`: what time it is at least
- `imager`: what Raspberry Pi Imager was asked for
- `system`: what of the system is changed, one step a function
- `run`: the steps, in their order
"""
