"""The outputs: sirens, buzzers, lamps and relays that alarms turn on.

- `machine`: decides whether an output is on, and why; it accesses no pins and no clocks
- `alarm_feed`: follows the active alarms in the document store, without writing to the store
- `pins`: the pins of the outputs
- `silence_buttons`: the push-buttons that silence alarms; `local_silences` remembers what they silence, until
  `silence_writer` has stored it

The lights daemon runs them (`services.lights.daemon`).
"""
