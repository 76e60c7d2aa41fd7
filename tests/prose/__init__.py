"""Rules of language that linters do not know: openings of docstrings, and words that read as translated.

`python -m tests.prose` checks the whole repository and prints each fault with its place. `make
lint` runs it.
"""
