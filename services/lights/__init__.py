"""The lights: LEDs that show the appliance's state to anyone who passes by.

- `patterns`: how a light blinks, and how a single light shows a number
- `facts`: the facts about the appliance that the lights show
- `states`: the table of light states: the facts that cause a state, its pattern, and its meaning
- `explain`: the table as text for people
- `panel`: LEDs on the header, or one of the kernel's LEDs
- `daemon`: the command `logboat lights`
"""
