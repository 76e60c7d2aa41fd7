"""TOML with line numbers: a file's tables, their schema, and a report of every problem.

`toml_lines` finds the lines that `tomllib` does not report, `toml_file` reads a file with them, and
`schema` checks tables against a description.
"""
