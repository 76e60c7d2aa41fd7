"""The root file system can be made writable for a limited time; `tests/image` tests the real effect."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from services.system import maintenance
from services.system.maintenance import APPLIANCE, MaintenanceError


@pytest.fixture
def appliance(tmp_path: Path) -> Path:
    (tmp_path / APPLIANCE).parent.mkdir(parents=True)
    (tmp_path / APPLIANCE).touch()
    return tmp_path


class Tools:
    """Fake runner that records commands instead of running them, and can make one of them fail."""

    def __init__(self, *, fails: str = "") -> None:
        self.run: list[str] = []
        self._fails = fails

    def __call__(self, command: Sequence[str]) -> None:
        text = " ".join(command)
        if self._fails and self._fails in text:
            raise MaintenanceError(f"{text}: target is busy")
        self.run.append(text)


def test_end_is_scheduled_before_the_root_file_system_becomes_writable(appliance: Path) -> None:
    tools = Tools()
    maintenance.begin(appliance, 1800, utc=1000.0, root=appliance, tool=tools)
    timer, remount = tools.run[-2:]
    assert timer.startswith("systemd-run")
    assert "--on-active=1800s" in timer
    assert remount == "mount -o remount,rw /"
    assert maintenance.until(appliance) == 2800.0


def test_root_does_not_become_writable_if_the_end_cannot_be_scheduled(appliance: Path) -> None:
    tools = Tools(fails="systemd-run")
    with pytest.raises(MaintenanceError):
        maintenance.begin(appliance, 60, utc=0.0, root=appliance, tool=tools)
    assert not any("remount" in each for each in tools.run)


def test_root_that_is_in_use_remains_writable_and_is_reported(appliance: Path) -> None:
    maintenance.begin(appliance, 60, utc=0.0, root=appliance, tool=Tools())
    with pytest.raises(MaintenanceError, match="stop it and try again"):
        maintenance.end(appliance, tool=Tools(fails="remount,ro"))
    assert maintenance.until(appliance) == 60.0
    maintenance.end(appliance, tool=Tools())
    assert maintenance.until(appliance) is None


def test_machine_other_than_an_appliance_is_not_changed(tmp_path: Path) -> None:
    tools = Tools()
    with pytest.raises(MaintenanceError, match="is not an appliance"):
        maintenance.begin(tmp_path, 60, utc=0.0, root=tmp_path, tool=tools)
    assert tools.run == []


@pytest.mark.parametrize(("text", "wanted"), [("30m", 1800), ("90 s", 90), ("2h", 7200), ("5 min", 300)])
def test_durations_are_accepted_as_people_write_them(text: str, wanted: int) -> None:
    assert maintenance.seconds(text) == wanted


@pytest.mark.parametrize("text", ["", "0m", "13h", "-5m", "soon", "30"])
def test_invalid_duration_is_reported(text: str) -> None:
    with pytest.raises(ValueError, match="is not a valid duration"):
        maintenance.seconds(text)
