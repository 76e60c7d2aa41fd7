"""Tests of the remedies in messages about configuration files: a person who follows one has a good file.

`cases` contains two good files, and the two forms of a mistake in them. The mistakes are in `syntax`,
`sensors`, `analog`, `derived`, `vessel` and `folders`. `inventory` finds the texts of all messages in the
source. `test_remedies` applies the remedies, and checks that each text has a case.
"""
