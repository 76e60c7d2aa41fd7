"""Taking in what stands on the card: checked first, then in force as a whole, or not at all.

- `owners`: whose the files in force are
- `inforce`: the folder in force, changed in one step that a power cut does not halve
- `wiping`: secrets that go from where they were taken
- `problems`: PROBLEMS.txt, for whoever reads the card on a laptop
- `takein`: what is offered, what becomes of it
"""
