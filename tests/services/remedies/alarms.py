"""Slips in alarm rules."""

from .cases import Case
from .sensors import COOLANT, DENSITY
from .syntax import ALARM

_PUMP = 'alarm = {{ {}, severity = "warn" }}'


def pump(rule: str) -> str:
    """Return a line with an alarm rule that has this condition."""
    return _PUMP.format(rule)


STARTS = pump('starts_above = 6, per = "1 h"')
RUNS = pump('runs_above = "30 min", per = "1 h"')
LONGER = pump('runs_longer = "10 min"')
HOT = pump('above = "95 °C"')
RISES = pump('rises_faster = "5 °C", per = "1 min"')
WHILE = pump('below = "60 °C", while = "rpm above 500 rpm"')

HOURS = 'path = "bilge.main.pump.runTime"'
PUMP = """

[[sensor]]
id = "pump"
kind = "switch"
pin = 25
pull = "none"
path = "bilge.main.pump.state\""""
REVOLUTIONS = 'path = "propulsion.main.revolutions"'
USED = 'path = "propulsion.main.fuel.used"\nmeasure = "total"'
RATE = 'path = "propulsion.main.fuel.rate"\nmeasure = "rate"'

RULES = [
    # times
    Case(ALARM, STARTS.replace(', per = "1 h"', ""), STARTS),
    Case(ALARM, RUNS.replace(', per = "1 h"', ""), RUNS),
    Case(ALARM, LONGER.replace("10 min", "10 min" + '", per = "1 h'), LONGER),
    Case(ALARM, LONGER.replace('"10 min"', '"10 min", for = "5 s"'), LONGER),
    Case(ALARM, RUNS.replace("30 min", "2 h"), RUNS, chosen="30 min"),
    Case(ALARM, STARTS.replace("1 h", "32 d"), STARTS.replace("1 h", "31 d")),
    Case(ALARM, STARTS.replace("6", '"6"'), STARTS),
    Case(ALARM, LONGER.replace('"10 min"', "10"), LONGER),
    # sensors that cannot have the condition
    Case(COOLANT, STARTS, HOT, chosen="95 °C"),
    Case(COOLANT, LONGER, HOT, chosen="95 °C"),
    Case(DENSITY, pump('idle_for = "14 d"'), "#"),
    Case(DENSITY, pump('rises_faster = 1, per = "1 h"'), "#"),
    Case(ALARM, RISES, pump('when = "active"')),
    Case(HOURS, f"{HOURS}\n{STARTS}", f"{HOURS}{PUMP}\n{STARTS}", chosen=PUMP),
    Case(REVOLUTIONS, f"{USED}\n{STARTS}", f"{RATE}\n{STARTS}", chosen=RATE),
    # conditions
    Case(ALARM, STARTS.replace("6", '6, runs_longer = "10 min"'), STARTS),
    Case(ALARM, pump('starts_abov = 6, per = "1 h"'), STARTS),
    Case(COOLANT, RISES.replace('"5 °C"', '"5 °C", hysteresis = "1 °C"'), RISES),
    Case(COOLANT, RISES.replace('"5 °C"', '"0 °C"'), RISES, chosen="5"),
    Case(COOLANT, RISES.replace('"5 °C"', '"-5 °C"'), RISES.replace("5", "0.5"), chosen="0.5"),
    Case(COOLANT, RISES.replace('"5 °C"', "5"), RISES),
    Case(COOLANT, RISES.replace("1 min", "2 d"), RISES.replace("1 min", "24 h")),
    Case(COOLANT, RISES.replace(', per = "1 min"', ""), RISES.replace("1 min", "1 h")),
    # the other sensor
    Case(COOLANT, WHILE.replace("rpm above 500 rpm", "rpm > 500 rpm"), WHILE),
    Case(COOLANT, WHILE.replace('"rpm above 500 rpm"', "true"), WHILE, chosen="rpm above 500"),
    Case(COOLANT, WHILE.replace("rpm above", "rpn above"), WHILE),
    Case(COOLANT, WHILE.replace("rpm above 500", "main-engine above 500"), WHILE),
    Case(COOLANT, WHILE.replace("rpm above 500 rpm", "coolant above 50 °C"), WHILE, chosen="rpm 500"),
    Case(COOLANT, WHILE.replace("rpm above 500 rpm", "rpm active"), WHILE, chosen="500"),
    Case(
        COOLANT,
        WHILE.replace("rpm above 500 rpm", "bilge-float above 1"),
        WHILE.replace("rpm above 500 rpm", "bilge-float active"),
    ),
    Case(COOLANT, WHILE.replace("500 rpm", "500"), WHILE),
    Case(COOLANT, WHILE.replace("500 rpm", "500 °C"), WHILE, chosen="500 rpm"),
]
"""Slips in the conditions, times and other sensors of rules."""
