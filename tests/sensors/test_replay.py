"""Every row of a recording is replayed once, in order, and at the time intervals of the recording."""

import csv
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.csv_recordings.rows import RecordingRow
from sensors.driver import DriverError
from sensors.kinds.replay import ReplayDriver, ReplayOptions, load, rows
from sensors.sample import Totals
from tests.sensors.fakes import RECORDING, SECOND, Collector, FakeClock, sensor

PATHS = ("electrical.batteries.1.voltage", "electrical.batteries.1.current", "navigation.speedThroughWater")
SHORT = """time,path,value
2014-08-15T19:00:00.000Z,a,1.5
2014-08-15T19:00:00.250Z,b,-7
2014-08-15T19:00:01.000Z,a,2.5
2014-08-15T19:00:01.000Z,a,2.5
2014-08-15T19:00:04.000Z,a,3.5
"""


@pytest.fixture
def short(tmp_path: Path) -> Path:
    return written(tmp_path, SHORT)


def written(folder: Path, text: str) -> Path:
    file = folder / "recording.csv"
    file.write_text(text)
    return file


class Player:
    """Replay driver on a simulated clock."""

    def __init__(
        self, file: Path, path: str = "a", *, speed: float = 1.0, repeat: bool = False, unit: str = "V"
    ) -> None:
        self.clock = FakeClock()
        self.began_ns = self.clock.now_ns
        self.said = Collector()
        options = ReplayOptions(file, speed, repeat)
        self.driver = ReplayDriver(sensor(options, kind="replay", unit=unit, path=path))
        self.driver.open(self.said, resume=Totals())
        self.driver.poll(self.clock.now_ns)

    def advance(self, seconds: float) -> None:
        self.driver.poll(self.clock.advance(seconds))

    @property
    def seconds(self) -> list[float]:
        """Due times of the samples in seconds since the start of the replay."""
        return [(sample.boottime_ns - self.began_ns) / SECOND for sample in self.said]


class TestPace:
    def test_rows_keep_their_spacing(self, short: Path) -> None:
        player = Player(short)
        for _ in range(100):
            player.advance(0.05)
        assert player.said.values == [1.5, 2.5, 2.5, 3.5]
        assert player.seconds == [0.0, 1.0, 1.0, 4.0]

    def test_row_is_not_emitted_before_it_is_due(self, short: Path) -> None:
        player = Player(short)
        player.advance(0.999)
        assert player.said.values == [1.5]
        player.advance(0.001)
        assert player.said.values == [1.5, 2.5, 2.5]

    def test_tenfold_speed_divides_the_spacing_by_ten(self, short: Path) -> None:
        player = Player(short, speed=10.0)
        player.advance(0.4)
        assert player.seconds == [0.0, 0.1, 0.1, 0.4]

    def test_late_rows_are_emitted_at_once_in_order_with_their_due_times(self, short: Path) -> None:
        player = Player(short)
        player.advance(3600)
        assert player.said.values == [1.5, 2.5, 2.5, 3.5]
        assert player.seconds == [0.0, 1.0, 1.0, 4.0]

    def test_paths_of_one_file_stay_synchronised(self, short: Path) -> None:
        player = Player(short, "b")
        player.advance(1)
        assert (player.said.values, player.seconds) == ([-7.0], [0.25])

    def test_driver_is_finished_and_emits_nothing_after_the_end(self, short: Path) -> None:
        player = Player(short)
        finished = []
        for seconds in (3.9, 0.1, 1000):
            player.advance(seconds)
            finished.append(player.driver.finished)
        assert finished == [False, True, True]
        assert len(player.said) == 4

    def test_repetition_begins_one_mean_spacing_after_the_end_of_the_file(self, short: Path) -> None:
        player = Player(short, repeat=True)
        player.advance(11)
        assert player.said.values == [1.5, 2.5, 2.5, 3.5, 1.5, 2.5, 2.5, 3.5, 1.5, 2.5, 2.5]
        assert player.seconds[4:9] == [5.0, 6.0, 6.0, 9.0, 10.0]
        assert not player.driver.finished

    def test_recording_of_one_row_may_repeat(self, tmp_path: Path) -> None:
        player = Player(written(tmp_path, "time,path,value\n0,a,1\n"), repeat=True)
        player.advance(0.01)
        assert len(player.said) == 11

    def test_reopened_driver_continues_without_losing_rows(self, short: Path) -> None:
        player = Player(short)
        player.driver.close()
        with pytest.raises(DriverError, match="not open"):
            player.advance(2)
        player.driver.open(player.said, resume=Totals())
        player.advance(0)
        assert player.said.values == [1.5, 2.5, 2.5]
        assert player.seconds == [0.0, 1.0, 1.0]

    def test_values_are_booleans_where_the_unit_is_bool(self, tmp_path: Path) -> None:
        file = written(tmp_path, "time,path,value\n0,a,true\n1,a,0\n2,a,1\n3,a,false\n")
        player = Player(file, unit="bool")
        player.advance(3)
        assert player.said.values == [True, False, True, False]
        assert all(isinstance(value, bool) for value in player.said.values)


