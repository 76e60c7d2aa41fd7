"""Behaviour of simulated machinery, as pure functions of a seed and the time.

The same seed, grain and time always yield the same value, in whatever order the functions are called. No
state is kept between calls. The *seed* determines what happens (when the engine starts, when the door opens).
Sensors with the same seed are consistent with each other: the battery charges while the engine runs. The
*grain* determines the noise, so two sensors with the same seed still have different noise. Time is in seconds
since the sensor was first opened.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sensors.state import SensorState

_MASK: Final = (1 << 64) - 1


def chance(seed: int, *numbers: int) -> float:
    """Return a number >= 0 and < 1 that depends only on the arguments (SplitMix64 finaliser)."""
    word = seed
    for number in numbers:
        word = (word * 31 + number + 0x9E3779B97F4A7C15) & _MASK
        word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _MASK
        word ^= word >> 31
    return word / (1 << 64)


def hiss(grain: int, t_s: float) -> float:
    """Return white noise from -1 to 1 that changes every millisecond."""
    return 2.0 * chance(grain, int(t_s * 1000)) - 1.0


def drift(grain: int, t_s: float, period_s: float) -> float:
    """Return smooth noise from -1 to 1 that changes direction about once a period."""
    place = t_s / period_s
    step = math.floor(place)
    before, after = chance(grain, step, 1), chance(grain, step + 1, 1)
    blend = (1.0 - math.cos(math.pi * (place - step))) / 2.0
    return 2.0 * (before + (after - before) * blend) - 1.0


# The engine: one run in each cycle -----------------------------------------------------------------

ENGINE_CYCLE_S: Final = 600.0
_CRANK_S, _WARM_S, _RAMP_S, _COOL_S, _COAST_S = 1.2, 20.0, 8.0, 30.0, 2.0
_CRANK_HZ, _IDLE_HZ = 4.0, 13.3


def engine_run(seed: int, cycle: int) -> tuple[float, float]:
    """Return the times at which the engine starts and stops in a cycle, in seconds.

    The engine starts within 20 s after the cycle begins and runs for 6 to 9 minutes.
    """
    start = cycle * ENGINE_CYCLE_S + 5.0 + 15.0 * chance(seed, cycle, 2)
    return start, start + 360.0 + 180.0 * chance(seed, cycle, 3)


def engine_runs(seed: int, t_s: float) -> bool:
    """Return True if the engine is running or is being cranked."""
    start, stop = engine_run(seed, math.floor(t_s / ENGINE_CYCLE_S))
    return start <= t_s < stop


def engine_hz(seed: int, grain: int, t_s: float) -> float:
    """Return the engine's speed at `t_s`, in revolutions per second.

    In each run the engine cranks, warms up at idle, cruises, cools down at idle, and coasts to a stop.
    """
    cycle = math.floor(t_s / ENGINE_CYCLE_S)
    start, stop = engine_run(seed, cycle)
    if not start <= t_s < stop + _COAST_S:
        return 0.0
    if t_s >= stop:
        return _IDLE_HZ * (1.0 - (t_s - stop) / _COAST_S)
    cruise_hz = 28.0 + 10.0 * chance(seed, cycle, 4) + 1.5 * drift(seed, t_s, 40.0)
    running = t_s - start
    if running < _CRANK_S:
        return _CRANK_HZ + 0.5 * hiss(grain, t_s)
    throttle = min(1.0, max(0.0, (running - _WARM_S) / _RAMP_S), max(0.0, (stop - _COOL_S - t_s) / _RAMP_S))
    return _IDLE_HZ + (cruise_hz - _IDLE_HZ) * throttle + 0.15 * hiss(grain, t_s)


# The bilge: it fills, the float switch closes, the pump empties it ----------------------------------

BILGE_CYCLE_S: Final = 150.0
_BILGE_LOW_M, _BILGE_HIGH_M, _PUMP_S = 0.03, 0.14, 15.0


def _bilge(seed: int, t_s: float) -> tuple[float, bool]:
    # the bilge starts partly filled, so that the float switch closes within the first minute
    t_s += 70.0 + 25.0 * chance(seed, 5)
    cycle, into = divmod(t_s, BILGE_CYCLE_S)
    full_after = BILGE_CYCLE_S * (0.72 + 0.1 * chance(seed, int(cycle), 6))
    span = _BILGE_HIGH_M - _BILGE_LOW_M
    if into < full_after:
        return _BILGE_LOW_M + span * into / full_after, False
    pumped = min(1.0, (into - full_after) / _PUMP_S)
    return _BILGE_HIGH_M - span * pumped, pumped < 0.6  # a float switch opens at a lower level than it closes


def bilge_m(seed: int, grain: int, t_s: float) -> float:
    """Return the depth of the bilge water in m. It rises slowly, falls quickly, and varies with rolling."""
    return max(0.0, _bilge(seed, t_s)[0] + 0.002 * math.sin(t_s * 2.3) + 0.0005 * hiss(grain, t_s))


def bilge_high(seed: int, t_s: float) -> bool:
    """Return True if the bilge's float switch is closed."""
    return _bilge(seed, t_s)[1]


# A tank: drains for an hour, is filled within a minute ----------------------------------------------

TANK_CYCLE_S: Final = 3600.0
_FILL_S: Final = 60.0


def tank_ratio(seed: int, grain: int, t_s: float) -> float:
    """Return the level of the sloshing contents of the tank as a ratio; 1 is full."""
    into = (t_s + 0.6 * TANK_CYCLE_S * chance(seed, 7)) % TANK_CYCLE_S
    drained = min(into / (TANK_CYCLE_S - _FILL_S), (TANK_CYCLE_S - into) / _FILL_S)
    sway = 0.5 + 0.5 * drift(seed, t_s, 20.0)
    slosh = 0.01 * sway * math.sin(t_s * 2.0 * math.pi / 2.7)
    return min(1.0, max(0.0, 0.92 - 0.74 * drained + slosh + 0.001 * hiss(grain, t_s)))


