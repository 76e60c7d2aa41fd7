"""The page about service shows what the commands really print for its configuration."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sensors.config.loader import examine_sensors
from sensors.toml import toml_file
from tests.services.appliance import Appliance, logboat
from tests.services.maintenance_schedule.builders import live_hours, vessel

from .pages import DOCS, blocks

__all__ = ["logboat"]
PAGE = DOCS / "service-due.md"
NOW = datetime(2026, 11, 6, 9, tzinfo=UTC).timestamp()


@pytest.fixture
def boat(logboat: Appliance, monkeypatch: pytest.MonkeyPatch) -> Appliance:
    """Return the vessel that the page describes."""
    monkeypatch.setenv("COLUMNS", "100")
    path = logboat.root / "sensors.toml"
    path.write_text(next(blocks(PAGE, language="toml")).text)
    logboat.clock = replace(logboat.clock, utc=NOW)
    logboat.put(vessel(*examine_sensors(toml_file.read(path)).services))
    logboat.live(sensors=live_hours(1418.4))
    return logboat


def test_page_shows_the_output_of_the_commands(boat: Appliance) -> None:
    listed, *done = [block.text.splitlines() for block in blocks(PAGE, language="console")]
    assert [line.rstrip() for line in boat("service").lines] == listed[1:]
    for command, *output in done:
        arguments = re.findall(r'"([^"]*)"|(\S+)', command.removeprefix("$ logboat "))
        said = boat(*(quoted or plain for quoted, plain in arguments)).lines
        assert [_without_ulid(line) for line in said] == [_without_ulid(line) for line in output]


def _without_ulid(line: str) -> str:
    return re.sub(r"(service:argo:)\w{26}", r"\1…", line)
