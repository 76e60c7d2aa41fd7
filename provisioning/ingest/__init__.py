"""Takes in the files on the card: checks them first, then puts all of them in force, or none.

- `permissions`: the owner and group of the files in force
- `active_config`: the folder in force, changed in one step that a power cut does not split
- `offers`: what the card and the inbox offer that is new
- `secret_wiping`: secrets that are wiped from where they were taken
- `problems`: PROBLEMS.txt, for people who read the card on a laptop
- `ingest`: checks what is offered, and puts it in force or refuses it
"""
