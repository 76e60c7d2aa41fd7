"""Tests of the remedies in messages about configuration files: following one leads to a valid file.

`cases` contains two valid files, and the two classes that describe a mistake in a file. The mistakes are in
`syntax`, `sensors`, `analog`, `derived`, `vessel` and `folders`. `inventory` finds the texts of all messages
in the source. `test_remedies` applies the remedies, and checks that each text has a case.
"""
