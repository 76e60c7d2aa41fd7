"""A log record is written as a line of fields, and can be read again."""

import logging
import sys

from hypothesis import given
from hypothesis import strategies as st

from services.logs.lines import MOST_CHARACTERS, LogLine, StoredLogLine, journal_level, of_record, parse

NAMES = st.from_regex(r"[a-z][a-z.]{0,20}", fullmatch=True)
LINES = st.builds(
    LogLine,
    st.sampled_from(["warning", "error", "critical"]),
    NAMES,
    NAMES,
    st.text(max_size=200),
    st.integers(0, 10**6),
)


@given(
    st.builds(StoredLogLine, st.integers(0, 4 * 10**9).map(float), st.integers(0, 10**6).map(float), LINES)
)
def test_record_is_written_as_one_line_and_can_be_read_back(kept: StoredLogLine) -> None:
    assert "\n" not in str(kept)
    assert parse(str(kept)) == kept


@given(st.builds(StoredLogLine, st.just(1e9), st.just(5.0), LINES), st.data())
def test_incomplete_line_is_not_mistaken_for_another(kept: StoredLogLine, data: st.DataObject) -> None:
    whole = str(kept)
    found = parse(whole[: data.draw(st.integers(0, len(whole) - 1))])
    assert found is None or (found.line.daemon, found.line.text) == (kept.line.daemon, kept.line.text)


def test_traceback_is_one_line_with_its_source_lines() -> None:
    try:
        _fail()
    except ValueError:
        record = logging.LogRecord(
            "services.x", logging.ERROR, "x.py", 1, "it %s", ("broke",), sys.exc_info()
        )
    line = of_record(record, "recorder")
    assert (line.level, line.daemon, line.what) == ("error", "recorder", "x")
    assert line.text.startswith("it broke: ValueError: two\nlines (test_lines.py:")
    assert "_fail < test_lines.py:" in line.text
    assert "\n" not in str(line)


def _fail() -> None:
    raise ValueError("two\nlines")


def test_long_text_is_truncated() -> None:
    assert len(str(LogLine("error", "sync", "mesh", "x" * 100_000))) < MOST_CHARACTERS + 100


def test_levels_are_those_of_the_system_journal() -> None:
    assert [journal_level(level) for level in (10, 20, 30, 40, 50)] == ["<7>", "<6>", "<4>", "<3>", "<2>"]
