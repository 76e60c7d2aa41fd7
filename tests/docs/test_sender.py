"""The page about tank senders shows the actual output of `logboat config sender`."""

import pytest

from services.cli.main import main

from .pages import DOCS, blocks

CALL = "logboat config sender --ohms 240 33 --pull-up 240"


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> str:
    assert main(CALL.split()[1:]) == 0
    return capsys.readouterr().out


def test_page_shows_the_command_and_its_output(printed: str) -> None:
    (shown,) = [block.text for block in blocks(DOCS / "senders.md") if CALL in block.text][:1]
    assert shown == f"$ {CALL}\n{printed}"


def test_output_fits_into_80_columns(printed: str) -> None:
    assert max(map(len, printed.splitlines())) <= 80
