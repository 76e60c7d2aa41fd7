"""The ledger loses no line while its reader keeps up, and a slow reader cannot stall the recorder."""

import os
import threading
from pathlib import Path

import pytest

from services.recorder import durability_feed as ledger_module
from services.recorder.durability_feed import LedgerFile

LINES = [("rpm", "abcdef", number) for number in range(1, 20_001)]


def filled() -> tuple[int, int, int]:
    """Return both ends of a full pipe, and the number of bytes in the pipe."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    size = 0
    try:
        while True:
            size += os.write(writer, b"x" * 4_096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    return reader, writer, size


def test_every_line_arrives_in_order() -> None:
    reader, writer = os.pipe()
    got = bytearray()

    def read() -> None:
        while found := os.read(reader, 65_536):
            got.extend(found)

    thread = threading.Thread(target=read)
    thread.start()
    made = LedgerFile(writer)
    made(LINES)
    made.finish()
    os.close(writer)
    thread.join()
    os.close(reader)
    assert got.decode().splitlines() == [",".join(map(str, line)) for line in LINES]


def test_file_receives_every_line(tmp_path: Path) -> None:
    with (tmp_path / "ledger").open("wb") as file:
        LedgerFile(file.fileno())(LINES[:2])
    assert (tmp_path / "ledger").read_text() == "rpm,abcdef,1\nrpm,abcdef,2\n"


def test_reader_that_pauses_delays_nobody_and_gets_the_lines_later() -> None:
    reader, writer, size = filled()
    made = LedgerFile(writer)
    made(LINES[:1])
    assert len(os.read(reader, size)) == size
    made(LINES[1:2])
    assert os.read(reader, size) == b"rpm,abcdef,1\nrpm,abcdef,2\n"
    os.close(reader)
    os.close(writer)


def test_reader_that_never_reads_ends_only_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "MOST_WAITING", 100)
    reader, writer, size = filled()
    made = LedgerFile(writer)
    made(LINES)
    assert len(os.read(reader, size)) == size
    made(LINES)
    made.finish(patience_s=0.0)
    os.close(writer)
    assert os.read(reader, size) == b""
    os.close(reader)


def test_reader_that_disconnects_ends_only_the_ledger() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    made = LedgerFile(writer)
    made(LINES[:1])
    made(LINES[1:2])
    made.finish()
    os.close(writer)
