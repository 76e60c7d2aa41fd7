"""`logboat import --check` shows how it reads each column of a recording, and lists every rejected line."""

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.config.check import check
from services.screens.recording import MOST_NAMED
from tests.sensors.test_csv_recordings import HEAD, INFLUX, PIECES, PLAYED, REFUSED, SEEDS, A, V

from . import documents as build
from .appliance import Appliance
from .appliance import logboat as appliance
from .commands import logboat

__all__ = ["appliance"]  # a fixture

LEVEL = "tanks.fuel.main.currentLevel"
COOLANT = "propulsion.main.coolantTemperature"
UNTIMED = (
    "time,seq,value,unit,quality\n,1,12.5,V,good\n,2,12.6,V,good\n2024-06-01T10:00:00.000Z,3,12.7,V,good\n"
)


def written(folder: Path, text: str) -> str:
    (folder / "rec.csv").write_text(text)
    return str(folder / "rec.csv")


def text_of(folder: Path, text: str) -> str:
    return logboat("import", "--check", written(folder, text)).stdout


@pytest.mark.parametrize("case", PLAYED)
def test_playable_recording_is_usable_and_its_tables_pass_config_check(tmp_path: Path, case: str) -> None:
    text, _ = PLAYED[case]
    done = logboat("import", "--check", written(tmp_path, text))
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("rec.csv: usable, ")
    tables = done.stdout[done.stdout.index("[[sensor]]") : done.stdout.rindex("\n\n")]
    (tmp_path / "sensors.toml").write_text(tables.replace('path = "…"', f'path = "{V}"'))
    assert check(tmp_path / "sensors.toml").good, tables


@pytest.mark.parametrize("case", REFUSED)
def test_unusable_recording_is_refused_with_its_lines_and_causes(tmp_path: Path, case: str) -> None:
    text, parts = REFUSED[case]
    done = logboat("import", "--check", written(tmp_path, text))
    assert done.returncode == 2
    assert "[[sensor]]" not in done.stdout
    for part in parts:
        if not part.endswith("problems"):  # a count that only config check shows
            assert part in done.stdout
    assert "rec.csv: NOT USABLE, " in done.stdout


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PLAYED["semicolons and decimal commas"][0], ["delimiter     semicolon", "decimal mark  comma"]),
        (f"time;path;value\n0;{V};1,5\n1;{V};2.5\n", ["decimal mark  comma and point"]),
        (INFLUX, ["shape         InfluxDB, single series", 'path = "…"  # any path']),
        (
            PLAYED["milliseconds since 1970"][0],
            ["milliseconds since 1970, in 2 rows", "2024-11-12 00:36:01.185Z"],
        ),
        (PLAYED["dates without dashes"][0], ["dates such as 20240601", "2024-06-02 00:00:00.000, 1 d later"]),
        (
            PLAYED["the end of summer time with zones"][0],
            ["dates with a time zone (UTC+02:00, UTC+01:00)", "2024-10-27 00:59:59.000Z"],
        ),
        (HEAD + f"1700000000,{V},1\n", ["seconds since 1970", "2023-11-14 22:13:20.000Z"]),
        (HEAD + f"5,{V},1\n", ["times         seconds, in 1 row", "first         5 s"]),
        (
            HEAD + f"0,{V},12.345\n60,{V},11\n61,{V},\n",
            [
                f"{V}, in V",
                "2, from 11 V to 12.345 V",
                "longest gap  1 min, from 0 s",
                "line 4: 1 row without",
            ],
        ),
        (PLAYED["a small step back"][0], ["steps back   line 3: up to 5 s earlier"]),
        (PLAYED["the output of logboat log --csv"][0], ["1 open, 1 noisy", "# any path in V"]),
        (HEAD + f"0,{COOLANT},300\n", ["from 26.85 °C to 26.85 °C"]),
        (
            HEAD + "0,bilge.main.highWater,true\n",
            ["bilge.main.highWater, a contact", "from active to active"],
        ),
        (HEAD + "0,my.level,1\n", ["my.level, unit not known", 'unit = "…"  # SI unit']),
        (HEAD + f"0,{V},1\n1,,2\n", ["left out      line 3: the row has no path"]),
        (UNTIMED, ["left out  lines 2-3: the row has no time, and is not replayed"]),
    ],
)
def test_check_shows_how_a_recording_is_understood(tmp_path: Path, text: str, expected: list[str]) -> None:
    shown = text_of(tmp_path, text)
    for part in expected:
        assert part in shown


