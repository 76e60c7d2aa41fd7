"""Any content of the configuration files is accepted or rejected without a traceback; recording continues."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, example, given, settings

from sensors.clock import SystemClock
from sensors.driver_context import DriverContext
from sensors.kinds.replay import ReplayOptions
from sensors.registry import make_driver
from sensors.sample import Sample, Totals
from services.boot.paths import AppliancePaths
from services.boot.run import BootSequence
from services.cli.main import main
from services.config.last_good import load_or_last_good
from services.console.environment import Environment

from .anything import FILES, PATH, RECORDING

GOOD = '[[sensor]]\nid = "float"\nkind = "switch"\npin = 17\npath = "bilge.main.highWater"\n'
VESSEL = '[vessel]\nid = "argo"\n'
REPLAY = f'[[sensor]]\nid = "v"\nkind = "replay"\nfile = "{RECORDING}"\npath = "{PATH}"\n'
OVERFLOW = f"time,path,value\n0,{PATH},12.6\n1e999,{PATH},12.5\n"
NOBODY_FORESAW = "please report"


class Ship:
    """Folders of an appliance. Its configuration is valid, and is stored as the last good configuration."""

    def __init__(self, root: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.places = AppliancePaths(
            config=root / "etc/logboat.toml",
            data=root / "data",
            run=root / "run",
            firmware=root / "firmware",
            partition=root / "partition",
            root=root / "system",
        )
        self.capture = capture
        for folder in (self.places.etc, self.places.data, self.places.run, self.places.card):
            folder.mkdir(parents=True)
        self.places.etc.chmod(0o700)
        self.configure({"logboat.toml": VESSEL.encode(), "sensors.toml": GOOD.encode()})
        load_or_last_good(self.places.config, self.sensors, self.places.data)

    @property
    def sensors(self) -> Path:
        return self.places.etc / "sensors.toml"

    def configure(self, files: Mapping[str, bytes]) -> None:
        for name, content in files.items():
            (self.places.etc / name).write_bytes(content)

    def logboat(self, *arguments: str) -> tuple[int, str]:
        """Run the command, and return its status and all of its output."""
        self.capture.readouterr()
        options = ["--config", str(self.places.config), "--sensors", str(self.sensors)]
        options += ["--data", str(self.places.data), "--run", str(self.places.run)]
        world = Environment(failed_units=list, user=lambda: "anna")
        status = main([*arguments, *options], world=world)
        said = "".join(self.capture.readouterr())
        assert "Traceback" not in said
        assert NOBODY_FORESAW not in said
        return status, said


@contextmanager
def ship(capture: pytest.CaptureFixture[str]) -> Iterator[Ship]:
    memory = Path("/dev/shm")  # durability is irrelevant in these tests, and syncing is slow
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as place:
        yield Ship(Path(place), capture)


def check_a_decision_is_made(aboard: Ship, files: Mapping[str, bytes]) -> None:
    """Check that the new files are either all accepted, or all rejected and the files in use kept."""
    places = aboard.places
    before = {name: (places.etc / name).read_bytes() for name in ("logboat.toml", "sensors.toml")}
    offered = {"vessel.toml" if name == "logboat.toml" else name: text for name, text in files.items()}
    for name, content in offered.items():
        (places.card / name).write_bytes(content)
    outcome = BootSequence(places, datetime(2026, 5, 31, tzinfo=UTC)).take_in()
    assert NOBODY_FORESAW not in "".join(map(str, outcome.problems))
    assert (places.card / "PROBLEMS.txt").exists() is bool(outcome.problems)
    if outcome.problems:
        assert before == {name: (places.etc / name).read_bytes() for name in before}

    aboard.configure(files)
    status, said = aboard.logboat("config", "check", str(aboard.sensors), str(places.config))
    assert status in (0, 2)
    assert (status == 0) is ("good" in said and "problem" not in said)
    loaded = load_or_last_good(places.config, aboard.sensors, places.data)
    assert loaded.is_last_good is bool(loaded.problems)
    assert loaded.is_last_good or loaded.warnings or status == 0
    context = DriverContext(clock=SystemClock())
    for sensor in loaded.sensors:
        driver = make_driver(sensor, context=context)
        if isinstance(sensor.options, ReplayOptions):
            said_by_it: list[Sample] = []
            driver.open(said_by_it.append, resume=Totals())
            driver.poll(0)
    assert aboard.logboat("status")[0] == 0


@pytest.mark.parametrize(
    "cases", [500, pytest.param(10_000, marks=(pytest.mark.torture, pytest.mark.timeout(3600)))]
)
def test_arbitrary_files_are_accepted_or_refused(cases: int, capsys: pytest.CaptureFixture[str]) -> None:
    @settings(max_examples=cases, suppress_health_check=list(HealthCheck))
    @given(files=FILES)
    @example({"sensors.toml": REPLAY.encode(), "logboat.toml": VESSEL.encode(), RECORDING: OVERFLOW.encode()})
    @example({"sensors.toml": b"", "logboat.toml": b"", RECORDING: b""})
    def decide(files: Mapping[str, bytes]) -> None:
        with ship(capsys) as aboard:
            check_a_decision_is_made(aboard, files)

    decide()
