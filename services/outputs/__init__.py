"""The outputs: sirens, buzzers, lamps and relays that alarms turn on.

- `machine`: decides whether an output is on, and why; it accesses no pins and no clocks
- `alarm_feed`: follows the active alarms in the document store, without writing to the store
- `pins`: the pins of the outputs

The lights daemon runs them (`services.lights.daemon`).
"""
