"""The lights: LEDs that show the state to anyone who passes by.

- `patterns`: how a light blinks, and how a single light shows a number (pure)
- `facts`: the state of the appliance, as far as the lights show it
- `states`: the table of which light shows what, for which facts, and what it means (pure)
- `explain`: the table as text for people (pure)
- `panel`: LEDs on the header, or one LED of the kernel's
- `daemon`: the command `logboat lights`
"""
