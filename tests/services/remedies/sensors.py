"""Mistakes in the values of a sensor's keys, and in combinations of keys."""

from .cases import Case
from .syntax import ALARM

OIL = 'alarm = { below = "1 bar", hysteresis = "0.1 bar", severity = "alarm" }'
COOLANT = 'alarm = { above = "95 °C", below = "1 °C", hysteresis = "2 °C", severity = "warn" }'
WATER = 'alarm = { below = "50 l", severity = "warn" }'
DENSITY = 'alarm = { above = 1.5, severity = "warn" }'
FAULT_OR_HOT = (
    'alarm = [{ when = "fault", severity = "warn" }, { above = "95 °C", below = "1 °C",'
    ' hysteresis = "2 °C", severity = "warn" }]'
)
LEVEL = 'path = "tanks.fuel.main.currentLevel"'
STARTS = 'measure = "starts"'
POLES = "poles = 12\nratio = 2.5"
HUMIDITY = 'id = "humidity"\nkind = "bme280"\naddress = 0x76\nmeasure = "relativeHumidity"'

QUANTITIES = [
    Case('debounce = "50 ms"', 'debounce = "50"'),
    Case('debounce = "50 ms"', "debounce = 50"),
    Case('debounce = "50 ms"', "debounce = true", 'debounce = "10 ms"'),
    Case('debounce = "50 ms"', 'debounce = "fifty"', 'debounce = "10 ms"'),
    Case('debounce = "50 ms"', 'debounce = "50 msec"'),
    Case('debounce = "50 ms"', 'debounce = "50 furlong"'),
    Case('debounce = "50 ms"', 'debounce = "50 V"'),
    Case('debounce = "50 ms"', 'debounce = "0,5 s"', 'debounce = "0.5 s"'),
    Case('debounce = "50 ms"', 'debounce = "1,000 ms"', 'debounce = "1000 ms"'),
    Case('debounce = "50 ms"', 'debounce = "1,000,000 us"', 'debounce = "1000000 us"'),
    Case('debounce = "50 ms"', 'debounce = "11 s"', 'debounce = "10 s"'),
    Case('rate = "5 Hz"', 'rate = "5 hz"'),
    Case('rate = "5 Hz"', 'rate = "0 Hz"', 'rate = "0.001 Hz"'),
    Case('deadband = "1 %"', 'deadband = "1,5"', 'deadband = "1.5 %"'),
    Case('deadband = "1 %"', "deadband = 15", 'deadband = "15 %"'),
    Case('deadband = "1 %"', "deadband = 15000", chosen="1 %"),
    Case('deadband = "1 %"', "deadband = 1"),
    Case('deadband = "1 %"', 'deadband = "120 %"', 'deadband = "99 %"', chosen="99"),
    Case('deadband = "1 %"', 'deadband = "-1 %"', 'deadband = "0 %"'),
    Case('deadband = "1 %"', 'deadband = "15"', 'deadband = "15 %"'),
    Case(WATER, WATER.replace("50 l", "50 gal"), WATER.replace("50 l", "50 US gal")),
    Case(WATER, WATER.replace('"50 l"', "50")),
    Case(WATER, WATER.replace('"50 l"', '"-1 l"'), WATER.replace('"50 l"', '"0 l"')),
    Case(DENSITY, DENSITY.replace("1.5", '"1.5 kg/m3"')),
    Case(COOLANT, COOLANT.replace('"95 °C"', "95")),
    Case(COOLANT, COOLANT.replace('"95 °C"', '"95 C"')),
    Case(
        COOLANT, COOLANT.replace('"95 °C"', '"-300 °C"'), COOLANT.replace('"95 °C"', '"95 °C"'), chosen="95"
    ),
    Case(COOLANT, COOLANT.replace("95", "1").replace('below = "1 ', 'below = "95 '), chosen="95"),
    Case(COOLANT, COOLANT.replace('"2 °C"', '"200 °C"'), COOLANT.replace('"2 °C"', '"93 °C"'), chosen="93"),
    Case(COOLANT, COOLANT.replace('"2 °C"', "2")),
    Case(OIL, OIL.replace('"1 bar"', "1")),
    Case("pulses_per_unit = 12", 'pulses_per_unit = "12"'),
    Case("pulses_per_unit = 12", "pulses_per_unit = 0", "pulses_per_unit = 12", chosen="12"),
    Case("pulses_per_unit = 12", "pulses_per_unit = nan", "pulses_per_unit = 12.5"),
    Case("pulses_per_unit = 12", f"pulses_per_unit = 1{301 * '0'}", chosen="12"),
]
"""Mistakes in quantities and numbers."""

