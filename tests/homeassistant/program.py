"""Installs Home Assistant in a separate virtual environment, and runs it.

Home Assistant needs a newer Python than Logboat. Its package requires a recent patch release of that Python,
but this requirement is ignored, because older patch releases are sufficient for the tests.
"""

import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from tests.interop import builds
from tests.polling import PATIENCE_S
from tests.ports import free_port

VERSION: Final = "2026.2.3"
REQUIREMENTS: Final = (f"homeassistant=={VERSION}", "paho-mqtt==2.1.0")
_NAME: Final = "home-assistant"
_INPUTS: Final = " ".join(REQUIREMENTS).encode()
_INSTALLING_S: Final = 900
_RUNNER: Final = Path(__file__).with_name("assistant.py")


def _python() -> str:
    """Return the path of a Python 3.13 interpreter, or raise MissingError if none is installed."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    built = [str(path) for path in sorted(versions.glob("3.13*/bin/python3"), reverse=True)]
    for path in (*built, shutil.which("python3.13")):
        if path is not None and _makes_environments(path):
            return path
    raise builds.MissingError("Python 3.13 is not installed; install it to test against Home Assistant")


def _makes_environments(python: str) -> bool:
    done = subprocess.run([python, "-c", "import venv, ensurepip"], capture_output=True, check=False)
    return done.returncode == 0


def home_assistant() -> Path:
    """Return the Python interpreter of Home Assistant's virtual environment.

    Home Assistant is installed if it is not yet installed on this machine.

    Raises:
        MissingError: Python 3.13 is not installed, or the installation of Home Assistant failed.
    """

    def make(folder: Path) -> None:
        builds.run([_python(), "-m", "venv", str(folder)], seconds=_INSTALLING_S)
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--ignore-requires-python"]
        builds.run([*pip, *REQUIREMENTS], seconds=_INSTALLING_S)

    return builds.built(_NAME, _INPUTS, make) / "bin/python"


def is_installed() -> bool:
    """Return True if Home Assistant is already installed on this machine."""
    return builds.place(_NAME, _INPUTS).exists()


class Assistant:
    """Home Assistant process that is connected to a broker and keeps its data in a folder."""

    def __init__(self, folder: Path, broker_port: int) -> None:
        self._folder, self._broker = folder, broker_port
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._answers: queue.Queue[str] = queue.Queue()
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> Self:
        with (self._folder / "errors.log").open("a") as log:
            self._process = subprocess.Popen(
                [home_assistant(), _RUNNER, self._folder, str(self._broker), str(free_port())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        self._answer()
        return self

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._answers.put(line)
        self._answers.put("")

    def _answer(self) -> Any:
        line = self._answers.get(timeout=PATIENCE_S)
        assert line, f"Home Assistant has ended:\n{self.errors}"
        return json.loads(line)

    def ask(self, **command: str) -> Any:
        """Send a command to Home Assistant's process, and return the decoded answer."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def entities(self) -> Mapping[str, Any]:
        """Return the state and the device of every MQTT entity, by entity id."""
        found: Mapping[str, Any] = self.ask(do="states")
        return found

    @property
    def errors(self) -> str:
        """Warnings and errors that Home Assistant has logged."""
        return (self._folder / "errors.log").read_text()

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._reader is not None:
            self._reader.join()
        self._answers = queue.Queue()
