"""A vessel with a bilge float and a siren, whose daemons run on a simulated GPIO header."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from services.state import state_file
from tests import processes
from tests.faults.processes import RecorderProcess
from tests.polling import wait_until
from tests.sensors.chip_process import SharedHeader

FLOAT, SIREN, BUTTON = 17, 23, 24
MODULE = "tests.sensors.chip_process"
REPOSITORY = Path(__file__).parents[3]
CONFIG = '[vessel]\nid = "{}"\n[lights]\n' + "".join(
    f"{name} = 0\n" for name in ("power", "record", "mesh", "gateway", "fault")
)
SENSORS = f"""
[[sensor]]
id = "bilge-float"
kind = "switch"
pin = {FLOAT}
pull = "up"
active = "low"
debounce = "20 ms"
path = "bilge.main.highWater"
alarm = {{ when = "active", severity = "emergency", text = "Water in the bilge" }}
"""
OUTPUT = f"""
[[output]]
id = "siren"
pin = {SIREN}
on = ["alarm", "emergency"]
neighbours = true
"""


class Vessel:
    """Vessel with its simulated header. A context manager, which ends the daemons."""

    def __init__(self, folder: Path, *, name: str = "argo", sensors: str = SENSORS, output: str = OUTPUT):
        self.folder, self.name = folder, name
        folder.mkdir(parents=True, exist_ok=True)
        for each in ("run", "data", "identity"):
            (folder / each).mkdir(exist_ok=True)
        (folder / "logboat.toml").write_text(CONFIG.format(name))
        (folder / "sensors.toml").write_text(f"{sensors}{output}")
        self.header = SharedHeader(folder)
        self.flood(False)
        self.recorder = RecorderProcess(folder, module=MODULE)
        self.lights: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.lights is not None:
            self.lights.kill()
            self.lights.wait()
        self.recorder.__exit__()

    @property
    def places(self) -> list[str]:
        """Options that name the vessel's folders."""
        return [
            *("--config", str(self.folder / "logboat.toml")),
            *("--sensors", str(self.folder / "sensors.toml")),
            *("--data", str(self.folder / "data")),
            *("--run", str(self.folder / "run")),
        ]

    def flood(self, is_wet: bool) -> None:
        """Close the contact of the bilge float, or open it."""
        self.header.drive(FLOAT, not is_wet)

    @property
    def sounds(self) -> bool:
        """True if the pin of the siren is on."""
        return self.header.level(SIREN)

    def start_recorder(self) -> None:
        """Start the recorder, and wait for its first commit."""
        self.recorder.start()
        self.recorder.wait_for_state(lambda state: state["lastDurable"] is not None)

    def start_lights(self) -> None:
        """Start the lights daemon, and wait until it drives the outputs."""
        with (self.folder / "lights.log").open("ab") as log:
            self.lights = processes.Popen(
                [
                    *(sys.executable, "-m", MODULE, "lights", *self.places),
                    *("--identity", str(self.folder / "identity")),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=REPOSITORY,
            )
        wait_until(lambda: self.outputs() is not None, "outputs in the state of the lights daemon")

    def kill_lights(self) -> None:
        """Kill the lights daemon with SIGKILL."""
        assert self.lights is not None
        self.lights.send_signal(signal.SIGKILL)
        self.lights.wait()

    def outputs(self) -> list[dict[str, Any]] | None:
        """Return the outputs' states as the lights daemon reports them; None if there is no report."""
        state = state_file.read(state_file.path(self.folder / "run", "lights"))
        return None if state is None else state.get("outputs")

    def run(self, *command: str) -> str:
        """Run a command on the simulated header, and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", MODULE, *command, *self.places],
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
            cwd=REPOSITORY,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def wait_for_siren(self, wanted: bool, *, within: float = 60.0) -> None:
        """Wait until the pin of the siren is on, or off."""
        wait_until(
            lambda: self.sounds == wanted,
            lambda: f"the siren {'on' if wanted else 'off'}; outputs: {self.outputs()}",
            within=within,
        )
