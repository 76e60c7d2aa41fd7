"""The last good configuration is stored as a whole and used when files are invalid."""

import errno
import os
from pathlib import Path

import pytest

from sensors.kinds.replay import ReplayOptions
from sensors.toml.toml_file import ConfigurationError
from services.config.last_good import Loaded, _digest_of_folder, load_or_last_good
from services.config.model import Configuration, LightsSection, VesselSection

RECORDING = "time,path,value\n0,electrical.batteries.1.voltage,12.8\n"
SENSORS = """\
[[sensor]]
id = "house"
kind = "replay"
file = "tracks/yacht.csv"
path = "electrical.batteries.1.voltage"

[[sensor]]
id = "float"
kind = "switch"
pin = 17
path = "bilge.main.highWater"
"""


class Appliance:
    """Paths of an appliance's files."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "etc" / "logboat.toml"
        self.sensors = folder / "etc" / "sensors.toml"
        self.recording = folder / "etc" / "tracks" / "yacht.csv"
        self.data = folder / "data"
        self.kept = self.data / "last-good"
        self.recording.parent.mkdir(parents=True)
        self.data.mkdir()

    def write(self, *, config: str = '[vessel]\nid = "argo"\n', sensors: str = SENSORS) -> None:
        self.config.write_text(config)
        self.sensors.write_text(sensors)
        self.recording.write_text(RECORDING)

    def load(self) -> Loaded:
        return load_or_last_good(self.config, self.sensors, self.data, missing_ok={self.config, self.sensors})

    def folders(self) -> list[Path]:
        return [path for path in self.kept.iterdir() if path.is_dir() and not path.is_symlink()]


@pytest.fixture
def appliance(tmp_path: Path) -> Appliance:
    appliance = Appliance(tmp_path)
    appliance.write()
    return appliance


def ids(loaded: Loaded) -> list[str]:
    return [sensor.id for sensor in loaded.sensors]


def test_valid_files_are_in_force_and_stored_with_their_recordings(appliance: Appliance) -> None:
    loaded = appliance.load()
    assert (ids(loaded), loaded.problems, loaded.is_last_good) == (["house", "float"], (), False)
    current = appliance.kept / "current"
    assert (current / "logboat.toml").read_bytes() == appliance.config.read_bytes()
    assert (current / "sensors.toml").read_bytes() == appliance.sensors.read_bytes()
    assert (current / "tracks" / "yacht.csv").read_text() == RECORDING


def test_mistake_puts_the_last_good_configuration_in_force_and_is_reported(appliance: Appliance) -> None:
    appliance.load()
    appliance.write(config='[vessel]\nid = "brigid"\n', sensors=SENSORS.replace("17", "99"))
    loaded = appliance.load()
    assert loaded.is_last_good
    assert ids(loaded) == ["house", "float"]
    assert loaded.configuration.vessel == VesselSection(id="argo", name="argo")
    assert [str(problem) for problem in loaded.problems] == [
        (
            'sensors.toml:10: sensor "float", pin: 99 is too high. Write the BCM number, from 0 to 27'
            " (GPIO17 is 17)."
        )
    ]


def test_missing_recording_is_replayed_from_the_stored_copy(appliance: Appliance) -> None:
    appliance.load()
    appliance.recording.unlink()
    loaded = appliance.load()
    assert loaded.is_last_good
    options = loaded.sensors[0].options
    assert isinstance(options, ReplayOptions)
    assert options.file.read_text() == RECORDING


def test_problems_of_both_files_are_reported(appliance: Appliance) -> None:
    appliance.write(config="[vessel]\nmmsi = 1\n", sensors=SENSORS.replace("switch", "swich"))
    with pytest.raises(ConfigurationError) as caught:
        appliance.load()
    assert [problem.file.name for problem in caught.value.problems] == ["logboat.toml", "sensors.toml"]


def test_invalid_files_without_a_stored_configuration_are_an_error(appliance: Appliance) -> None:
    appliance.write(sensors="[[sensor]\n")
    with pytest.raises(ConfigurationError, match=r"sensors\.toml:1"):
        appliance.load()
    assert not appliance.kept.exists()


def test_pins_of_the_lights_are_reserved(appliance: Appliance) -> None:
    appliance.write(config="[lights]\npower = 17\n")
    with pytest.raises(ConfigurationError, match="17 is used by the power light"):
        appliance.load()


def test_corrected_files_replace_the_last_good_configuration(appliance: Appliance) -> None:
    appliance.load()
    appliance.write(config="[lights]\npower = 20\n")
    assert appliance.load().problems == ()
    appliance.write(config="[lights\n")
    loaded = appliance.load()
    assert loaded.is_last_good
    assert loaded.configuration.lights == LightsSection(power=20)
    assert len(appliance.folders()) == 1


def test_unchanged_files_are_not_written_again(appliance: Appliance) -> None:
    appliance.load()
    before = {path: path.stat().st_ino for path in sorted(appliance.kept.rglob("*"))}
    appliance.load()
    assert {path: path.stat().st_ino for path in sorted(appliance.kept.rglob("*"))} == before


def test_changed_recording_is_stored_again(appliance: Appliance) -> None:
    appliance.load()
    appliance.recording.write_text(RECORDING + "1,electrical.batteries.1.voltage,12.9\n")
    appliance.load()
    assert "12.9" in (appliance.kept / "current" / "tracks" / "yacht.csv").read_text()


def test_missing_files_mean_defaults(appliance: Appliance) -> None:
    appliance.config.unlink()
    appliance.sensors.unlink()
    for _ in range(2):  # the stored configuration has no files either
        loaded = appliance.load()
        assert (loaded.sensors, loaded.is_last_good) == ((), False)
        assert loaded.configuration.vessel.id == "vessel"
        [problem] = loaded.problems  # the vessel records nothing, and reports this
        assert str(problem).startswith("sensors.toml: the file does not exist, so nothing is recorded.")


def test_emptied_file_is_not_used(appliance: Appliance) -> None:
    appliance.load()
    for emptied in ("", "\n", "\0" * 512):
        appliance.write(sensors=emptied)
        loaded = appliance.load()
        assert (ids(loaded), loaded.is_last_good) == (["house", "float"], True)
        appliance.write(config=emptied)
        loaded = appliance.load()
        assert (loaded.configuration.vessel.id, loaded.is_last_good) == ("argo", True)
    appliance.write(config="# all of it is usual\n", sensors="no_sensors = true\n")
    assert appliance.load() == Loaded(Configuration(vessel=VesselSection(name="vessel")), ())


def test_stored_configuration_without_sensors_remains_in_force(appliance: Appliance) -> None:
    """Older releases stored configurations without sensors. A vessel with one must still replicate."""
    appliance.write(sensors="no_sensors = true\n")
    appliance.load()
    [kept] = appliance.folders()
    (kept / "sensors.toml").write_text("# none\n")
    digest = _digest_of_folder(kept)[:16]
    kept.rename(kept.with_name(f"{digest}-old"))
    (appliance.kept / "current").unlink()
    (appliance.kept / "current").symlink_to(f"{digest}-old")
    appliance.sensors.write_text("# none\n")
    loaded = appliance.load()
    assert (loaded.is_last_good, loaded.sensors, loaded.configuration.vessel.id) == (True, (), "argo")
    assert "write no_sensors = true" in str(loaded.problems[0])


def test_missing_file_is_a_problem_if_it_existed_before(appliance: Appliance) -> None:
    appliance.load()
    appliance.sensors.unlink()
    loaded = appliance.load()
    assert loaded.is_last_good
    assert ids(loaded) == ["house", "float"]
    assert "does not exist" in str(loaded.problems[0])


def test_file_named_on_the_command_line_must_exist(appliance: Appliance) -> None:
    appliance.config.unlink()
    with pytest.raises(ConfigurationError, match="does not exist"):
        load_or_last_good(appliance.config, appliance.sensors, appliance.data)


def test_folder_is_accessible_only_to_its_owner(appliance: Appliance) -> None:
    appliance.load()
    [folder] = appliance.folders()
    assert folder.stat().st_mode & 0o077 == 0


# Faults of the SD card -----------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["fsync", "open"])
def test_unwritable_card_does_not_prevent_a_start(
    appliance: Appliance, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    appliance.load()
    appliance.write(config='[vessel]\nid = "brigid"\n')

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    loaded = appliance.load()
    monkeypatch.undo()
    assert loaded.configuration.vessel.id == "brigid"
    assert not loaded.is_last_good
    assert "could not be saved: No space left on device" in str(loaded.problems[0])
    appliance.write(config="[vessel\n")
    assert appliance.load().configuration.vessel.id == "argo"


def test_power_cut_before_the_switch_leaves_the_old_files_and_no_temporary_ones(
    appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    appliance.load()
    appliance.write(config='[vessel]\nid = "brigid"\n')

    class Cut(BaseException):
        pass

    def cut(*_: object) -> Path:
        raise Cut

    monkeypatch.setattr(Path, "replace", cut)
    with pytest.raises(Cut):
        appliance.load()
    monkeypatch.undo()
    assert len(appliance.folders()) == 2
    good = appliance.config.read_text()
    appliance.write(config="[vessel\n")
    assert appliance.load().configuration.vessel.id == "argo"
    appliance.write(config=good)
    assert appliance.load().problems == ()
    assert len(appliance.folders()) == 1
    assert not (appliance.kept / "current.new").is_symlink()


def test_missing_data_folder_is_created(appliance: Appliance) -> None:
    appliance.data.rmdir()
    assert appliance.load().problems == ()
    assert (appliance.kept / "current" / "sensors.toml").exists()


def test_impossible_data_folder_is_only_a_problem(appliance: Appliance) -> None:
    appliance.data.rmdir()
    appliance.data.write_text("")
    loaded = appliance.load()
    assert ids(loaded) == ["house", "float"]
    assert "could not be saved" in str(loaded.problems[0])


def test_damaged_stored_configuration_is_reported_and_not_used(appliance: Appliance) -> None:
    appliance.load()
    kept = appliance.kept / "current" / "sensors.toml"
    kept.write_text(kept.read_text().replace("17", "18"))
    appliance.write(config="[vessel\n")
    with pytest.raises(ConfigurationError) as caught:
        appliance.load()
    assert [problem.file.name for problem in caught.value.problems] == ["logboat.toml", "last-good"]
    assert "is damaged" in str(caught.value.problems[1])


def test_damaged_stored_configuration_is_stored_again(appliance: Appliance) -> None:
    appliance.load()
    (appliance.kept / "current" / "sensors.toml").write_text("")
    assert appliance.load().problems == ()
    assert (appliance.kept / "current" / "sensors.toml").read_text() == SENSORS


def test_broken_link_is_reported(appliance: Appliance) -> None:
    appliance.load()
    (appliance.kept / "current").unlink()
    (appliance.kept / "current").symlink_to("gone")
    appliance.write(config="[vessel\n")
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        appliance.load()


def test_process_that_has_the_lock_delays_nobody(appliance: Appliance) -> None:
    fcntl = pytest.importorskip("fcntl")
    appliance.load()
    appliance.write(config='[vessel]\nid = "brigid"\n')
    with (appliance.kept / "lock").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        loaded = appliance.load()
    assert (loaded.configuration.vessel.id, loaded.problems) == ("brigid", ())
    assert "argo" in (appliance.kept / "current" / "logboat.toml").read_text()
    appliance.load()
    assert "brigid" in (appliance.kept / "current" / "logboat.toml").read_text()


EARLIER = """\
[[sensor]]
id = "coolant"
kind = "manual"
path = "propulsion.main.coolantTemperature"
deadband = 0.5
alarm = { above = 368.15, below = 250, severity = "alarm" }
"""
"""`sensors.toml` that earlier versions accepted, although its temperatures are in kelvin."""


def test_file_of_an_earlier_version_stays_in_force_and_keeps_its_meaning(appliance: Appliance) -> None:
    appliance.write(sensors=EARLIER)
    loaded = appliance.load()
    assert (loaded.is_last_good, loaded.problems) == (False, ())
    [sensor] = loaded.sensors
    [rule] = sensor.alarms
    assert (sensor.deadband, rule.above, rule.below) == (0.5, 368.15, 250.0)
    said = [str(warning) for warning in loaded.warnings]
    assert len(said) == 3
    assert 'above: 368.15 without a unit means 368.15 K (95 °C). Write "368.15 °C" or "368.15 K".' in "".join(
        said
    )
    appliance.sensors.write_text("[[sensor]\n")
    loaded = appliance.load()
    assert (loaded.is_last_good, loaded.sensors) == (True, (sensor,))
    assert [str(warning) for warning in loaded.warnings] == said
