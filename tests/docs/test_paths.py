"""The page about Signal K paths matches the table of paths in the code."""

from sensors.signalk_paths import TABLE

from . import paths


def test_page_is_made_from_the_table_of_paths() -> None:
    assert paths.PAGE.read_text() == paths.page(), "run: python -m tests.docs.paths"


def test_every_path_is_on_the_page() -> None:
    text = paths.page()
    for pattern in TABLE:
        names = pattern.split(".")
        if names[0] == "tanks":
            assert f"`{names[1]}`" in text
            names[1] = "CONTENTS"
        assert f"| `{'.'.join(names)}` |" in text
