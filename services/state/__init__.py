"""State files of the daemons in the run directory, and how commands read them.

Each daemon writes one file (`state_file`). `liveness` judges whether its writer is alive, and
`recorder_state`, `sync_state`, `lights_state` and `boot_state` give each file a type. `crash_loops` knows
how daemons ended lately, `peer_ahead` what the sync daemon tells the recorder, and `thresholds` holds the
figures from which `status`, lights and doctor warn.
"""
