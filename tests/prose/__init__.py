"""Checks of style rules that linters do not cover, such as how docstrings begin and which words to avoid.

`python -m tests.prose` checks the whole repository, and prints each violation with its location. `make lint`
runs this check.
"""
