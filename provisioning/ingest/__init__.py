"""Applies the files on the card: checks them first, and then applies all of them, or none.

- `permissions`: the owner and group of the files in use
- `active_config`: the folder of the files in use, which is changed atomically
- `offers`: finds new files on the card and in the inbox
- `secret_wiping`: wipes secrets from the card and the inbox after they were applied
- `near_misses`: finds files on the card that were probably meant for Logboat, but are not used
- `problems`: PROBLEMS.txt, which users read on a laptop
- `ingest`: checks the offered files, and applies or rejects them
"""
