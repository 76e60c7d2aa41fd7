"""Mistakes in the settings of analog senders and supervised contacts."""

from .cases import Case

FUEL = "calibration = [[0.94, 0.0], [1.5, 0.4], [2.41, 1.0]]"
BARS = 'calibration = [[0.6, "0 bar"], [3.0, "10 bar"]]'
LEVEL = 'sender = [["240 ohm", "0 %"], ["33 ohm", "100 %"]]'
PULL_UP = 'pull_up = "240 ohm"'
RESISTIVE = f"{LEVEL}\n{PULL_UP}"
LOOP = 'sender = [["4 mA", "0 bar"], ["20 mA", "16 bar"]]'
LOOP_RESISTOR = 'loop_resistor = "150 ohm"'
SHUNT = 'shunt = "200 A / 50 mV"'

CALIBRATION = [
    Case("channel = 0", "channel = 8", "channel = 7"),
    Case("channel = 3", "channel = 5"),
    Case("channel = 0", "channel = 0.5", "channel = 0"),
    Case(FUEL, "calibration = 0.94", FUEL, chosen=FUEL),
    Case(FUEL, "calibration = [[0.94, 0.0]]", FUEL, chosen=FUEL),
    Case(FUEL, "calibration = [[0.94], [1.5, 0.4], [2.41, 1.0]]", chosen="0.0"),
    Case(FUEL, "calibration = [[1.5, 0.4], [0.94, 0.0], [2.41, 1.0]]"),
    Case(FUEL, "calibration = [[0.94, 0.0], [1.5, 1.4], [2.41, 1.0]]", chosen="0.4"),
    Case(FUEL, "calibration = [[0.94, 0.6], [1.5, 0.4], [2.41, 1.0]]", chosen="0.0"),
    Case(
        FUEL,
        "calibration = [[0.94, 0.0], [1.5, 40], [2.41, 1.0]]",
        FUEL.replace("0.4", '"40 %"'),
        chosen="0.4",
    ),
    Case(FUEL, "calibration = [[0.1, 0.94], [0.4, 1.5], [1.0, 2.41]]", chosen="0.0"),
    Case(BARS, BARS.replace('"10 bar"', "10").replace('"0 bar"', "0")),
    Case(BARS, 'calibration = [["0 bar", 0.6], ["10 bar", 3.0]]'),
    Case(RESISTIVE, RESISTIVE.replace("sender", "calibration")),
    Case("valid = [0.5, 2.9]", "valid = [0.5]", "valid = [0.5, 2.9]", chosen="2.9"),
    Case("valid = [0.5, 2.9]", "valid = [2.9, 0.5]"),
    Case("valid = [0.5, 2.9]", "valid = [2.5, 2.9]", chosen="0.5"),
    Case("valid = [0.5, 2.9]", "valid = [0.5, 3.5]", "valid = [0.5, 3.29]", chosen="3.29"),
    Case("valid = [0.5, 2.9]", "valid = [0.5, 3.299]", "valid = [0.5, 3.28]", chosen="3.28"),
    Case("valid = [0.4, 3.1]", "valid = [0.4, 6.5]", "valid = [0.4, 6.1]", chosen="6.1"),
]
"""Mistakes in calibrations."""

