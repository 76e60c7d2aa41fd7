"""Generates docs/pictures/top.svg from the screen of a vessel in the demo.

Start the demo with `logboat demo --for 120 --keep /tmp/fleet &`, wait for 90 seconds, and then run
`python -m tests.docs.pictures /tmp/fleet/brigid`.
"""

import asyncio
import re
import sys
from argparse import Namespace
from pathlib import Path
from typing import Final

from services.console.environment import Environment
from services.screens.top.app import Top
from services.screens.top.facts import TopFactsCollector

PICTURES: Final = Path(__file__).parents[2] / "docs/pictures"
SIZE: Final = (100, 28)


async def picture_of_top(vessel: Path) -> str:
    """Return a picture of the current `logboat top` screen of a vessel in the demo, as SVG."""
    places = {
        "config": vessel / "logboat.toml",
        "sensors": vessel / "sensors.toml",
        "data": vessel / "data",
        "run": vessel / "run",
        "identity": vessel.parent / "fleet/vessels" / vessel.name / "identity",
    }
    looker = TopFactsCollector(Namespace(**places, json=False, by=None), Environment(), ask_units=lambda: "")
    app = Top(looker, looker.collect(patience=10.0), every=3600.0, who=lambda: "skipper")
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        made = app.export_screenshot(title=f"logboat top, aboard SY {vessel.name.title()}")
    # Remove the reference to a web font, which every viewer would download. Any monospaced font is suitable.
    return re.sub(r"@font-face \{.*?\}\n", "", made, flags=re.DOTALL).replace("Fira Code, ", "")


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / "top.svg").write_text(asyncio.run(picture_of_top(Path(sys.argv[1]).resolve())))
