"""Recovery: checks and repairs the stores after damage, before any process opens them.

`store_check` runs at each start. The check reads the part of a write-ahead log that SQLite ignores
(`wal_tail`), salvages batches from a damaged journal (`journal_salvage`), and compares all files with each
other (`rollback`). It calls `store_repair` and `rebuild` to repair damage. `carryover` transfers the totals
of counting sensors to a new log. `report` defines the type of the findings. `current_log` tells other daemons
which log the recorder writes.
"""
