"""Recordings in the formats of data loggers are played, or rejected with the cause for each affected line."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sensors.csv_recordings import files, parser
from sensors.csv_recordings.files import RecordingCache
from sensors.csv_recordings.parser import parse
from sensors.csv_recordings.refusals import MOST_NAMED, RecordingError
from sensors.csv_recordings.rows import PathRecording
from sensors.kinds.replay import ReplayDriver, ReplayOptions
from sensors.sample import Totals
from services.config.check import Checked, check
from services.config.pair_check import check_pair
from tests.sensors.fakes import SECOND, Collector, FakeClock, sensor

V = "electrical.batteries.1.voltage"
A = "electrical.batteries.1.current"
HEAD = "time,path,value\n"
SENSORS = '[[sensor]]\nid = "{n}"\nkind = "replay"\nfile = "rec.csv"\npath = "{path}"\n'

GROUPED = HEAD + (
    f"2024-06-01T10:00:05Z,{V},12.6\n2024-06-01T10:10:00Z,{V},12.4\n"
    f"2024-06-01T10:00:00Z,{A},-3.2\n2024-06-01T10:05:00Z,{A},-3.0\n"
)
INFLUX = (
    "#group,false,false,true,true\n#datatype,string,long,dateTime:RFC3339,double\n#default,_result,,,\n"
    ",result,table,_time,_value\n,,0,2024-06-01T10:00:00Z,12.6\n,,0,2024-06-01T10:00:02Z,12.5\n"
)
MEASURED = (
    f",result,table,_time,_value,_measurement\n,,0,2024-06-01T10:00:00Z,12.6,{V}\n"
    f",,1,2024-06-01T10:00:02Z,1,{A}\n"
)
OWN = (
    "time,seq,value,unit,quality\n2024-06-01T10:00:00.000Z,1,12.6,V,good\n2024-06-01T10:00:01.000Z,2,,V,open\n"
    "2024-06-01T10:00:02.000Z,3,12.4,V,noisy\n"
)
PLAYED = {
    "capitals in the header": (f"Time,Path,Value\n0,{V},12.5\n", [(0, 12.5)]),
    "blanks after commas": (f'time, path, value\n0, {V}, "12.5"\n', [(0, 12.5)]),
    "semicolons and decimal commas": (
        f"time;path;value\n2024-06-01 10:00:00;{V};12,6\n2024-06-01 10:00:01;{V};12,5\n",
        [(0, 12.6), (1, 12.5)],
    ),
    "tabs": (f"time\tpath\tvalue\n0\t{V}\t12,6\n", [(0, 12.6)]),
    "milliseconds since 1970": (HEAD + f"1731371761185,{V},1\n1731371762185,{V},2\n", [(0, 1), (1, 2)]),
    "nanoseconds since 1970": (
        HEAD + f"1731371761000000000,{V},1\n1731371762000000000,{V},2\n",
        [(0, 1), (1, 2)],
    ),
    "dates without dashes": (HEAD + f"20240601,{V},1\n20240602,{V},2\n", [(0, 1), (86400, 2)]),
    "a dash between date and time": (
        HEAD + f"2016-11-17-17:20:04,{V},1\n2016-11-17-17:20:06,{V},2\n",
        [(0, 1), (2, 2)],
    ),
    "the end of summer time with zones": (
        HEAD + f"2024-10-27T02:59:59+02:00,{V},1\n2024-10-27T02:00:00+01:00,{V},2\n",
        [(0, 1), (1, 2)],
    ),
    "one empty value": (HEAD + f"0,{V},1\n1,{V},\n2,{V},2\n", [(0, 1), (1, None), (2, 2)]),
    "a dash and NaN": (HEAD + f"0,{V},-\n1,{V},NaN\n2,{V},2\n", [(0, None), (1, None), (2, 2)]),
    "True and False": (HEAD + f"0,{V},False\n1,{V},True\n", [(0, 0), (1, 1)]),
    "a small step back": (
        HEAD + f"1.000,{V},1\n0.998,{V},2\n2,{V},3\n",
        [(0, 2), (0.002, 1), (1.002, 3)],
    ),
    "a position of another path": (
        HEAD + f'0,{V},1\n1,navigation.position,"{{""latitude"":54.1}}"\nnoon,x,1\n2,{V},2\n',
        [(0, 1), (2, 2)],
    ),
    "one series after the other": (GROUPED, [(5, 12.6), (600, 12.4)]),
    "a single series of InfluxDB": (INFLUX, [(0, 12.6), (2, 12.5)]),
    "measurements of InfluxDB": (MEASURED, [(0, 12.6)]),
    "the output of logboat log --csv": (OWN, [(0, 12.6), (1, None), (2, 12.4)]),
}
REFUSED = {
    "an infinite time": (HEAD + f"0,{V},1\n1e999,{V},2\n", ["line 3: '1e999' is not a time"]),
    "a clock that was not set": (
        HEAD + f"1970-01-01T00:00:08Z,{V},1\n1970-01-01T00:00:09Z,{V},1\n2024-06-01T10:00:00Z,{V},1\n",
        ["lines 2-3: the time is before 1980", "the logger's clock was not set"],
    ),
    "dates with slashes": (
        HEAD + f"06/01/2024 10:00:00,{V},1\n06/01/2024 10:00:01,{V},1\n",
        ["lines 2-3: '06/01/2024 10:00:00' is a date with slashes", "write it as 2024-06-01T10:00:00"],
    ),
    "the end of summer time without zones": (
        HEAD + f"2024-10-27T02:59:59,{V},1\n2024-10-27T02:00:00,{V},1\n",
        ["line 3: '2024-10-27T02:00:00' is more than 5 s earlier", "perhaps summer time ended"],
    ),
    "a decimal comma in a quoted cell": (
        HEAD + f'0,{V},"12,6"\n',
        ["line 2: '12,6' is a number with a decimal comma; use a decimal point"],
    ),
    "several causes": (
        HEAD + f"0,{V},1\n1,{V},x\n2,{V},2\n3,{V},y\nnoon,{V},1\n",
        ["lines 3, 5: 'x' is not a number", "line 6: 'noon' is not a time", "2 problems"],
    ),
    "several series of InfluxDB": (INFLUX + ",,1,2024-06-01T10:00:00Z,1\n", ["contains several series"]),
    "unknown columns": ("when,what\n0,1\n", ["line 1: missing columns: path, time, value", "'when', 'what'"]),
}


def checked(folder: Path, text: str, *paths: str) -> Checked:
    (folder / "rec.csv").write_text(text)
    file = folder / "sensors.toml"
    file.write_text("".join(SENSORS.format(n=f"s{n}", path=path) for n, path in enumerate(paths or (V,))))
    return check(file)


def played(text: str, path: str = V) -> PathRecording:
    return parse(text.splitlines(keepends=True)).play(path)


@pytest.mark.parametrize("case", PLAYED)
def test_recording_is_played_as_its_logger_meant_it(tmp_path: Path, case: str) -> None:
    text, expected = PLAYED[case]
    result = checked(tmp_path, text)
    assert result.good, result.text
    found = [(round(row.offset_ns / SECOND, 6), row.value) for row in played(text).rows]
    assert found == expected


@pytest.mark.parametrize("case", REFUSED)
def test_recording_is_refused_with_its_lines_and_causes(tmp_path: Path, case: str) -> None:
    text, parts = REFUSED[case]
    result = checked(tmp_path, text)
    assert not result.good
    for part in parts:
        assert part in result.text


def test_repetition_begins_after_the_latest_row_of_a_file_grouped_by_path() -> None:
    assert played(GROUPED, A).length_ns == played(GROUPED).length_ns == 800 * SECOND
    assert [row.offset_ns // SECOND for row in played(GROUPED, A).rows] == [0, 300]


def test_missing_value_is_played_as_a_fault_and_own_qualities_are_kept(tmp_path: Path) -> None:
    for text, states in ((HEAD + f"0,{V},1\n1,{V},\n", ["good", "failed"]), (OWN, ["good", "open", "noisy"])):
        (tmp_path / "rec.csv").write_text(text)
        clock, said = FakeClock(), Collector()
        driver = ReplayDriver(
            sensor(ReplayOptions(tmp_path / "rec.csv", 1.0, repeat=False), kind="replay", unit="V", path=V)
        )
        driver.open(said, resume=Totals())
        driver.poll(clock.now_ns)
        driver.poll(clock.advance(10))
        assert said.states == states


def test_numbers_that_look_like_dates_stay_seconds_in_a_recording_in_seconds() -> None:
    text = HEAD + f"19999999,{V},1\n20000101,{A},2\n20000171,{A},3\n20000171,{V},4\n"
    assert [row.offset_ns for row in played(text).rows] == [0, 172 * SECOND]
    assert [row.offset_ns for row in played(text, A).rows] == [102 * SECOND, 172 * SECOND]


def test_every_refused_line_is_counted_where_they_are_too_many_to_name() -> None:
    text = HEAD + "".join(f"{n},{V},{'x' if n % 2 else 1}\n" for n in range(4 * MOST_NAMED))
    with pytest.raises(RecordingError, match=f"lines 3, 5, .* and {MOST_NAMED} more: "):
        played(text)


def test_file_with_too_many_paths_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "MOST_PATHS", 2)
    with pytest.raises(RecordingError, match="has more than 2 paths"):
        played(HEAD + "0,a,1\n0,b,1\n0,c,1\n")


@pytest.mark.parametrize("text", [GROUPED, "not a recording"])
def test_recording_is_read_once_for_all_its_sensors_and_not_for_the_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    times: list[Path] = []
    read = files.read

    def counted(file: Path) -> parser.Recording:
        times.append(file)
        return read(file)

    monkeypatch.setattr(files, "read", counted)
    checked(tmp_path, text, *[V, A] * 5)
    assert times == [tmp_path / "rec.csv"]
    assert not check_pair(None, tmp_path / "sensors.toml", check_recordings=False).problems
    assert len(times) == 1


def test_recording_that_has_changed_is_read_again(tmp_path: Path) -> None:
    cache, file = RecordingCache(), tmp_path / "rec.csv"
    file.write_text("damaged")
    with pytest.raises(RecordingError):
        cache.play(file, V)
    file.write_text(GROUPED)
    assert len(cache.play(file, V).rows) == 2


def harmless(file: Path, path: str = V) -> None:
    """Assert that a file is either played in order or rejected with a reason."""
    try:
        rows = RecordingCache().play(file, path).rows
    except RecordingError as error:
        problems = error.problems
    else:
        offsets = [row.offset_ns for row in rows]
        assert offsets == sorted(offsets)
        assert offsets[0] >= 0
        return
    assert problems
    assert all(problems)
    assert not any("cannot be read" in each for each in problems)


SEEDS = [text for text, _ in PLAYED.values()] + [text for text, _ in REFUSED.values()]
PIECES = [
    "",
    ",",
    ";",
    '"',
    "\n",
    "\r",
    "\0",
    "#",
    "-",
    "nan",
    "1e400",
    "1e300",
    "-1e9",
    "20240231",
    "9" * 20,
    "\ufffd",
]
PIECES += ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "true", "_time", "\u0661"]


@settings(deadline=None)
@given(st.binary(max_size=300))
@example(b"time,path,value\n0," + V.encode() + b",\xff\n")
def test_no_bytes_raise_another_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("bytes") / "rec.csv"
    for head in (b"", HEAD.encode(), b"time;path;value\n", b"time,seq,value,unit,quality\n"):
        file.write_bytes(head + content)
        harmless(file)


@settings(deadline=None, max_examples=300)
@given(
    text=st.sampled_from(SEEDS),
    changes=st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 12), st.sampled_from(PIECES) | st.text(max_size=4)),
        min_size=1,
        max_size=4,
    ),
)
@example(text=HEAD + f"X,{V},1\n0001-01-01T00:00:00Z,{V},1\n", changes=[(16, 1, "9999-12-31T23:59:59-23:59")])
@example(text=HEAD + f"0,{V},1\nX,{V},1\n", changes=[(51, 1, "1" * 200_000)])
def test_no_change_to_a_recording_raises_another_error(
    tmp_path_factory: pytest.TempPathFactory, text: str, changes: list[tuple[int, int, str]]
) -> None:
    for at, removed, piece in changes:
        text = text[:at] + piece + text[at + removed :]
    file = tmp_path_factory.mktemp("changed") / "rec.csv"
    file.write_text(text, newline="", errors="replace")
    harmless(file)
