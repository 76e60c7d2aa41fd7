"""Builds Couchbase's Sync Gateway from its published Go module, once, into `build/` of this checkout."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final, NoReturn

import pytest

SOURCES: Final = Path(__file__).parent
CACHE: Final = SOURCES.parents[2] / "build" / "sync-gateway"
BUILD_SECONDS: Final = 540
"""Two minutes of one processor and 100 MB of modules to fetch, with room for a slow line."""
_INPUTS: Final = ("main.go", "go.mod", "go.sum")


def _unavailable(why: str) -> NoReturn:
    """Skip, saying why; where nothing may be skipped, fail."""
    if os.environ.get("CI"):
        pytest.fail(f"{why} (and CI skips nothing)")
    pytest.skip(why)


def sync_gateway(cache: Path = CACHE) -> Path:
    """The program. Test processes that ask at the same time wait for the one that builds.

    Skips the test, or under CI fails it, if there is no Go or the build fails.
    """
    inputs = hashlib.sha256(b"\0".join((SOURCES / name).read_bytes() for name in _INPUTS))
    program = cache / f"sync-gateway-{inputs.hexdigest()[:16]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            _build(program)
    return program


def _build(program: Path) -> None:
    go = shutil.which("go")
    if go is None:
        _unavailable("Go is not installed; install Go 1.23 or newer to test against Sync Gateway")
    unfinished = program.with_suffix(".unfinished")
    built = subprocess.run(
        [go, "build", "-trimpath", "-ldflags=-s -w", "-o", str(unfinished), "."],
        cwd=SOURCES,
        env={**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"},
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    if built.returncode != 0:
        _unavailable(f"Sync Gateway could not be built: {built.stderr.strip()}")
    unfinished.rename(program)
