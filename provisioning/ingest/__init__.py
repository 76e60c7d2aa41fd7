"""Takes in the files on the card: checks them first, then puts all of them in force, or none.

- `permissions`: the owner and group of the files in force
- `active_config`: the folder in force, which changes in one step that a power cut cannot split
- `offers`: finds what is new on the card and in the inbox
- `secret_wiping`: wipes secrets from the place where they were taken in
- `problems`: PROBLEMS.txt, for people who read the card on a laptop
- `ingest`: checks what is offered, and puts it in force or refuses it
"""
