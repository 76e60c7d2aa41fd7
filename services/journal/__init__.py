"""The recorder's journal, `samples.db`, in which samples are first made durable.

Each commit writes one `batch`. `schema` defines the tables and opens the file, and `journal` writes and reads
the batches. `totals` reconciles the totals of counting sensors if several files contain different values.
`settled_rows` checks the rows that have no other checksum. `number_witness` records, in a separate file,
which sample numbers have been assigned.
"""
