"""Finds values in `sensors.toml` that can be read, but probably do not mean what their author intended.

These values are refused in a new file. In a file that is already in force they keep their meaning, and the
problem is only a warning (`FileProblem.refuses_only_new`).
"""

from sensors.presentation import Presentation, presentation
from sensors.units import InputError


def missing_unit(written: object, unit: str, *, path: str, difference: bool = False) -> InputError | None:
    """Return the problem with a number without a unit; None if its meaning is not in doubt.

    The meaning is in doubt if the quantity is usually given in another unit than the SI unit `unit`: 95 on a
    temperature is 95 K, and its author probably meant 95 °C. The table in `presentation` states the usual
    unit. 0 needs no unit if it means the same in every unit.
    """
    form = presentation(unit, path)
    if form is None or isinstance(written, bool) or not isinstance(written, int | float):
        return None
    if (form.factor == 1 and form.offset == 0) or (written == 0 and (difference or form.offset == 0)):
        return None
    if unit == "ratio":
        return _missing_percent(written)
    usual = written / form.factor if difference else form.number(written)
    return InputError(
        f"{written} without a unit means {written} {unit} ({usual:.6g} {form.unit})",
        _remedy(written, unit, form),
    )


def _remedy(written: float, unit: str, form: Presentation) -> str:
    return f'Write "{written} {form.unit}" or "{written} {unit}".'


def _missing_percent(written: float) -> InputError | None:
    """Return the problem with a ratio that is written as a percentage without its unit.

    People also write ratios as plain numbers: `below = 0.15` needs no unit.
    """
    if -1 <= written <= 1:
        return None
    return InputError(
        f"{written} without a unit means {written * 100:.6g} %",
        f'Write "{written} %" or "{written * 100:.15g} %".',
    )
