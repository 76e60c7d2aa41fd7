"""Mistakes in the outputs that alarms turn on."""

from .cases import Case

ON = 'on = ["alarm", "emergency"]'
SIREN = f"pin = 20\n{ON}"
SLOW = 'pattern = "slow"'
LONGEST = 'longest = "15 min"\npause = "5 min"'
LAMP = 'when_silent = true\npattern = "3 flashes"'
BILGE = 'sensors = ["bilge-float"]'
BUTTON = "silence_pin = 24"
FLASHES = 'pattern = "3 flashes"'

OUTPUTS = [
    # what turns it on
    Case(LAMP, FLASHES, f'on = ["alarm", "emergency"]\n{FLASHES}', at="[[output]]"),
    Case(LAMP, f"{ON}\n{BILGE}", BILGE),
    Case(LAMP, f"{BILGE}\nneighbours = true", f"{ON}\nneighbours = true", chosen=ON),
    Case(LAMP, BILGE.replace("float", "flot"), BILGE),
    Case(ON, 'on = ["alarm", "emergency", "alarm"]'),
    Case(ON, 'on = ["alarm", "emergancy"]'),
    Case(ON, 'severity = "alarm"', ON),
    Case(LAMP, f'on = ["emergency"]\n{FLASHES}', f'on = ["alarm"]\n{FLASHES}'),
    Case(LAMP, f'sensors = ["air"]\n{FLASHES}', f"{BILGE}\n{FLASHES}", chosen="bilge-float"),
    # times and patterns
    Case(LONGEST, 'pause = "5 min"', LONGEST),
    Case(FLASHES, f'{FLASHES}\nlongest = "2 s"', f'{FLASHES}\nlongest = "5 s"'),
    Case(SLOW, 'pattern = "blink"', SLOW),
    # keys of a sensor
    Case(SIREN, f'{SIREN}\nkind = "siren"', SIREN),
    Case(SIREN, f'{SIREN}\npath = "bilge.siren"', SIREN),
    Case(SIREN, f'{SIREN}\nalarm = {{ when = "active", severity = "alarm" }}', SIREN),
    # pins
    Case(SIREN, f"pin = 17\n{ON}", f"pin = 16\n{ON}"),
    Case(SIREN, f"pin = 21\n{ON}", f"pin = 16\n{ON}", at="pin = 21"),
    Case(SIREN, f"pin = 8\n{ON}", f"pin = 16\n{ON}"),
    Case(SIREN, f"pin = 26\n{ON}", f"pin = 16\n{ON}"),
    Case(BUTTON, "silence_pin = 17", "silence_pin = 16"),
    Case(BUTTON, "silence_pin = 20", "silence_pin = 16"),
    Case(BUTTON, "silence_pin = 8", "silence_pin = 16"),
    Case(BUTTON, "silence_pin = 26", "silence_pin = 16"),
    Case(LAMP, f"{LAMP}\n{BUTTON}", LAMP, at=BUTTON),
    Case('id = "lamp"', 'id = "siren"', 'id = "lamp"', chosen="lamp"),
]
"""Mistakes in the keys of `[[output]]`."""