def test_values_that_the_quantity_cannot_have_are_counted(tmp_path: Path) -> None:
    shown = text_of(tmp_path, HEAD + f"0,{LEVEL},40\n1,{LEVEL},1.02\n2,{COOLANT},-126.85\n3,{COOLANT},300\n")
    assert (
        shown.count("1 value that the quantity cannot have; each is replayed as a fault (out-of-range)") == 2
    )
    assert "from 102 % to 4000 %" in shown
    assert "from -400 °C to 26.85 °C" in shown


def test_the_first_lines_of_each_cause_are_named_and_the_others_counted(tmp_path: Path) -> None:
    rows = "".join(f"{n},{V},{'x' if n % 2 else 1}\n" for n in range(4 * MOST_NAMED))
    shown = text_of(tmp_path, HEAD + rows)
    last = 1 + 2 * MOST_NAMED
    assert f", {last} and {MOST_NAMED} more: 'x' is not a number; correct or remove the line" in shown


def test_path_that_is_no_signal_k_path_cannot_be_replayed(tmp_path: Path) -> None:
    done = logboat("import", "--check", written(tmp_path, HEAD + "0,battery voltage,1\n"))
    assert done.returncode == 2
    assert "is not a Signal K path; rename it in the file" in done.stdout


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (HEAD.encode("utf-16"), "line 1: this is text in UTF-16"),
        (b"PK\x03\x04", "is a spreadsheet or an archive; export it as CSV"),
        (bytes(range(256)), "line 1: missing columns: path, time, value"),
        (b"", "line 1: missing columns: path, time, value"),
        (HEAD.encode(), "contains no rows"),
    ],
)
def test_file_without_readings_is_not_usable(tmp_path: Path, content: bytes, cause: str) -> None:
    (tmp_path / "rec.csv").write_bytes(content)
    done = logboat("import", "--check", str(tmp_path / "rec.csv"))
    assert done.returncode == 2
    assert cause in done.stdout
    assert "rec.csv: NOT USABLE, no path" in done.stdout


def test_ids_of_the_proposed_sensors_are_valid_and_unique(tmp_path: Path) -> None:
    long = "a" * 40
    paths = [f"x.{long}", f"y.{long}", "environment.inside.engineRoom.portSide.temperature", "a-b.c", "a.b-c"]
    shown = text_of(tmp_path, HEAD + "".join(f"0,{path},1\n" for path in paths))
    tables = tomllib.loads(shown[shown.index("[[sensor]]") : shown.rindex("\n\n")])["sensor"]
    ids = [table["id"] for table in tables]
    assert len(set(ids)) == len(ids) == len(paths)
    assert all(1 <= len(each) <= 32 for each in ids)


def test_json_contains_the_same_facts(tmp_path: Path) -> None:
    file = written(tmp_path, HEAD + f"0,{V},12.5\n1,{V},\n2,{V},11\n0,{A},x\n")
    done = logboat("import", "--check", "--json", file)
    found = json.loads(done.stdout)
    assert (done.returncode, found["usable"], found["delimiter"]) == (0, True, "comma")
    amps, volts = found["paths"]
    assert (volts["values"], volts["lowest"], volts["highest"], volts["unit"]) == (2, 11, 12.5, "V")
    assert volts["missing"] == {"text": "the row has no value", "count": 1, "ranges": [[3, 3]]}
    assert (amps["replayable"], amps["sensor"], amps["rejected"][0]["ranges"]) == (False, "", [[5, 5]])
    assert tomllib.loads(volts["sensor"])["sensor"][0]["path"] == V


