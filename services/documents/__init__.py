"""Converts a vessel's samples in the journal to documents in the store.

`documenter` reads new batches from the journal. `reading_documents` collects consecutive samples of a sensor,
`builders` builds the documents, and `boot_signing` signs them for the fleet. `models` defines the document
types that views decode. `number_spans` determines the range of sample numbers that a document covers.
`budget`, `budget_shares` and `retention` decide which documents are removed when the card is full.
"""
