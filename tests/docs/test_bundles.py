"""The page about cards lists every version of a bundle that Logboat reads."""

import re

from provisioning.bundle.contents import VERSION

from .pages import DOCS


def test_the_newest_version_of_a_bundle_is_told() -> None:
    text = (DOCS / "cards.md").read_text()
    assert re.findall(r"^\| (\d+) \|", text, re.MULTILINE) == [str(each) for each in range(1, VERSION + 1)]
