"""Conditions of alarm rules as text, as shown in alarm documents and lists."""

from sensors.alarm_rules import AlarmRule, AlarmWhen
from sensors.presentation import format_exactly
from sensors.units import format_duration


def in_words(rule: AlarmRule, unit: str = "", *, path: str = "", shown_in: str = "") -> str:
    """Return a rule's condition as text, such as `above 63 Hz for 5 s` or `more than 6 starts in 1 h`.

    Limits are in the SI unit, or in the unit `shown_in` if the sensor's key `display` selects one.
    """
    shown = "" if unit in ("", "bool", "ratio") else f" {unit}"
    words = rule.equipment_conditions()
    if rule.when is not None:
        words.append("faulty" if rule.when is AlarmWhen.FAULT else rule.when.value)
    for side, limit in (("above", rule.above), ("below", rule.below)):
        if limit is not None:
            exact = format_exactly(limit, unit, path=path, shown_in=shown_in) if shown_in else ""
            words.append(f"{side} {exact or f'{limit:g}{shown}'}")
    for change, limit in (("rises", rule.rises_faster), ("falls", rule.falls_faster)):
        if limit is not None:
            words.append(f"{change} more than {limit:g}{shown} in {format_duration(rule.per_s or 0.0)}")
    condition = " or ".join(words)
    if rule.raise_after_s:
        condition = f"{condition} for {rule.raise_after_s:g} s"
    return condition if rule.other is None else f"{condition} while {rule.other}"
