"""Alarms: the rules that raise and clear them, their phases and silences, and which alarms are audible.

- `rules`: evaluates the rules of a sensor, with `activity` for starts and running times, `rates` for rates of
  change, and `words` for conditions as text
- `phases`: the phase of an alarm
- `silences` and `audible`: which alarms sound

The keys of a rule in `sensors.toml` are declared in `sensors.alarm_rules`. The recorder passes the samples to
the rules (`services.recorder.acceptance`). `services.outputs` drives sirens and lamps.
"""
