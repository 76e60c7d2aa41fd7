"""The page about units matches the table of units in the code."""

from . import units


def test_page_is_made_from_the_table_of_units() -> None:
    assert units.PAGE.read_text() == units.page(), "run: python -m tests.docs.units"