# The house battery: a fridge and lamps draw on it, the engine charges it ---------------------------


def battery_a(seed: int, grain: int, t_s: float) -> float:
    """Return the battery's charging current in A, which is negative while the battery discharges."""
    fridge = 4.5 if (t_s + 100.0 * chance(seed, 8)) % 100.0 < 40.0 else 0.0
    load = 2.2 + fridge + 0.8 * drift(seed, t_s, 60.0)
    start, stop = engine_run(seed, math.floor(t_s / ENGINE_CYCLE_S))
    charge = 12.0 + 23.0 * math.exp(-(t_s - start) / 180.0) if start <= t_s < stop else 0.0
    return charge - load + 0.05 * hiss(grain, t_s)


def battery_v(seed: int, grain: int, t_s: float) -> float:
    """Return the battery's voltage in V.

    The voltage sags under load, rises to 14.2 V under charge, and settles in about a minute
    afterwards.
    """
    cycle = math.floor(t_s / ENGINE_CYCLE_S)
    charged = 0.0
    for run in range(max(0, cycle - 1), cycle + 1):
        start, stop = engine_run(seed, run)
        if t_s > start:
            risen = 1.0 - math.exp(-(min(t_s, stop) - start) / 45.0)
            charged = max(charged, risen * math.exp(-max(0.0, t_s - stop) / 60.0))
    rest = 12.68 + 0.014 * min(0.0, battery_a(seed, grain, t_s))
    return rest + (14.2 - rest) * charged + 0.01 * hiss(grain ^ 1, t_s)


def battery_ratio(seed: int, grain: int, t_s: float) -> float:
    """Return the battery's state of charge as a ratio that rises and falls slowly."""
    return 0.8 + 0.12 * drift(seed, t_s, 1800.0) + 0.0005 * hiss(grain, t_s)


# The coolant: warms while the engine runs, cools afterwards ----------------------------------------

_COOLANT_TAU_S: Final = 150.0


def coolant_k(seed: int, grain: int, t_s: float) -> float:
    """Return the coolant's temperature in K, from a first-order model that the engine heats by up to 62 K.

    The rise is the sum of the heat that remains from each of the most recent runs.
    """
    cycle = math.floor(t_s / ENGINE_CYCLE_S)
    heat = 0.0
    for run in range(max(0, cycle - 2), cycle + 1):
        start, stop = engine_run(seed, run)
        if t_s > start:
            left = math.exp(-max(0.0, t_s - stop) / _COOLANT_TAU_S)
            heat += left - math.exp(-(t_s - start) / _COOLANT_TAU_S)
    return 291.0 + 1.5 * drift(seed, t_s, 1800.0) + 62.0 * heat + 0.03 * hiss(grain, t_s)


# A door: someone goes through it from time to time --------------------------------------------------

DOOR_SLOT_S: Final = 40.0


def door_open(seed: int, t_s: float) -> bool:
    """Return True if the door is open.

    In most periods of `DOOR_SLOT_S`, it opens once, for 3 to 15 s.
    """
    slot = math.floor(t_s / DOOR_SLOT_S)
    opens = slot * DOOR_SLOT_S + 5.0 + 15.0 * chance(seed, slot, 9)
    return chance(seed, slot, 10) < 0.7 and opens <= t_s < opens + 3.0 + 12.0 * chance(seed, slot, 11)


# The models that can be simulated ------------------------------------------------------------------

Waveform = Callable[[int, int, float], float]
"""Function from (seed, grain, time in s) to a value."""


@dataclass(frozen=True, slots=True)
class Model:
    """Simulation model: the waveforms for one value of the key `model`."""

    numbers: dict[str, Waveform]
    """Waveforms by unit; the empty key applies to any other unit."""
    active: Callable[[int, float], bool]
    """Function that returns the state of the same machinery as a contact, for the unit `bool`."""


MODELS: Final[dict[str, Model]] = {
    "engine": Model({"": engine_hz}, engine_runs),
    "bilge": Model({"": bilge_m}, bilge_high),
    "tank": Model({"": tank_ratio}, lambda seed, t_s: tank_ratio(seed, seed, t_s) < 0.25),
    "battery": Model({"": battery_v, "A": battery_a, "ratio": battery_ratio}, engine_runs),
    "temperature": Model({"": coolant_k}, lambda seed, t_s: coolant_k(seed, seed, t_s) > 340.0),
    "door": Model({"": lambda seed, _grain, t_s: float(door_open(seed, t_s))}, door_open),
}

FAULT_SLOT_S: Final = 90.0
_FAULTS: Final = (SensorState.OPEN, SensorState.SHORT, SensorState.STALE)


def wire_fault(grain: int, t_s: float) -> SensorState | None:
    """Return the wiring fault of a sensor with `faults` at `t_s`, or None if there is none at that time.

    On average, a fault of 4 to 10 s occurs in two of three periods of `FAULT_SLOT_S`.
    """
    slot = math.floor(t_s / FAULT_SLOT_S)
    begins = slot * FAULT_SLOT_S + 15.0 + 50.0 * chance(grain, slot, 12)
    ends = begins + 4.0 + 6.0 * chance(grain, slot, 13)
    if not begins <= t_s < ends or chance(grain, slot, 14) > 2 / 3:
        return None
    return _FAULTS[int(chance(grain, slot, 15) * len(_FAULTS))]
