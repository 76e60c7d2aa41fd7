"""TOML with line numbers: a file's tables, their schema, and a report of every problem.

`toml_lines` finds the lines that `tomllib` does not report, `syntax_errors` explains what is not TOML, and
`toml_file` reads a file with both. `schema` checks tables against a schema, whose parsers describe their
values with `value_forms`. `declarations` makes the schema from a class that declares the keys, and
`reference` describes these keys for people.
"""