VALUES = [
    Case("pin = 17", 'pin = "17"'),
    Case("pin = 17", 'pin = "GPIO17"'),
    Case("pin = 17", "pin = 40", "pin = 17"),
    Case("address = 0x76", "address = 76"),
    Case("address = 0x76", 'address = "0x76"'),
    Case("address = 0x76", "address = 0x75"),
    Case("address = 0x76", "address = true"),
    Case('address = "28-0316a2795cff"', 'address = "28-0316a2795"', chosen="28-0316a2795cff"),
    Case('kind = "ds18b20"\naddress = "28-0316a2795cff"', 'kind = "ds18s20"\naddress = "28-0316a2795cff"'),
    Case('pull = "up"', 'pull = "UP"'),
    Case('pull = "up"', 'pull = "sideways"', 'pull = "none"'),
    Case(ALARM, ALARM.replace('"alarm"', '"critical"')),
    Case(ALARM, ALARM.replace('"alarm"', '"normal"'), ALARM.replace('"alarm"', '"alert"')),
    Case(COOLANT, COOLANT.replace('above = "95 °C"', 'when = "active"'), chosen="95 °C"),
    Case(COOLANT, "alarm = 95", chosen=COOLANT),
    Case(COOLANT, COOLANT.replace("above", 'when = "fault", above'), FAULT_OR_HOT, chosen="95 °C 1 2 below"),
    Case(DENSITY, DENSITY.replace("above = 1.5", 'when = "fault"'), "#"),
    Case('path = "bilge.main.highWater"', 'path = "bilge main"', chosen="bilge.main.highWater"),
    Case('path = "bilge.main.highWater"', 'path = "bilge.main.highwater"'),
    Case('path = "bilge.main.highWater"', 'path = "bilge.main.level"', chosen="bilge.main.highWater"),
    Case(LEVEL, 'path = "tanks.fuel.level"'),
    Case(LEVEL, 'path = "cellar.wine"', 'path = "cellar.wine"\nunit = "ratio"', chosen="ratio"),
    Case(LEVEL, 'path = "bilge.main.highWater"', LEVEL, chosen="tanks.fuel.main.currentLevel"),
    Case('id = "rpm"', 'id = "Engine RPM"', 'id = "engine-rpm"', chosen="engine rpm"),
    Case('id = "rpm"', 'id = "bilge-float"', chosen="rpm"),
    Case('unit = "W"', 'unit = "kW"'),
    Case(LEVEL, f'{LEVEL}\nunit = "V"', LEVEL),
    Case('id = "bilge-float"', 'id = "bilge-float"\nname = ""', 'id = "bilge-float"\nname = "A"', chosen="A"),
    Case('id = "bilge-float"', 'id = "bilge-float"\nname = 5', 'id = "bilge-float"\nname = "5"'),
    Case('debounce = "50 ms"', 'debounce = "50 ms"\ndeadband = 1', 'debounce = "50 ms"'),
    Case('every = "2 s"', 'every = "2 s"\nrate = "0.5 Hz"', 'every = "2 s"'),
    Case('file = "yacht.csv"', 'file = "/home/pi/yacht.csv"'),
    Case('debounce = "50 ms"', 'debounce = "50 ms"\ndisplay = "V"', 'debounce = "50 ms"'),
    Case(WATER, f'{WATER}\ndisplay = "gal"', f'{WATER}\ndisplay = "US gal"'),
    Case(COOLANT, f'{COOLANT}\ndisplay = "furlong"', f'{COOLANT}\ndisplay = "°C"'),
]
"""Mistakes in values that are not quantities."""

SHUNT = 'shunt = "100 A / 75 mV"'
SHUNTS = [
    Case(SHUNT, 'shunt = "100 A"', chosen="75"),
    Case(SHUNT, 'shunt = "75 mV"', SHUNT, chosen="100 75"),
    Case(SHUNT, 'shunt = "100 A / 75"'),
    Case(SHUNT, 'shunt = "100 A, 75 mV"'),
    Case(SHUNT, 'shunt = "0 A / 75 mV"', chosen="100"),
    Case(SHUNT, 'shunt = "100 A / 75 V"'),
    Case(SHUNT, 'shunt = "100 kA / 75 mV"', chosen="A"),
    Case(SHUNT, 'shunt = "100 A / 500 mV"', 'shunt = "5 mohm"'),
    Case(SHUNT, 'shunt = "100 A / 1 mV"', chosen="75"),
]
"""Mistakes in the ratings of shunts."""

COMBINATIONS = [
    Case("pin = 17", "pin = 1", "pin = 16"),
    Case("pin = 17", "pin = 2", "pin = 16"),
    Case("pin = 17", "pin = 6", "pin = 16"),
    Case("pin = 27", "pin = 17", "pin = 16"),
    Case('measure = "temperature"', 'measure = "pressure"', chosen="temperature", at="path"),
    Case(HUMIDITY, HUMIDITY.replace("relativeHumidity", "temperature"), chosen="relativeHumidity"),
    Case(HUMIDITY, HUMIDITY.replace("address = 0x76\n", ""), chosen="0x76"),
    Case('every = "2 s"', 'every = "1 s"', at='every = "3 s"'),
    Case(POLES, f"{POLES}\npulses_per_unit = 12", POLES),
    Case(POLES, "poles = 13\nratio = 2.5"),
    Case(POLES, f"pulses_per_unit = 12\n{POLES.partition(chr(10))[2]}", "pulses_per_unit = 12"),
    Case(
        'path = "electrical.alternators.main.revolutions"',
        'path = "propulsion.main.fuel.rate"',
        chosen="electrical.alternators.main.revolutions",
        at="poles",
    ),
    Case('every = "2 s"', 'every = "2 s"\naverage = "2 s"', 'every = "2 s"\naverage = "4 s"'),
    Case(STARTS, f'{STARTS}\naverage = "1 min"', STARTS),
    Case(STARTS, f'{STARTS}\nstart = "1 h"', STARTS),
    Case(f"{STARTS}\npin = 25", f"{STARTS}\npin = 27", f"{STARTS}\npin = 16"),
    Case(f"{STARTS}\npin = 25", "pin = 25", chosen="measure starts"),
    Case(f'{STARTS}\npin = 25\npull = "none"', f'{STARTS}\npin = 25\npull = "up"'),
    Case('rate = "5 Hz"', 'rate = "5 Hz"\nmeasure = "total"', 'rate = "5 Hz"\nmeasure = "rate"'),
]
"""Mistakes in combinations of keys, and in combinations of sensors."""
