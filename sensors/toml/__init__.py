"""Reader of TOML files that checks tables against a schema, and reports every problem with its line number.

`toml_lines` finds the line numbers, which `tomllib` does not report. `syntax_errors` explains TOML's syntax
errors, and `toml_file` reads a file with both. `schema` checks tables against a schema, whose parsers
describe their values with `value_forms`. `declarations` makes the schema from a class that declares the keys,
and `reference` describes these keys in the documentation.
"""
