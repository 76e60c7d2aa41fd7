"""Lights: what a person sees who passes by.

- `patterns`: how a light is lit over time; how a number is told by one light alone (pure)
- `facts`: how everything stands, as far as lights tell of it
- `states`: the table: which light shows what, for which facts, and what it means (pure)
- `explain`: the table for people (pure)
- `panel`: LEDs on the header, or one of the kernel's
- `daemon`: `logboat lights`
"""