def test_import_without_check_says_what_to_do(tmp_path: Path) -> None:
    done = logboat("import", written(tmp_path, HEAD + f"0,{V},1\n"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "add a sensor of kind replay" in done.stderr
    assert "logboat import --check FILE" in done.stderr


def test_missing_file_and_folder_are_wrong_usage(tmp_path: Path) -> None:
    assert "no such file" in logboat("import", "--check", str(tmp_path / "none.csv")).stderr
    assert "this is a folder" in logboat("import", "--check", str(tmp_path)).stderr


def test_config_check_names_rows_that_are_not_replayed_as_values(tmp_path: Path) -> None:
    table = '[[sensor]]\nid = "a"\nkind = "replay"\nfile = "rec.csv"\npath = "{}"\n'
    sensors = tmp_path / "sensors.toml"
    for text, path, expected in (
        (UNTIMED, V, "left out   lines 2-3 without a time, not replayed"),
        (
            HEAD + f"0,{V},1\n1,{V},-\n",
            V,
            "missing    line 3 without a value; each is replayed as a fault (failed)",
        ),
        (HEAD + f"0,{LEVEL},1\n1,{LEVEL},40\n", LEVEL, "impossible  1 value that the quantity cannot have"),
    ):
        written(tmp_path, text)
        sensors.write_text(table.format(path))
        assert expected in logboat("config", "check", str(sensors)).stdout


def test_new_file_is_refused_if_the_recording_is_in_another_unit(tmp_path: Path) -> None:
    written(tmp_path, UNTIMED)
    sensors = tmp_path / "sensors.toml"
    sensors.write_text(f'[[sensor]]\nid = "a"\nkind = "replay"\nfile = "rec.csv"\npath = "{LEVEL}"\n')
    result = check(sensors)
    assert f"rec.csv contains values in V, but {LEVEL} is in ratio" in result.text
    assert result.warnings
    assert not result.problems


def test_readings_of_unknown_time_are_named_by_import_check(appliance: Appliance, tmp_path: Path) -> None:
    appliance.put(build.reading(1, 2, synced=False), build.reading(3, 4, boot=2, first=3))
    done = appliance("log", "rpm", "--csv")
    assert "the time of 2 samples of argo is unknown; the column time is empty" in done.err
    shown = text_of(tmp_path, done.out)
    assert "left out     lines 2-3: the row has no time, and is not replayed" in shown
    assert "values       2, from 3 Hz to 4 Hz" in shown


@pytest.mark.parametrize("options", [[], ["--wide"]])
def test_output_of_log_csv_is_recognised(appliance: Appliance, tmp_path: Path, options: list[str]) -> None:
    appliance.put(build.boot(1, build.network(0, build.UTC)), build.reading(1, 2, 3))
    assert "3, from 1 Hz to 3 Hz" in text_of(tmp_path, appliance("log", "rpm", "--csv", *options).out)


@settings(deadline=None, max_examples=100)
@given(
    text=st.sampled_from(SEEDS),
    changes=st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 12), st.sampled_from(PIECES) | st.text(max_size=4)),
        max_size=4,
    ),
)
def test_whatever_is_usable_passes_config_check(
    tmp_path_factory: pytest.TempPathFactory, text: str, changes: list[tuple[int, int, str]]
) -> None:
    for at, removed, piece in changes:
        text = text[:at] + piece + text[at + removed :]
    folder = tmp_path_factory.mktemp("changed")
    (folder / "rec.csv").write_text(text, newline="", errors="replace")
    done = logboat("import", "--check", "--json", str(folder / "rec.csv"))
    assert done.stderr == ""
    assert logboat("import", "--check", str(folder / "rec.csv")).returncode == done.returncode
    tables = [path["sensor"] for path in json.loads(done.stdout)["paths"] if path["replayable"]]
    assert done.returncode == (0 if tables else 2)
    if tables:
        described = (
            "\n".join(tables).replace('path = "…"', f'path = "{V}"').replace('unit = "…"', 'unit = "V"')
        )
        (folder / "sensors.toml").write_text(described)
        assert check(folder / "sensors.toml").good, described
