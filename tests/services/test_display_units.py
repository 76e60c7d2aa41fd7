"""The key `display` selects the unit on every screen; documents, state files and JSON contain SI numbers."""

from pathlib import Path

import pytest

from sensors.alarm_rules import AlarmRule
from sensors.config.loader import ConfigurationError, load_sensors
from sensors.severity import Severity
from services.alarms.rules import AlarmWatch, in_words
from services.documents import builders
from services.screens.top import page
from services.state.recorder_state import LiveSensor

from . import documents as build
from .appliance import Appliance, logboat
from .documents import UTC, network, settings
from .top.aboard import PATIENCE_S, looker

__all__ = ["logboat"]

SYNCED = build.boot(1, network(0, UTC))
OIL = "propulsion.main.oilPressure"
PSI_4_BAR = "58.0 psi"


def oil_vessel(name: str = "argo", display: str = "psi") -> build.Built:
    """Return the document of a vessel whose oil pressure is shown in the unit `display`."""
    return build.vessel(name, sensors=[settings("oil", path=OIL, unit="Pa", display=display)])


def oil_alarm() -> build.Built:
    document_id, body = build.alarm(
        17, text="Oil pressure", condition="below 14.5 psi", value=4e5, sensor="oil", unit="Pa"
    )
    return document_id, body | {"path": OIL}


def live_oil(display: str = "psi") -> dict[str, object]:
    return build.live_sensor(4e5, name="Oil", path=OIL, unit="Pa", display=display)


# Screens -------------------------------------------------------------------------------------------


def test_sensors_shows_the_unit_from_the_recorder(logboat: Appliance) -> None:
    logboat.put(SYNCED)
    logboat.live(sensors={"oil": live_oil()})
    assert PSI_4_BAR in logboat("sensors").out
    logboat.live(sensors={"oil": live_oil("")})
    assert "4.00 bar" in logboat("sensors").out


def test_sensors_shows_the_unit_from_the_vessels_document(logboat: Appliance) -> None:
    logboat.put(SYNCED, build.equipment(4e5, sensor="oil", path=OIL, unit="Pa"))
    assert "4.00 bar" in logboat("sensors").out
    logboat.put(oil_vessel())
    assert PSI_4_BAR in logboat("sensors").out


def test_values_of_another_vessel_have_the_unit_that_its_document_names(logboat: Appliance) -> None:
    logboat.put(SYNCED, oil_vessel("beagle", "kPa"))
    logboat.put(build.equipment(4e5, vessel="beagle", sensor="oil", path=OIL, unit="Pa"))
    assert "400 kPa" in logboat("sensors", "--vessel", "beagle").out


@pytest.mark.parametrize("display", ["furlong", "°C", "", "\x1b[2J"])
def test_unknown_unit_of_another_vessel_has_no_effect(logboat: Appliance, display: str) -> None:
    logboat.put(SYNCED, oil_vessel("beagle", display))
    logboat.put(build.equipment(4e5, vessel="beagle", sensor="oil", path=OIL, unit="Pa"))
    assert "4.00 bar" in logboat("sensors", "--vessel", "beagle").out


def test_log_shows_values_and_extremes_in_the_unit(logboat: Appliance) -> None:
    logboat.put(SYNCED, oil_vessel(), build.reading(1e5, 4e5, sensor="oil", path=OIL, unit="Pa"))
    logboat.live(sensors={"oil": live_oil()})
    done = logboat("log", "oil")
    assert "lowest 14.5 psi, mean 36.3 psi, highest 58.0 psi" in done.out
    assert [line.split()[-2:] for line in done.lines[-3:-1]] == [["14.5", "psi"], ["58.0", "psi"]]
    assert done.lines[-1].startswith(f"now {PSI_4_BAR}, 700 ms ago")
    raw = logboat("log", "oil", "--raw-units")
    assert "lowest 100000 Pa, mean 250000 Pa, highest 400000 Pa" in raw.out
    assert "psi" not in raw.out


def test_programs_get_the_si_unit(logboat: Appliance) -> None:
    reading = build.reading(4e5, sensor="oil", path=OIL, unit="Pa")
    logboat.put(SYNCED, oil_vessel(), reading, oil_alarm())
    logboat.live(sensors={"oil": live_oil()})
    (sample,) = logboat("log", "oil", "--json").json["samples"]
    assert (sample["value"], sample["unit"]) == (4e5, "Pa")
    assert ",400000,Pa," in logboat("log", "oil", "--csv").out
    (alarm,) = logboat("alarms", "--json").json["alarms"]
    assert (alarm["value"], alarm["unit"]) == (4e5, "Pa")
    (sensor,) = logboat("sensors", "--json").json["sensors"]
    assert (sensor["value"], sensor["unit"]) == (4e5, "Pa")


