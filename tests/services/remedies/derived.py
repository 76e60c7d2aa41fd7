"""Mistakes in the expressions of sensors of kind `derived`."""

from .cases import Case

POWER = 'value = "house * recorded"'
RISE = 'value = "coolant - exhaust"'
MEAN = 'value = "mean(coolant, exhaust)"'
PATH = 'path = "propulsion.aft.temperature"'


def power(slip: str, remedied: str = "house * recorded", *, chosen: str = "") -> Case:
    """Return a case with a mistake in the expression of a sensor that calculates a power."""
    return Case(POWER, f'value = "{slip}"', f'value = "{remedied}"', chosen=chosen)


def rise(slip: str, remedied: str = "coolant - exhaust", *, chosen: str = "") -> Case:
    """Return a case with a mistake in the expression of a sensor that subtracts two temperatures."""
    return Case(RISE, f'value = "{slip}"', f'value = "{remedied}"', chosen=chosen)


def mean(slip: str, remedied: str = "mean(coolant, exhaust)", *, chosen: str = "") -> Case:
    """Return a case with a mistake in the expression of a sensor that averages two temperatures."""
    return Case(MEAN, f'value = "{slip}"', f'value = "{remedied}"', chosen=chosen)


EXPRESSIONS = [
    power("", chosen="house * recorded"),
    power("house * recorded)"),
    power("(house * recorded", "(house * recorded)"),
    power("house * 1,5 * recorded", "house * 1.5 * recorded", chosen="1.5"),
    power("house \N{MULTIPLICATION SIGN} recorded"),
    power("house \N{MULTIPLICATION SIGN}recorded"),
    power("house recorded"),
    rise("coolant -exhaust"),
    rise("coolant- exhaust"),
    rise("coolant-exhaust"),
    rise("coolant - exhaust - 20 K", "coolant - exhaust - '20 K'"),
    rise("coolant - exhaust - 20K", "coolant - exhaust - '20 K'"),
    rise("coolant - exhaust - '20 K", "coolant - exhaust - '20 K'"),
    power(f"{21 * '('}house * recorded{21 * ')'}"),
    power("house * ", chosen="recorded"),
    power("house ** recorded"),
    mean("avg(coolant, exhaust)"),
    power("house(recorded)", "house * (recorded)", chosen="*"),
    power("abs(house, house) * recorded", "abs(house) * recorded"),
    mean("mean(coolant)", chosen="exhaust"),
    power("1e999 * house * recorded"),
    power("house * recorded * '2'", "house * recorded * 2"),
    power("'house' * recorded"),
    power("'2 furlong' * house * recorded"),
    power("house * electrical.batteries.1.voltage", chosen="recorded"),
    power("House * recorded"),
    power("hou_se * recorded", chosen="house"),
    power("house * recorded + 20l"),
    power("hose * recorded"),
    power("zz * recorded", chosen="house"),
    power("'2 W'", chosen="house * recorded"),
    power("bilge-float * house", chosen="recorded"),
    power("house-power * recorded", chosen="house"),
]
"""Mistakes in the syntax of an expression, and in the sensors to which it refers."""

DIMENSIONS = [
    power("house", chosen="* recorded"),
    power("house + recorded", chosen="*"),
    power("house * recorded + 5", "house * recorded + '5 W'"),
    power("house * recorded / 0", "house * recorded / 2", chosen="2"),
    power("heading * house", chosen="recorded"),
    rise("coolant", chosen="- exhaust"),
    Case(
        f"{MEAN}\n{PATH}",
        f'value = "coolant - exhaust"\n{PATH}',
        'value = "coolant - exhaust"\npath = "propulsion.aft.temperatureDifference"\nunit = "K"',
        chosen="propulsion.aft.temperatureDifference",
    ),
    mean("coolant + exhaust"),
    mean("'5 K' - coolant", "coolant - '5 K'"),
    mean("coolant * 2", chosen="exhaust"),
    mean("sum(coolant, exhaust)"),
    mean("mean(coolant, '20 K')", "mean(coolant, '20 °C')"),
]
"""Mistakes in the units of an expression."""
