"""The page of units matches the table of units."""

from . import units


def test_page_is_made_from_the_table_of_units() -> None:
    assert units.PAGE.read_text() == units.page(), "run: python -m tests.docs.units"