class TestImpossibleValues:
    @pytest.mark.parametrize(
        ("path", "unit", "values", "states"),
        [
            (
                "tanks.fuel.main.currentLevel",
                "ratio",
                "40 1.02 -0.05 -1",
                "out-of-range good good out-of-range",
            ),
            ("propulsion.main.coolantTemperature", "K", "-126.85 0 300", "out-of-range good good"),
            ("propulsion.main.runTime", "s", "-1 3600", "out-of-range good"),
            ("bilge.main.highWater", "bool", "0 1 12.6", "good good out-of-range"),
            ("electrical.batteries.1.voltage", "V", "-5000 12", "good good"),
        ],
    )
    def test_value_that_the_quantity_cannot_have_is_a_fault(
        self, tmp_path: Path, path: str, unit: str, values: str, states: str
    ) -> None:
        rows = "".join(f"{n},{path},{value}\n" for n, value in enumerate(values.split()))
        player = Player(written(tmp_path, f"time,path,value\n{rows}"), path, unit=unit)
        player.advance(10)
        assert player.said.states == states.split()
        for sample in player.said:
            assert (sample.value is None) is (sample.state == "out-of-range")

    def test_the_fault_says_which_value_was_recorded(self, tmp_path: Path) -> None:
        path = "tanks.fuel.main.currentLevel"
        player = Player(written(tmp_path, f"time,path,value\n0,{path},40\n"), path, unit="ratio")
        (sample,) = player.said
        assert sample.detail == "the recording has 4000 % here, which is not a possible value"


class TestRealRecording:
    @pytest.mark.parametrize("path", PATHS)
    def test_real_recording_is_replayed_row_by_row(self, path: str) -> None:
        player = Player(RECORDING, path, speed=7.0)
        while not player.driver.finished:
            player.advance(0.05)
        with RECORDING.open(newline="") as lines:
            recorded = [row for row in csv.DictReader(lines) if row["path"] == path]
        assert player.said.values == [float(row["value"]) for row in recorded]
        began = datetime.fromisoformat("2014-08-15T19:00:00.048Z")
        due = [(datetime.fromisoformat(row["time"]) - began).total_seconds() / 7 for row in recorded]
        assert player.seconds == pytest.approx(due, abs=1e-6)
        assert set(player.said.states) == {"good"}

    def test_rows_equal_the_samples_of_the_driver(self) -> None:
        player = Player(RECORDING, PATHS[0])
        player.advance(3600)
        assert tuple(
            RecordingRow(s.boottime_ns - player.began_ns, float(s.value or 0)) for s in player.said
        ) == rows(RECORDING, PATHS[0])

    def test_real_recording_consists_of_its_three_paths(self) -> None:
        assert [len(rows(RECORDING, path)) for path in PATHS] == [1005, 1005, 1201]


@settings(deadline=None)
@given(
    steps=st.lists(st.integers(0, 5000), min_size=1, max_size=30),
    pauses=st.lists(st.floats(0, 20), max_size=40),
    speed=st.sampled_from([0.5, 1.0, 3.0, 10.0]),
)
def test_each_row_is_emitted_once_in_order_and_never_early_however_late_the_polls(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], pauses: list[float], speed: float
) -> None:
    times = [sum(steps[: n + 1]) / 1000 for n in range(len(steps))]
    text = "time,path,value\n" + "".join(f"{time},a,{n}\n" for n, time in enumerate(times))
    player = Player(written(tmp_path_factory.mktemp("replay"), text), speed=speed)
    for pause in pauses:
        player.advance(pause)
        assert all(sample.boottime_ns <= player.clock.now_ns for sample in player.said)
    player.advance(10_000)
    assert player.said.values == list(range(len(steps)))
    # due times are rounded to whole nanoseconds
    assert player.seconds == pytest.approx([(time - times[0]) / speed for time in times], abs=2e-9)
    assert player.driver.finished


class TestMistakes:
    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("", r"line 1: missing columns: path, time, value"),
            ("time,value\n0,1\n", r"line 1: missing column: path"),
            ("time,path,value\n0,b,1\n", r"no rows with path a; paths in the file: b"),
            ("time,path,value\n", r"no rows with path a; paths in the file: none"),
            ("time,path,value\n0,a,1\n1,a,much\n", r"line 3: .*'much'"),
            ("time,path,value\n0,a,inf\n", r"line 2: 'inf' is not a finite number"),
            ("time,path,value\n0,a,nan\n", r"line 2: no row with path a has a value"),
            ("time,path,value\nnoon,a,1\n", r"line 2: .*'noon'"),
            ("time,path,value\n0,a\n", r"line 2: .* a row needs time, path and value"),
            (
                "time,path,value\n9,a,1\n0,a,1\n",
                r"line 3: '0' is more than 5 s earlier than the time of the row before",
            ),
            (
                "time,path,value\n1,a,1\n2014-08-15T19:00:00Z,a,1\n",
                r"line 3: .*write every time as a date, or every time in seconds",
            ),
            (
                "time,path,value\n2014-08-15T19:00:00Z,a,1\n2014-08-15T19:00:00,a,1\n",
                r"line 3: .*give a time zone for all times or for none",
            ),
        ],
    )
    def test_invalid_recording_is_refused_with_its_file_and_line(
        self, tmp_path: Path, text: str, complaint: str
    ) -> None:
        file = written(tmp_path, text)
        with pytest.raises(DriverError, match=complaint) as raised:
            load(file, "a")
        assert str(file) in str(raised.value)

    def test_missing_recording_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DriverError, match="cannot be read"):
            Player(tmp_path / "none.csv")

    def test_file_that_is_not_text_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "binary.csv").write_bytes(b"time,path,value\n\xff\xfe\x00")
        with pytest.raises(DriverError, match=r"has no rows with path a; .*without a path: line 2"):
            load(tmp_path / "binary.csv", "a")

    def test_byte_order_mark_is_accepted(self, tmp_path: Path) -> None:
        assert rows(written(tmp_path, "\ufefftime,path,value\n0,a,1\n"), "a") == (RecordingRow(0, 1.0),)
