"""Turns a vessel's samples in the journal into documents in the store.

`documenter` follows the journal. `reading_window` collects consecutive samples of a sensor, `builders` builds
the documents, and `boot_signing` signs them for the fleet. `models` defines documents as readers decode them.
`number_spans` says which sample numbers a document covers. `budget`, `budget_shares` and `retention`
decide which documents are removed when the card is full.
"""