SENDERS = [
    Case(RESISTIVE, "", chosen=RESISTIVE),
    Case(RESISTIVE, PULL_UP, chosen=LEVEL),
    Case(LEVEL, f"{LEVEL}\nbeta = 3950", LEVEL),
    Case(LEVEL, f'{LEVEL}\nr25 = "10 kohm"', LEVEL),
    Case(PULL_UP, "# none"),
    Case(LEVEL, 'sender = "240 ohm"', chosen=LEVEL),
    Case(LEVEL, 'sender = ["240 ohm", "33 ohm"]', chosen=LEVEL),
    Case(LEVEL, LEVEL.replace('"240 ohm"', "240"), chosen="ohm"),
    Case(LEVEL, LEVEL.replace('"240 ohm"', '"240 l"'), chosen="ohm"),
    Case(LEVEL, LEVEL.replace('"240 ohm"', '"-240 ohm"'), LEVEL),
    Case(LEVEL, LEVEL.replace('"240 ohm", "0 %"', '"0 %", "240 ohm"')),
    Case(LEVEL, LEVEL.replace('"33 ohm"', '"33 mA"')),
    Case(LEVEL, LEVEL.replace("33 ohm", "240 ohm"), chosen="33"),
    Case(LEVEL, LEVEL.replace("]]", '], ["10 ohm", "50 %"]]'), LEVEL),
    Case(PULL_UP, 'pull_up = "10 Mohm"', 'pull_up = "240 ohm"', chosen="240", at="sender"),
    Case(PULL_UP, 'pull_up = "1 ohm"', chosen="240"),
    Case(PULL_UP, f'{PULL_UP}\nsupply = "6 V"', PULL_UP),
    Case(LOOP_RESISTOR, 'loop_resistor = "300 ohm"', 'loop_resistor = "156 ohm"', at="sender"),
    Case(
        LOOP_RESISTOR,
        f'{LOOP_RESISTOR}\nvalid = ["-1 mA", "21 mA"]',
        f'{LOOP_RESISTOR}\nvalid = ["0 mA", "21 mA"]',
    ),
    Case(
        LOOP_RESISTOR,
        f'{LOOP_RESISTOR}\nvalid = ["3 mA"]',
        f'{LOOP_RESISTOR}\nvalid = ["3 mA", "21 mA"]',
        chosen="21",
    ),
    Case(
        LOOP_RESISTOR,
        f'{LOOP_RESISTOR}\nvalid = ["3 mA", "30 mA"]',
        f'{LOOP_RESISTOR}\nvalid = ["3 mA", "21 mA"]',
        chosen="21",
    ),
    Case("divider = 2.0", "divider = 1.0", chosen="2.0", at="sender"),
    Case('r25 = "10 kohm"', "# r25"),
    Case("beta = 3950", "beta = 39", "beta = 500"),
]
"""Mistakes in the keys for the data printed on a sender."""

INPUTS = [
    Case("channel = 5", 'channel = "0-1"', "channel = 5", chosen="5"),
    Case("channel = 5", 'channel = 5\ngain = "4.096 V"', "channel = 5"),
    Case("channel = 3", 'channel = 3\nreference = "5 V"', "channel = 3"),
    Case("channel = 2", 'channel = "2"'),
    Case("channel = 2", 'channel = "1-2"', 'channel = "1-3"'),
    Case(PULL_UP, f'{PULL_UP}\ngain = "4 V"', f'{PULL_UP}\ngain = "4.096 V"'),
    Case(SHUNT, f"{SHUNT}\ndivider = 2.0", SHUNT),
    Case(SHUNT, 'shunt = "200 A / 500 mV"\ngain = "0.256 V"', f'{SHUNT}\ngain = "0.256 V"', chosen="50"),
    Case(
        f'channel = "0-1"\nchip = "ads1115"\n{SHUNT}',
        f'channel = 0\nchip = "mcp3208"\n{SHUNT}',
        f'channel = 0\nchip = "ads1115"\n{SHUNT}',
        at="shunt",
    ),
]
"""Mistakes in the keys for the inputs of ADC chips."""

SUPERVISED = [
    Case('pull_up = "9.1 kohm"', 'pull_up = "9.1 kohm"\nsupply = "5 V"', 'pull_up = "9.1 kohm"', at="supply"),
    Case('pull_up = "9.1 kohm"', 'pull_up = "1 Mohm"', chosen="9.1 kohm"),
    Case('end_of_line = "10 kohm"', 'end_of_line = "1 Mohm"'),
]
"""Mistakes in the settings of supervised contacts."""
