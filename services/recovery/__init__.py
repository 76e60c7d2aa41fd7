"""Recovery: check and repair of the stores after damage, before anything opens them.

`store_check` runs at each start. It reads what a write-ahead log still contains (`wal_tail`), salvages
batches of a damaged journal (`journal_salvage`), compares all files with each other (`rollback`), and
calls `store_repair` and `rebuild` for what is broken. `carryover` gives a new log the totals of counting
sensors. Its findings are in `report`. `current_log` tells
other daemons which log the recorder writes.
"""
