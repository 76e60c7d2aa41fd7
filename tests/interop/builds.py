"""Builds the peer programs with which tests communicate, such as Sync Gateway, once per machine.

Each build is stored in a folder of `CACHE` whose name contains a digest of the inputs. A change to an input
therefore causes a new build, but another checkout of the same sources does not. Processes that need the same
build at the same time wait for the process that makes it.

`make test` runs `python3 -m tests.interop.builds` before the virtual environment exists. This module and the
modules that build single peers therefore import only the standard library.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

CACHE: Final = Path(
    os.environ.get("LOGBOAT_PEERS_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "logboat-peers"
)
"""Folder for builds. It is outside the checkout, so that `make clean` does not remove the builds."""


class MissingError(Exception):
    """Error raised if a peer cannot be built or run on this machine. The message says what is missing."""


def tool(name: str, *, hint: str) -> str:
    """Return the path of an installed program.

    Raises:
        MissingError: The program is not installed. The message ends with `hint`, which says what to install.
    """
    path = shutil.which(name)
    if path is None:
        raise MissingError(f"{name} is not installed; {hint}")
    return path


def run(
    command: Sequence[str], *, seconds: int, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> None:
    """Run a command that is one step of a build.

    Raises:
        MissingError: The command failed or took longer than `seconds`. The message includes its last output.
    """
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise MissingError(f"{name} did not end within {seconds} s") from None
    if done.returncode != 0:
        raise MissingError(f"{name} failed: {(done.stdout + done.stderr).strip()[-2000:]}")


def go_build(sources: Path, program: Path, *, seconds: int) -> None:
    """Build the Go program in the folder `sources`, without debugging information.

    Raises:
        MissingError: Go is not installed, or the build failed.
    """
    go = tool("go", hint="install Go 1.23 or newer to test against the peers written in it")
    stripped = ("-gcflags=all=-dwarf=false", "-ldflags=-s -w")
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
    run(
        [go, "build", "-trimpath", *stripped, "-o", str(program), "."],
        cwd=sources,
        env=environment,
        seconds=seconds,
    )


def place(name: str, inputs: bytes, *, cache: Path = CACHE) -> Path:
    """Return the folder in the cache for a build with these inputs, whether or not the folder exists."""
    return cache / f"{name}-{hashlib.sha256(inputs).hexdigest()[:16]}"


def built(name: str, inputs: bytes, make: Callable[[Path], None], *, cache: Path = CACHE) -> Path:
    """Return the folder in the cache with a finished build. If it does not exist, call `make` to build it.

    `make` is called with an empty folder, which is renamed after `make` has returned. An interrupted build
    therefore leaves no folder that looks like a finished build.
    """
    folder = place(name, inputs, cache=cache)
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            began = time.monotonic()
            print(f"building {name}, once for this machine …", file=sys.stderr, flush=True)
            unfinished = folder.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(folder)
            print(f"built {name} in {time.monotonic() - began:.0f} s: {folder}", file=sys.stderr, flush=True)
    return folder


def contents(*paths: Path) -> bytes:
    """Return the names and contents of input files as bytes, of which `built` calculates the digest."""
    return b"\0".join(path.name.encode() + b"\0" + path.read_bytes() for path in paths)


def main() -> int:
    """Build all peers, and return the exit status.

    Builds that mostly wait for downloads run in parallel with the build that needs the most processor time.
    """
    # Imported here, because these modules import this module.
    from tests.blip.interop.go_peer import go_peer
    from tests.interop.couchbase_lite.runtime import prepare
    from tests.interop.sync_gateway.program import sync_gateway

    def attempt(build: Callable[[], object]) -> bool:
        try:
            build()
        except MissingError as missing:
            print(missing, file=sys.stderr, flush=True)
            return False
        return True

    with ThreadPoolExecutor() as threads:
        return 0 if all(list(threads.map(attempt, (sync_gateway, go_peer, prepare)))) else 1


if __name__ == "__main__":
    sys.exit(main())
