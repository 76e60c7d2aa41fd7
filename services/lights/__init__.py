"""The lights: LEDs that show the appliance's state.

- `patterns`: how a light blinks, and how a single light shows a number
- `facts`: the facts about the appliance that the lights show
- `states`: the table of light states: the facts that cause a state, its pattern, and its meaning
- `explain`: the table as human-readable text
- `panel`: the LEDs on the GPIO header, or one LED that the kernel controls
- `output_panel`: the sirens and other outputs that alarms turn on
- `output_tests`: tests of outputs, requested through the control socket
- `daemon`: the command `logboat lights`
"""
