"""Sets up an appliance at each boot, before recording starts: `logboat boot`.

It runs as root and without network access.

- `check`: checks whether a folder's configuration is valid; other commands use it too
- `paths`: the paths on an appliance
- `clock`: the earliest possible current time
- `imager`: the settings that Raspberry Pi Imager left on the card
- `imager_notes`: Raspberry Pi Imager's requests that the appliance does not fulfil
- `radio_key`: the key that the vessel-to-vessel radio should use now
- `system`: changes to the system, one function for each step
- `run`: the steps, in order

The result is written to `boot.json` in the run directory (`services.state.boot_state`).
"""
