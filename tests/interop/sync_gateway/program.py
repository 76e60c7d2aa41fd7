"""Builds Couchbase's Sync Gateway from its published Go module."""

from pathlib import Path
from typing import Final

from tests.interop import builds

SOURCES: Final = Path(__file__).parent
BUILD_SECONDS: Final = 540
"""Time limit for the build, in seconds. The build takes two minutes and downloads 100 MB."""
_INPUTS: Final = ("main.go", "go.mod", "go.sum")


def sync_gateway(cache: Path = builds.CACHE) -> Path:
    """Return the path of the Sync Gateway program. Build the program if it does not exist yet.

    Raises:
        MissingError: Go is not installed, or the build failed.
    """
    inputs = builds.contents(*(SOURCES / name for name in _INPUTS))

    def make(folder: Path) -> None:
        builds.go_build(SOURCES, folder / "sync-gateway", seconds=BUILD_SECONDS)

    return builds.built("sync-gateway", inputs, make, cache=cache) / "sync-gateway"
