"""An appliance without a network sets its clock from a satellite receiver on a serial port."""

import contextlib
import socket
import threading
import time
from pathlib import Path

import pytest

from provisioning.image.build import native
from tests.image import card
from tests.image.conftest import vessel
from tests.image.guest import Guest
from tests.services.gnss.receiver import gga, rmc

pytestmark = [pytest.mark.image, pytest.mark.timeout(1800)]

AHEAD_S = 400 * 86_400.0
"""Time in seconds by which the satellite receiver is ahead of the guest's clock chip."""


def send(address: Path, stop: threading.Event) -> None:
    """Send NMEA sentences with the receiver's time once a second, until `stop` is set."""
    with socket.socket(socket.AF_UNIX) as port:
        port.connect(str(address))
        while not stop.wait(1.0):
            with contextlib.suppress(OSError):
                port.sendall(rmc(time.time() + AHEAD_S) + gga(time.time()))


def test_receiver_sets_the_clock_and_is_shown_as_its_source(image: Path, key: Path, tmp_path: Path) -> None:
    flashed = card.copy(image, tmp_path)
    port = "/dev/ttyS1" if native() == "amd64" else "/dev/ttyAMA1"
    flashed.put({"vessel.toml": vessel(key, more=f'\n[clock]\ngnss = "{port}"\nbaud = 9600\n')})
    address, stop = tmp_path / "receiver", threading.Event()
    with Guest(flashed, tmp_path, key, architecture=native(), receiver=address) as guest:
        guest.wait_for_login()
        print(guest.run("systemctl status logboat-gnss; cat /run/logboat/gnss.json", check=False))
        sender = threading.Thread(target=send, args=(address, stop))
        sender.start()
        try:
            guest.wait_for(
                "true time", lambda: abs(float(guest.run("date +%s")) - time.time() - AHEAD_S) < 60
            )
            guest.wait_for("its source", lambda: "set by GNSS" in guest.run("logboat status", check=False))
            print(guest.run("logboat status", check=False))
            print(guest.root("journalctl -u logboat-gnss --no-pager", check=False))
            assert guest.run("systemctl --failed --no-legend --plain") == ""
        finally:
            stop.set()
            sender.join()
