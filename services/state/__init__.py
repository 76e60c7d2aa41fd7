"""State files that daemons write to the run directory, and functions that read these files.

Each daemon writes one file (`state_file`). `liveness` determines whether a file's daemon is alive, and
`recorder_state`, `sync_state`, `lights_state` and `boot_state` define the type of each file. `crash_loops`
finds daemons that exit repeatedly, and `peer_ahead` stores a note from the sync daemon to the recorder.
`thresholds` defines the limits at which `status`, the lights and the doctor warn.
"""
