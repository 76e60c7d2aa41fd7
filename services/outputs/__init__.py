"""The outputs: sirens, buzzers, lamps and relays that alarms turn on.

- `machine`: which outputs are on at a time, and why, without pins and clocks
- `alarm_feed`: the active alarms, followed in the document store, which is never written
- `pins`: the pins of the outputs

The lights daemon runs them (`services.lights.daemon`).
"""
