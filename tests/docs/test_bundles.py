"""The page about cards lists every version of the bundle format that Logboat can read."""

import re

from provisioning.bundle.contents import VERSION

from .pages import DOCS


def test_page_lists_all_versions_of_a_bundle() -> None:
    text = (DOCS / "cards.md").read_text()
    assert re.findall(r"^\| (\d+) \|", text, re.MULTILINE) == [str(each) for each in range(1, VERSION + 1)]
