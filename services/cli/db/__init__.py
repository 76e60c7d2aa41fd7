"""`logboat db`: a document store by its path, for diagnostics and scripts."""
