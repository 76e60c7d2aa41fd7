"""Style rules that linters do not check: how docstrings begin, and words that sound translated.

`python -m tests.prose` checks the whole repository and prints each fault with its place. `make
lint` runs it.
"""
