"""If a sensor needs a kernel driver, Logboat adds a line to config.txt and reboots the machine once."""

import subprocess
from pathlib import Path

import pytest

from provisioning.image.build import native
from tests.image import card
from tests.image.conftest import vessel
from tests.image.guest import Guest

pytestmark = [pytest.mark.image, pytest.mark.timeout(1800)]

SENSORS = """
[[sensor]]
id = "exhaust"
kind = "ds18b20"
path = "propulsion.main.exhaustTemperature"
"""


def config(flashed: card.Card, content: str | None = None) -> str:
    """Return the config.txt of the first slot, as the firmware of a Raspberry Pi would read it.

    If `content` is given, first write it to that file.
    """
    drive = ["-i", f"{flashed.disk}@@{card.layout().partition('boot-a').start}"]
    if content is not None:
        subprocess.run(["mcopy", "-o", *drive, "-", "::config.txt"], input=content.encode(), check=True)
    read = ["mcopy", *drive, "::config.txt", "-"]
    return subprocess.run(read, capture_output=True, check=True, text=True).stdout


def test_a_sensor_that_needs_a_driver_restarts_the_machine_once(
    image: Path, key: Path, tmp_path: Path
) -> None:
    flashed = card.copy(image, tmp_path)
    flashed.put({"vessel.toml": vessel(key), "sensors.toml": SENSORS})
    config(flashed, "arm_64bit=1\n")  # QEMU ignores config.txt, but Logboat still edits the file
    with Guest(flashed, tmp_path, key, architecture=native()) as guest:
        guest.wait_for_end("the restart for the driver")
        assert "dtoverlay=w1-gpio" in config(flashed)
        guest.start()
        guest.wait_for_login()
        guest.wait_for("up", lambda: guest.run("systemctl is-active logboat-boot", check=False) == "active")
        assert guest.json("logboat status --json")["boot"]["restarts"] is False
        assert "exhaust" in guest.run("logboat sensors")
        assert "PROBLEMS.txt" not in guest.root("ls /boot/firmware/logboat")
        guest.root("sync")
    assert config(flashed).count("dtoverlay=w1-gpio") == 1
    assert config(flashed).startswith("arm_64bit=1\n")
