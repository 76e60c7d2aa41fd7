"""Reads the settings that Raspberry Pi Imager, or a person in its place, left on the card's first partition.

- `requested_settings`: the possible settings, and the sheet on which a file's reader notes them
- `yamltree`: YAML as text with lines, by a YAML library
- `userdata`: `user-data`, and `networkconfig`: `network-config`, of Imager's versions 2 (cloud-init, netplan)
- `script`: `firstrun.sh` of its versions 1, of which nothing is run
- `customtoml`: `custom.toml`, which people write themselves
- `reader`: all of the files together
"""
