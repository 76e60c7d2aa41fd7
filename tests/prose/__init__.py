"""Rules of language that linters do not check: openings of docstrings, and words that sound translated.

`python -m tests.prose` checks the whole repository and prints each fault with its place. `make
lint` runs it.
"""
