"""Interfaces of the services to the machine that they run on.

`systemd` reports a service's state to systemd. `machine` identifies the board and its present boot.
`processes` and `maintenance` look at running processes and at the appliance's writable root.
`folder_poller` notices changed files, `control_socket` carries a person's request to a daemon, and
`ulid`, `version` and `module_loading` are small helpers that import nothing of Logboat.
"""
