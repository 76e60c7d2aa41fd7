"""Builds the BLIP peer in `main.go`, which uses Couchbase's own Go library."""

from pathlib import Path
from typing import Final

from tests.interop import builds

SOURCES: Final = Path(__file__).parent
BUILD_SECONDS: Final = 300
"""Time limit for the build in seconds. The build includes Go's standard library, and other tests may run."""
_INPUTS: Final = ("main.go", "go.mod", "go.sum")


def go_peer(cache: Path = builds.CACHE) -> Path:
    """Return the path of the Go peer program. Build the program if it does not exist yet.

    Raises:
        MissingError: Go is not installed, or the build failed.
    """
    inputs = builds.contents(*(SOURCES / name for name in _INPUTS))

    def make(folder: Path) -> None:
        builds.go_build(SOURCES, folder / "blip-peer", seconds=BUILD_SECONDS)

    return builds.built("go-blip", inputs, make, cache=cache) / "blip-peer"
