"""The work of an appliance at each boot, before anything records: `logboat boot`.

It runs as root and without network.

- `check`: whether a folder's configuration could be put in force: the same check everywhere
- `paths`: the paths on an appliance
- `clock`: the earliest possible current time
- `imager`: the customisation that Raspberry Pi Imager left on the card
- `radio_key`: the key of the radio between vessels that is due now
- `system`: changes of the system, one function for each step
- `run`: the steps, in order

Their result is `boot.json` in the run directory (`services.state.boot_state`).
"""
