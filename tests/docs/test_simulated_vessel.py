"""The simulated vessel in docs/demo.md records, using the files and commands exactly as on the page."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.polling import wait_until

from .pages import DOCS, ROOT, blocks

LOGBOAT = "from services.cli.main import main; raise SystemExit(main())"
PAGE = DOCS / "demo.md"
WAIT_S = 60.0


def started(line: str, folder: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", LOGBOAT, *shlex.split(line)[1:]]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def ran(line: str, folder: Path) -> str:
    process = started(line, folder)
    output, _ = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, output
    return output


@pytest.mark.wall_clock
def test_simulated_vessel_records(tmp_path: Path) -> None:
    for name, block in zip(("logboat.toml", "sensors.toml"), blocks(PAGE, language="toml"), strict=True):
        (tmp_path / name).write_text(block.text)
    lines = [
        line for block in blocks(PAGE) for line in block.text.splitlines() if line.startswith("logboat ")
    ]
    check, record, top, verify = lines
    assert ran(check, tmp_path).count(": good") == 2
    recorder = started(record, tmp_path)
    try:
        wait_until(
            lambda: "Recording: yes" in ran(f"{top} --once", tmp_path),
            "the recorder makes samples durable",
            within=WAIT_S,
        )
    finally:
        recorder.send_signal(signal.SIGINT)
        recorder.communicate(timeout=WAIT_S)
    assert "trial" in ran(verify, tmp_path)
