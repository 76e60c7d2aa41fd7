"""Logging by the daemons: one line per log record. Repeated messages are counted, and errors are saved.

- `lines`: formats a record as a line of fields, and parses such a line
- `limits`: limits how often the same message is logged
- `error_log`: `errors.log` on the data partition, which is limited in size and survives a power cut
- `setup`: sets up logging when a daemon starts; a separate thread writes the lines
"""
