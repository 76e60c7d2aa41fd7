"""State files of the daemons in the run directory, and functions that read them.

Each daemon writes one file (`state_file`). `liveness` determines whether a file's daemon is alive, and
`recorder_state`, `sync_state`, `lights_state` and `boot_state` define the type of each file. `crash_loops`
finds daemons that exit repeatedly, `peer_ahead` is a note from the sync daemon to the recorder, and
`thresholds` defines the limits at which `status`, lights and doctor warn.
"""
