"""The tables of who runs where stay true when tests move."""

from pathlib import Path

import pytest

from tests.scheduling import APART, TOGETHER

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("file", [*TOGETHER, *APART])
def test_a_file_that_the_tables_name_is_there(file: str) -> None:
    assert (ROOT / file).is_file()


def test_no_file_is_both_kept_together_and_given_out_one_by_one() -> None:
    assert set(TOGETHER).isdisjoint(APART)
