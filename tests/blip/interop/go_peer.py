"""Builds and starts the peer made of Couchbase's own Go library, `main.go` beside this file."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

SOURCES = Path(__file__).parent
BUILD_SECONDS = 100


def unavailable(why: str) -> NoReturn:
    """Skip, saying why; where nothing may be skipped, fail."""
    if os.environ.get("CI"):
        pytest.fail(f"{why} (and CI skips nothing)")
    pytest.skip(why)


def build(shared: Path) -> Path:
    """The program, built into `shared` unless another test process has done so."""
    go = shutil.which("go")
    if go is None:
        unavailable("the Go toolchain is not installed; install Go 1.23 or newer to test against go-blip")
    program = shared / "blipinterop"
    with (shared / "blipinterop.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            built = subprocess.run(
                [go, "build", "-o", str(program), "."],
                cwd=SOURCES,
                env={**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"},
                capture_output=True,
                text=True,
                timeout=BUILD_SECONDS,
                check=False,
            )
            if built.returncode != 0:
                unavailable(f"the Go peer could not be built: {built.stderr.strip()}")
    return program
