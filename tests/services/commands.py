"""Runs the `logboat` command in the test's own process, which saves the time to start Python."""

import contextlib
import io
import subprocess

from services.cli.main import main


def logboat(*words: str) -> "subprocess.CompletedProcess[str]":
    """Run the command, and return its exit status and its output."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(words)
    return subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())
