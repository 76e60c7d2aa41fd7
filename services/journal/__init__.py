"""The recorder's journal, `samples.db`: where a sample becomes durable.

A commit writes one `batch`. `schema` defines the tables and opens the file, `journal` writes and reads it,
`totals` compares what several files say of counting sensors, `settled_rows` checks the rows that have no
other checksum, and `number_witness` records outside the file which sample numbers have been given.
"""
