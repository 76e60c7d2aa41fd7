"""Builds a BLIP peer with Couchbase's own Go library, from `main.go` in this folder."""

from pathlib import Path
from typing import Final

from tests.interop import builds

SOURCES: Final = Path(__file__).parent
BUILD_SECONDS: Final = 300
"""Time limit in seconds. The build includes the standard library, and the machine may be busy with tests."""
_INPUTS: Final = ("main.go", "go.mod", "go.sum")


def go_peer(cache: Path = builds.CACHE) -> Path:
    """Return the path of the peer program. Build the program if it does not exist yet.

    Raises:
        MissingError: Go is not installed, or the build failed.
    """
    inputs = builds.contents(*(SOURCES / name for name in _INPUTS))

    def make(folder: Path) -> None:
        builds.go_build(SOURCES, folder / "blip-peer", seconds=BUILD_SECONDS)

    return builds.built("go-blip", inputs, make, cache=cache) / "blip-peer"
