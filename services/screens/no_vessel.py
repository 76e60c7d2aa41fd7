"""Detects that this computer is not a vessel's appliance, so that `logboat status` can report that."""

from argparse import Namespace
from pathlib import Path
from typing import Final

TITLE: Final = "no vessel on this computer"
ADVICE: Final = (
    "run this command on the vessel's own computer (for example over SSH); for a simulated vessel, give its"
    " --config, --sensors, --data and --run; to try Logboat here: logboat demo"
)


def missing_places(args: Namespace) -> str:
    """Return a clause which states that none of a vessel's files and folders exists; '' if one exists."""
    places = (args.config, args.sensors, args.data, args.run)
    if any(_exists(place) for place in places):
        return ""
    return f"none of {', '.join(map(str, places[:-1]))} and {places[-1]} exists"


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # only root may check whether the path exists
        return True
