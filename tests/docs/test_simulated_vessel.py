"""The simulated vessel in docs/demo.md records samples with exactly the files and commands on the page."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.polling import wait_until
from tests.ports import free_port

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
    files = [block.text for block in blocks(PAGE, language="toml")][:2]
    for name, text in zip(("logboat.toml", "sensors.toml"), files, strict=True):
        (tmp_path / name).write_text(text)
    lines = [
        line
        for block in blocks(PAGE)
        for line in block.text.splitlines()
        if line.startswith("logboat ") and not line.startswith("logboat fleet ")
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


@pytest.mark.wall_clock
def test_two_vessels_of_ones_own_record_and_listen(tmp_path: Path) -> None:
    sensors, listener = [block.text for block in blocks(PAGE, language="toml")][1:]
    (tmp_path / "sensors.toml").write_text(sensors)
    (tmp_path / "passphrase").write_text("a passphrase for a test\n")
    command = f'{shlex.quote(sys.executable)} -c "{LOGBOAT}" "$@"'
    (tmp_path / "logboat").write_text(f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {command}\n")
    (tmp_path / "logboat").chmod(0o755)
    texts = [block.text for block in blocks(PAGE)]
    setup = next(text for text in texts if "logboat fleet add" in text)
    running = next(text for text in texts if text.startswith("on() "))
    define, *daemons = running.splitlines()
    shown = next(text for text in texts if text.startswith("on argo peers")).splitlines()
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}

    def shell(script: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            ["bash", "-c", script],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    for line in setup.splitlines():
        asks = line.startswith("logboat fleet")
        made = shell(f"{line} --passphrase-file passphrase" if asks else line)
        output, _ = made.communicate(timeout=WAIT_S)
        assert made.returncode == 0, output
    for vessel in ("argo", "brigid"):
        with (tmp_path / f"north/vessels/{vessel}/vessel.toml").open("a") as file:
            file.write(listener.replace("4985", str(free_port())))
    processes = [shell(f"{define}\n{line}") for line in daemons]
    try:

        def reads_argo() -> bool:
            process = shell(f"{define}\n{shown[0]}")
            output, _ = process.communicate(timeout=WAIT_S)
            return process.returncode == 0 and "argo (fleet north)" in output

        wait_until(reads_argo, "the sync daemon takes part in the mesh", within=WAIT_S)
        assert [process.poll() for process in processes] == [None] * 4
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGTERM)
        for process in processes:
            process.communicate(timeout=WAIT_S)
