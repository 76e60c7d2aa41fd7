"""An appliance survives power cuts with a disk that loses unflushed data.

The recorder sends its ledger, a list of durable samples, over a serial port to a file outside the guest.
Killing only QEMU loses no data that the guest has written, in any cache mode. The disk is therefore served by
nbdkit, which has a cache of its own. When both processes are killed, unflushed data is lost.
"""

import os
import random
import signal
import subprocess
import time
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from provisioning.image.build import native
from tests.image import card
from tests.image.conftest import vessel
from tests.image.guest import Guest

pytestmark = [pytest.mark.image, pytest.mark.timeout(7200)]

LEDGER = """[Service]
ExecStart=
ExecStart=/usr/bin/logboat record --ledger 1
StandardOutput=tty
TTYPath=/dev/ttyS1
DeviceAllow=/dev/ttyS1 rw
"""
SENSORS = """
[[sensor]]
id = "engine"
name = "Engine"
kind = "simulated"
model = "engine"
path = "propulsion.main.revolutions"
rate = "10 Hz"
window = "1 min"

[[sensor]]
id = "cabin"
name = "Cabin"
kind = "simulated"
model = "temperature"
path = "environment.inside.cabin.temperature"
rate = "1 Hz"
window = "1 min"
"""


class Disk:
    """Server of a virtual disk that loses unflushed data when the power is cut."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.socket = path.with_suffix(".sock")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start the disk server, and return the value of QEMU's `-drive` option for the disk."""
        self.socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [
                "nbdkit",
                "-f",
                "-U",
                str(self.socket),
                "--filter=cache",
                "file",
                str(self._path),
                "cache=writeback",
            ],
            env={**os.environ, "TMPDIR": str(self._path.parent)},
        )
        end = time.monotonic() + 30
        while not self.socket.exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        return f"file=nbd:unix:{self.socket},if=none,id=card,format=raw,cache=writeback"

    def cut(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()


def told(serial: Path) -> dict[tuple[str, str], int]:
    """Return the highest sequence number in the ledger for each sensor and log. Ignore a truncated line."""
    found: dict[tuple[str, str], int] = defaultdict(int)
    for line in serial.read_bytes().replace(b"\r", b"").split(b"\n")[:-1]:
        words = line.decode(errors="replace").split(",")
        if len(words) == 3 and words[2].isdigit():
            found[words[0], words[1]] = max(found[words[0], words[1]], int(words[2]))
    return found


def tells_more(serial: Path, before: int) -> bool:
    return sum(told(serial).values()) > before


def on_record(guest: Guest) -> Any:
    return guest.json("logboat verify --json")


@pytest.mark.parametrize("cuts", [2, pytest.param(20, marks=pytest.mark.torture)])
def test_samples_in_the_ledger_survive_power_cuts_of_the_guest(
    image: Path, key: Path, tmp_path: Path, cuts: int
) -> None:
    chance = random.Random(seed := os.environ.get("LOGBOAT_SEED", "1"))
    print(f"seed {seed}")
    flashed = card.copy(image, tmp_path)
    flashed.put({"vessel.toml": vessel(key), "sensors.toml": SENSORS})
    disk, serial = Disk(flashed.disk), tmp_path / "ledger"
    serial.touch()
    guest = Guest(
        flashed,
        tmp_path,
        key,
        architecture=native(),
        serial=serial,
        drop_ins={"logboat-recorder.service": LEDGER},
    )
    try:
        for number in range(cuts):
            guest.drive = disk.start()
            before = sum(told(serial).values())
            guest.start()
            guest.wait_for("telling", partial(tells_more, serial, before))
            time.sleep(chance.uniform(0.0, 25.0))
            guest.kill()
            disk.cut()
            print(f"cut {number + 1}: {sum(told(serial).values())} samples told durable", flush=True)
            check(guest, disk, told(serial))
    finally:
        guest.kill()
        disk.cut()


def check(guest: Guest, disk: Disk, promised: dict[tuple[str, str], int]) -> None:
    """Boot the appliance after a power cut, check its data, and cut the power again.

    The appliance must report no damage, and its store must contain every sample in the ledger.
    """
    guest.drive = disk.start()
    guest.start()
    guest.wait_for_login()
    guest.wait_for(
        "recording", lambda: guest.run("systemctl is-active logboat-recorder", check=False) == "active"
    )
    assert guest.run("systemctl --failed --no-legend --plain") == ""
    assert guest.root("ls /var/lib/logboat/set-aside 2>/dev/null", check=False) == ""
    assert guest.run("findmnt -n -o OPTIONS /data").startswith("rw")
    guest.wait_for("verified", lambda: guest.run("logboat verify --json", check=False).startswith("{"))
    report = on_record(guest)
    assert report["complete"], report
    there = {
        (sensor["sensor"], sensor["log"]): sensor["last"]
        for each in report["vessels"]
        for sensor in each["sensors"]
    }
    for (sensor, log), last in promised.items():
        assert there.get((sensor, log), 0) >= last, (sensor, log, last, there)
    guest.kill()
    disk.cut()
