"""Slips in the sensors of a GPIO expander."""

from .cases import Case

STATE = 'address = 0x21\ninput = "A3"'
HOURS = 'measure = "time"\nstart = "120 h"'

EXPANDER = [
    Case(STATE, 'address = 0x21\ninput = "a3"'),
    Case(STATE, 'address = 0x21\ninput = "GPA3"'),
    Case(STATE, "address = 0x21\ninput = 3", 'address = 0x21\ninput = "A0"'),
    Case(STATE, 'address = 0x21\ninput = "A8"', 'address = 0x21\ninput = "B6"'),
    Case(STATE, 'address = 0x21\ninput = "A7"', 'address = 0x21\ninput = "A6"'),
    Case(STATE, 'address = 0x21\ninput = "B7"', 'address = 0x21\ninput = "B6"'),
    Case(STATE, "address = 0x21", chosen='"A3"', at="[[sensor]]"),
    Case(STATE, f"{STATE}\npin = 3", STATE),
    Case(STATE, f'{STATE}\npull = "down"', STATE),
    Case(STATE, 'address = 21\ninput = "A3"'),
    Case(STATE, 'address = 0x28\ninput = "A3"', 'address = 0x27\ninput = "A3"'),
    Case(STATE, 'input = "A3"', chosen="address = 0x21"),
    Case(STATE, f'{STATE}\nevery = "10 ms"', f'{STATE}\nevery = "50 ms"'),
    Case(STATE, f'{STATE}\nstart = "5 h"', STATE),
    Case(HOURS, 'measure = "starts"\nstart = "120 h"', chosen="time"),
    Case(HOURS, 'measure = "hours"', 'measure = "time"'),
    Case(f'input = "A3"\naddress = 0x21\n{HOURS}', 'input = "A3"\naddress = 0x21', chosen=HOURS),
]
"""Mistakes in the keys of a sensor of kind `mcp23017`."""
