"""Services in `sensors.toml` are read, and each wrong one is reported with its line and a remedy."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sensors.calendar_interval import CalendarInterval
from sensors.config.loader import ExaminedSensors, examine_sensors
from sensors.service_settings import id_of_name
from sensors.toml import toml_file
from sensors.toml.toml_file import ConfigurationError

SENSORS = """\
[[sensor]]
id = "main-hours"
kind = "runtime"
pin = 22
path = "propulsion.main.runTime"
[[sensor]]
id = "pump-starts"
kind = "runtime"
measure = "starts"
pin = 25
path = "bilge.main.pump.starts"
[[sensor]]
id = "pump-hours"
kind = "runtime"
pin = 25
path = "bilge.main.pump.hours"
unit = "s"
[[sensor]]
id = "generator"
kind = "manual"
path = "electrical.generators.main.runTime"
unit = "s"
[[sensor]]
id = "bilge"
kind = "switch"
pin = 17
path = "bilge.main.highWater"
[[sensor]]
id = "delay"
kind = "manual"
path = "bilge.main.delay"
unit = "s"
[[service]]
"""
FIRST = SENSORS.count("\n")
OIL = 'name = "Engine oil"\nsensor = "main-hours"\nevery = "250 h"\n'
YEARLY = 'name = "Rigging"\nevery = "12 months"\n'


def examined(folder: Path, text: str) -> ExaminedSensors:
    path = folder / "sensors.toml"
    path.write_text(SENSORS + text)
    return examine_sensors(toml_file.read(path))


def test_service_with_all_keys(tmp_path: Path) -> None:
    text = (
        OIL + 'or_every = "12 months"\nwarn_before = "25 h"\nlast_hours = "1200 h"\nlast_done = 2026-05-14\n'
    )
    [service] = examined(tmp_path, text + 'text = "Filter 1R-0739"\n').services
    assert (service.id, service.name, service.sensor) == ("engine-oil", "Engine oil", "main-hours")
    assert (service.run_s, service.calendar) == (250 * 3600.0, CalendarInterval(12))
    assert (service.warn_before, service.last_hours_s) == (25 * 3600.0, 1200 * 3600.0)
    assert service.last_done_utc == datetime(2026, 5, 14, tzinfo=UTC).timestamp()
    assert service.text == "Filter 1R-0739"


@pytest.mark.parametrize(
    ("written", "interval"),
    [
        ("250 h", 900_000.0),
        ("250h", 900_000.0),
        ("250 hours", 900_000.0),
        ("12.5 h", 45_000.0),
        ("90 days", CalendarInterval(days=90)),
        ("90 d", CalendarInterval(days=90)),
        ("6 weeks", CalendarInterval(days=42)),
        ("1 month", CalendarInterval(1)),
        ("2 years", CalendarInterval(24)),
    ],
)
def test_intervals_are_running_hours_or_times(
    written: str, interval: float | CalendarInterval, tmp_path: Path
) -> None:
    sensor = 'sensor = "main-hours"\n' if isinstance(interval, float) else ""
    [service] = examined(tmp_path, f'name = "A"\nevery = "{written}"\n{sensor}').services
    assert service.every == interval


@pytest.mark.parametrize("sensor", ["main-hours", "pump-hours", "generator"])
def test_running_hours_are_those_of_a_contact_or_of_an_hour_meter_read_by_hand(
    sensor: str, tmp_path: Path
) -> None:
    [service] = examined(tmp_path, OIL.replace("main-hours", sensor)).services
    assert service.sensor == sensor


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Engine oil", "engine-oil"),
        ("Ölwechsel 2.0!", "olwechsel-2-0"),
        ("  Fuel  filter (both) ", "fuel-filter-both"),
        ("x" * 40, "x" * 32),
        ("油", ""),
    ],
)
def test_id_is_made_from_the_name(name: str, expected: str) -> None:
    assert id_of_name(name) == expected


WRONG = {
    "no name": ('sensor = "main-hours"\nevery = "250 h"\n', 0, "name"),
    "name without letters": ('name = "油"\nevery = "12 months"\n', 1, "no id can be made"),
    "id with a capital": (YEARLY + 'id = "Rigging"\n', 3, "not a valid id"),
    "no interval": ('name = "Rigging"\n', 0, "no interval"),
    "no unit": ('name = "Rigging"\nevery = 12\n', 2, "12 has no unit"),
    "text without unit": ('name = "Rigging"\nevery = "12"\n', 2, '"12 h" or "12 days"'),
    "misspelt unit": ('name = "Rigging"\nevery = "12 monts"\n', 2, 'Did you mean "12 months"?'),
    "minutes": ('name = "Rigging"\nevery = "90 min"\n', 2, "not a unit for an interval"),
    "no number": ('name = "Rigging"\nevery = "yearly"\n', 2, "not an interval"),
    "list": ('name = "Rigging"\nevery = ["1 year"]\n', 2, "not an interval"),
    "half a month": ('name = "Rigging"\nevery = "1.5 months"\n', 2, "not a whole number"),
    "no months": ('name = "Rigging"\nevery = "0 months"\n', 2, "too short"),
    "a century": ('name = "Rigging"\nevery = "100 years"\n', 2, "too long"),
    "too many hours": (OIL.replace("250", "250000"), 3, "too long"),
    "hours twice": (OIL + 'or_every = "500 h"\n', 4, "both in running hours"),
    "times twice": (YEARLY + 'or_every = "90 days"\n', 3, "both times"),
    "hours without sensor": ('name = "Engine oil"\nevery = "250 h"\n', 0, "nothing counts"),
    "unknown sensor": (OIL.replace("main", "mian"), 2, 'no sensor "mian-hours"'),
    "sensor that counts starts": (OIL.replace("main-hours", "pump-starts"), 2, "counts starts"),
    "switch": (OIL.replace("main-hours", "bilge"), 2, "does not count running time"),
    "time that is no total": (OIL.replace("main-hours", "delay"), 2, "(main-hours, pump-hours, generator)"),
    "sensor of a time": (YEARLY + 'sensor = "main-hours"\n', 3, "is for running hours"),
    "hours of a time": (YEARLY + 'last_hours = "10 h"\n', 3, "is for running hours"),
    "warning in hours": (YEARLY + 'warn_before = "25 h"\n', 3, "but the interval is a time"),
    "warning as a time": (OIL + 'warn_before = "30 days"\n', 4, "but the interval is in running hours"),
    "warning too early": (OIL + 'warn_before = "250 h"\n', 4, "not shorter than the interval"),
    "no date": (YEARLY + 'last_done = "14.05.2026"\n', 3, "2026-05-14"),
    "number as a date": (YEARLY + "last_done = 2026\n", 3, "not a date"),
    "key of a sensor": (YEARLY + 'kind = "oil"\n', 3, "a service has no kind"),
    "hours as a key": ('name = "Engine oil"\nsensor = "main-hours"\nhours = 250\n', 3, 'every = "250 h"'),
    "misspelt key": (YEARLY + 'warn_befor = "30 days"\n', 3, "warn_before"),
}


@pytest.mark.parametrize(("text", "line", "words"), WRONG.values(), ids=WRONG.keys())
def test_wrong_service_is_reported_with_line_and_remedy(
    text: str, line: int, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        examined(tmp_path, text)
    [problem] = raised.value.problems
    assert problem.line == FIRST + line
    assert words in str(problem)
    assert problem.remedy


def test_second_service_with_the_same_id_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        examined(tmp_path, f"{OIL}[[service]]\n{OIL.replace('oil', 'OIL')}")
    [problem] = raised.value.problems
    assert problem.line == FIRST + 4
    assert "in line" in str(problem)
