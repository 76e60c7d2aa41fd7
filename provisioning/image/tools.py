"""Runs external tools; reports each step with its duration, and a failed tool with the end of its output."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from provisioning.image.errors import ToolError
from sensors.plaintext import clean

_LAST_LINES = 6
_PATIENCE_S = 20.0


@dataclass(slots=True)
class ProgressReporter:
    """Reporter that prints the progress of a build."""

    out: TextIO = sys.stderr
    started: float = field(default_factory=time.monotonic)
    times: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Announce a step that takes a while, and report its duration when it is finished."""
        begun = time.monotonic()
        self.print_line(f"{what} …")
        yield
        took = time.monotonic() - begun
        self.times[what] = took
        self.print_line(f"{what}: {took:.1f} s")

    def print_line(self, text: str) -> None:
        """Print one line, preceded by the time since the start."""
        print(f"[{time.monotonic() - self.started:6.1f}] {clean(text)}", file=self.out, flush=True)


def run(
    command: Sequence[str],
    *,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
    cwd: Path | None = None,
) -> bytes:
    """Run a tool and return its output; raise ToolError with the tool's message if it fails.

    All of its output is appended to the file `log`, if one is given.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=None if env is None else {**os.environ, **env},
            cwd=cwd,
        )
    except FileNotFoundError as error:
        text = f"{command[0]} is not installed on this machine"
        raise ToolError(text) from error
    with process:
        try:
            out, err = process.communicate(stdin or b"")
        except BaseException:
            end(process)
            raise
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            file.write(f"$ {shlex.join(command)}\n".encode() + out + err)
    if process.returncode:
        last_output = last_words((err or out).decode(errors="replace"))
        where = f"; full output in {log}" if log is not None else ""
        text = (
            f"{Path(command[0]).name} failed ({_end(process.returncode)}){where}. Its output:\n{last_output}"
        )
        raise ToolError(text)
    return out


def end(process: "subprocess.Popen[bytes]") -> None:
    """Stop a tool and all its child processes; each has time to clean up before it is killed."""
    for each in (signal.SIGTERM, signal.SIGKILL):
        for child in reversed(descendants(process.pid)):
            with suppress(ProcessLookupError):
                os.kill(child, each)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE_S)
            return


def descendants(pid: int) -> list[int]:
    """Return the ids of a process and all its descendants, parents first."""
    pids = [pid]
    for each in pids:
        with suppress(OSError):
            pids += map(int, Path(f"/proc/{each}/task/{each}/children").read_text().split())
    return pids


def in_root(root: Path, command: Sequence[str], *, stdin: bytes | None = None, epoch: int = 0) -> bytes:
    """Run a tool that is installed in another root, inside that root; raises ToolError."""
    clean = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "HOME": "/",
        "SOURCE_DATE_EPOCH": str(epoch),
        "PYTHONHASHSEED": "0",
    }
    words = [f"{key}={value}" for key, value in clean.items()]
    try:
        return run(["chroot", str(root), "/usr/bin/env", "-i", *words, *command], stdin=stdin)
    except ToolError as error:
        raise ToolError(str(error).replace("chroot failed", f"{command[0]} failed", 1)) from error


def last_words(text: str) -> str:
    """Return the last lines of a tool's output that are marked as errors, or else its last lines."""
    lines = [line for line in text.splitlines() if line.strip()]
    marked = [line for line in lines if line.lstrip().startswith(("E:", "Err:", "error:", "ERROR:"))]
    return "\n".join(f"  {line.rstrip()}" for line in (marked or lines)[-_LAST_LINES:]) or "  (nothing)"


def _end(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"
