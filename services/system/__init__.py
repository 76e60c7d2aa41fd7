"""Interfaces from the services to the machine on which they run.

`systemd` reports a service's state to systemd. `machine` identifies the board and its current boot.
`processes` checks whether a process is alive, and `maintenance` makes the appliance's root file system
writable. `folder_poller` detects changed files, and `control_socket` passes a user's request to a daemon.
`ulid`, `version` and `module_loading` are small helpers that import nothing from Logboat.
"""