def test_alarms_show_the_value_in_the_unit(logboat: Appliance) -> None:
    logboat.put(SYNCED, oil_vessel(), oil_alarm())
    assert f"Oil pressure (below 14.5 psi, at {PSI_4_BAR})" in logboat("alarms").out


def test_top_shows_sensors_and_alarms_in_the_unit(logboat: Appliance) -> None:
    logboat.put(SYNCED, oil_vessel(), oil_alarm())
    logboat.live(sensors={"oil": live_oil()})
    look = looker(logboat).collect(patience=PATIENCE_S)
    sensors, alarms = (
        "\n".join(line.text for item in part.items for line in item.lines)
        for part in (page.sensors_part(look, 200), page.alarms_part(look, 200))
    )
    assert PSI_4_BAR in sensors
    assert f"Oil pressure (below 14.5 psi, at {PSI_4_BAR})" in alarms


def test_status_names_the_alarm_and_shows_no_other_unit(logboat: Appliance) -> None:
    logboat.put(SYNCED, oil_vessel(), oil_alarm())
    logboat.live(sensors={"oil": live_oil()})
    out = logboat("status").out
    assert "Oil pressure" in out
    assert "bar" not in out


def test_config_check_shows_the_unit(logboat: Appliance, tmp_path: Path) -> None:
    path = tmp_path / "sensors.toml"
    path.write_text(COOLANT.format(display="°F"))
    out = logboat("config", "check", str(path)).out
    assert "\n  display   in °F\n" in out
    assert "out-of-range below -67 °F, above 257 °F" in out


# The recorder --------------------------------------------------------------------------------------


def test_vessels_document_names_the_unit_and_state_file_too() -> None:
    _, body = oil_vessel()
    assert (body["sensors"]["oil"]["unit"], body["sensors"]["oil"]["display"]) == ("Pa", "psi")
    _, body = oil_vessel(display="")
    assert "display" not in body["sensors"]["oil"]
    assert LiveSensor(display="psi").display == "psi"


def test_condition_of_an_alarm_is_in_the_unit() -> None:
    low = AlarmRule(severity=Severity.WARN, below=1e5, raise_after_s=5.0)
    assert in_words(low, "Pa", path=OIL, shown_in="psi") == "below 14.5038 psi for 5 s"
    assert in_words(low, "Pa", path=OIL) == "below 100000 Pa for 5 s"
    watch = AlarmWatch([AlarmRule(severity=Severity.WARN, below=1e5)], unit="Pa", path=OIL, shown_in="bar")
    watch.observe(0.5e5, 0)
    state = watch.highest()
    assert state is not None
    assert state.condition == "below 1 bar"


def test_readings_and_values_in_documents_are_the_same_with_and_without_the_key() -> None:
    plain, shown = (settings("oil", path=OIL, unit="Pa", display=display) for display in ("", "psi"))
    bodies = [
        builders.vessel("argo", name="", mmsi=None, uuid="", version="", logs=[], sensors=[each])
        for each in (plain, shown)
    ]
    del bodies[1]["sensors"]["oil"]["display"]
    assert bodies[0] == bodies[1]


# The configuration ---------------------------------------------------------------------------------

COOLANT = """\
[[sensor]]
id = "coolant"
kind = "ds18b20"
path = "propulsion.main.coolantTemperature"
display = "{display}"
"""
DIESEL = """\
[[sensor]]
id = "diesel"
kind = "manual"
path = "tanks.fuel.main.currentVolume"
display = "gal"
"""
FLOAT = """\
[[sensor]]
id = "float"
kind = "switch"
pin = 17
path = "bilge.main.highWater"
display = "psi"
"""


def test_key_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sensors.toml"
    path.write_text(COOLANT.format(display="°F"))
    assert load_sensors(path)[0].display == "°F"
    path.write_text(COOLANT.replace('display = "{display}"\n', ""))
    assert load_sensors(path)[0].display == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            COOLANT.format(display="psi"),
            'display: "psi" is not a unit for a temperature. Write one of: K,',
        ),
        (COOLANT.format(display="F"), 'display: "F" is not a unit for a temperature. Did you mean "°F"?'),
        (COOLANT.replace('"{display}"', "5"), "display: 5 is not a unit for a temperature"),
        (DIESEL, 'display: "gal" is not a unit for a volume. Write "US gal" or "imp gal".'),
        (FLOAT, '6: sensor "float", display: a contact has no other unit. Remove this key.'),
    ],
)
def test_unit_that_does_not_fit_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "sensors.toml"
    path.write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        load_sensors(path)
    assert message in str(caught.value)
