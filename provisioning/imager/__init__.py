"""Reads the settings that Raspberry Pi Imager, or a user, wrote to the card's first partition.

- `requested_settings`: the possible settings, and the collector of the settings in a file
- `answers`: answers to requests that are understood, but not fulfilled
- `yamltree`: YAML as a tree of strings with line numbers, parsed by a YAML library
- `userdata`: `user-data` of Imager 2, in the format of cloud-init
- `networkconfig`: `network-config` of Imager 2, in the format of netplan
- `script`: `firstrun.sh` of Imager 1 and 2, which is read but never run
- `customtoml`: `custom.toml`, which users write themselves, and `rpi-preseed.toml` of Imager 2
- `commandline`: the country in `cmdline.txt`
- `reader`: reads all of these files, and combines their settings
"""
