"""`logboat db`: reads, changes and replicates a document store, for diagnostics and scripts."""
