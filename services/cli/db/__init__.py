"""`logboat db`: works on a document store given by its path, for diagnostics and scripts."""
