"""Cards with too much data, too many files or too deep folders are rejected with a message.

The rejection takes little time and memory, and the configuration in use stays in use.
"""

import math
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provisioning.bundle.contents import MOST_BYTES, MOST_ENTRIES, MOST_FILES
from provisioning.imager.reader import MOST_BYTES as MOST_OF_IMAGER
from sensors.csv_recordings import parser
from sensors.driver import DriverError
from sensors.kinds import replay
from sensors.toml.toml_file import MOST_BYTES as MOST_OF_TOML
from sensors.toml.toml_file import ConfigurationError, parse
from tests import processes
from tests.provisioning.bundles import Card, bundle, put

MOST_MEMORY = 130_000_000
"""Memory limit in bytes, because a board has only 512 MB, of which its daemons use a part."""
READ_AND_PRINT_MEMORY = """
import sys
from pathlib import Path
from sensors.toml.toml_file import parse

def peak():
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) * 1024

content = Path(sys.argv[1]).read_bytes()
before = peak()
parse(Path("vessel.toml"), content)
print(peak() - before)
"""
"""Program that reads a file, and prints how much more memory it occupied meanwhile, in bytes."""
LONG_S = 20.0
"""Time limit in seconds. Without limits for cards, processing takes nearly a minute on a fast machine."""


@pytest.fixture
def argo(tmp_path: Path) -> Card:
    card = Card(tmp_path)
    put(card.inbox, bundle())
    card.start()
    return card


@contextmanager
def frugal(most: int = MOST_MEMORY, *, within: float = LONG_S) -> Iterator[None]:
    tracemalloc.start()
    began = time.monotonic()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most
    assert time.monotonic() - began < within


def large(path: Path, size: int = MOST_BYTES) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)


def deep_key(fat: Path) -> None:
    (fat / "vessel.toml").write_text(f"{'.'.join(['a'] * 10_000)} = 1\n")


def many_recordings(fat: Path) -> None:
    for number in range(15):
        large(fat / f"day{number}.csv")


def long_recording(fat: Path) -> None:
    large(fat / "day.csv", MOST_BYTES + 1)


def long_password(fat: Path) -> None:
    large(fat / "office.password", MOST_BYTES)


def long_settings(fat: Path) -> None:
    (fat / "vessel.toml").write_bytes(b"#" * (MOST_OF_TOML + 1))


def many_files(fat: Path, count: int = 20_000) -> None:
    for number in range(count):
        os.close(os.open(fat / f"n{number}.pem", os.O_CREAT))


def some_files_too_many(fat: Path) -> None:
    many_files(fat, MOST_FILES + 1)


def many_files_in_identity(fat: Path) -> None:
    (fat / "identity").mkdir()
    many_files(fat / "identity", MOST_ENTRIES + 1)


@pytest.mark.parametrize(
    ("attack", "told"),
    [
        (deep_key, "a name has more than 8 parts"),
        (many_recordings, "24 MB in total"),
        (long_recording, "the file is larger than"),
        (long_password, "the file is larger than"),
        (long_settings, "the file is larger than"),
        (many_files, "more than 500 files"),
        (some_files_too_many, "more than 100"),
        (many_files_in_identity, "more than 500 files"),
    ],
)
def test_content_over_a_limit_is_reported_and_changes_nothing(
    argo: Card, attack: Callable[[Path], None], told: str
) -> None:
    before = dict(argo.force)
    attack(argo.fat)
    with frugal():
        outcome = argo.start()
    assert told in "\n".join(map(str, outcome.problems))
    assert all(problem.remedy for problem in outcome.problems)
    assert argo.force == before
    assert told in (argo.fat / "PROBLEMS.txt").read_text()


def test_unrelated_folder_with_many_files_costs_little(argo: Card) -> None:
    (argo.fat / "photos").mkdir()
    many_files(argo.fat / "photos")
    with frugal():
        assert argo.start().problems == ()


@pytest.mark.parametrize(
    "line",
    [
        ".".join(["a"] * 10_000) + " = 1",
        f"[{'.'.join(['a'] * 10_000)}]",
        f"x = {{ {' . '.join(['a'] * 10_000)} = 1 }}",
        ".".join(['"a"', "'b'"] * 5_000) + " = 1",
        '"' + '".' * 100_000,
        "a" * 200_000,
    ],
)
@pytest.mark.parametrize("before", ["", 'name = "unclosed\n', "x y\n"])
def test_key_of_many_parts_costs_little_memory(before: str, line: str) -> None:
    with frugal(40_000_000), pytest.raises(ConfigurationError) as wrong:
        parse(Path("vessel.toml"), f"{before}{line}\n".encode())
    assert all(problem.remedy for problem in wrong.value.problems)


@pytest.mark.parametrize(
    "content",
    [
        "\n".join(f"[a{n}.b.c.d.e.f.g.h]" for n in range(MOST_OF_TOML // 25)),
        "a = [" + "{}," * (MOST_OF_TOML // 3 - 10) + "]",
        "\n".join(f"a{n}=" + "[" * 90 + "1" + "]" * 90 for n in range(MOST_OF_TOML // 200)),
    ],
    ids=["headers", "tables", "brackets"],
)
def test_costliest_permitted_file_fits_in_a_boards_memory(content: str, tmp_path: Path) -> None:
    """The memory is that of a process, because tracing it takes ten times as long as reading the file."""
    path = tmp_path / "vessel.toml"
    path.write_text(content)
    done = processes.run(
        [sys.executable, "-c", READ_AND_PRINT_MEMORY, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert 0 < int(done.stdout) < MOST_MEMORY


def test_long_file_is_not_parsed_again_for_each_of_many_mistakes() -> None:
    text = "\n".join(f"key{number} = {number}" for number in range(9_000))
    rows = text.split("\n")
    for number in range(0, 9_000, 100):
        rows[number] = "key five"
    with frugal(), pytest.raises(ConfigurationError):
        parse(Path("vessel.toml"), "\n".join(rows).encode())


def test_dots_in_a_value_do_not_count_as_parts_of_a_key() -> None:
    text = 'url = "wss://a.b.c.d.e.f.g.h.i.j.k/x"\nnumbers = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]\n'
    assert parse(Path("vessel.toml"), text.encode()).data["numbers"][8] == 9.0


def test_recording_of_a_million_rows_is_accepted_and_a_longer_one_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "day.csv"
    path.write_text("time,path,value\n" + "".join(f"{n},a,1\n" for n in range(20_001)))
    monkeypatch.setattr(parser, "MOST_ROWS", 20_001)
    with frugal(4_000_000, within=math.inf):
        assert len(replay.load(path, "a").rows) == 20_001
    monkeypatch.setattr(parser, "MOST_ROWS", 20_000)
    with pytest.raises(DriverError, match="more than 20000 rows; split the recording"):
        replay.load(path, "a")


def test_imagers_files_are_read_up_to_their_largest_possible_size() -> None:
    assert MOST_OF_IMAGER < 100_000, "YAML takes a thousand times as much memory"
