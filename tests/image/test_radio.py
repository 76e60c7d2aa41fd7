"""Vessels connect over a Wi-Fi link, and crew devices join the crew's network, on simulated radios."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from provisioning.image.build import native
from tests.image import card
from tests.image.guest import Guest
from tests.provisioning import guest_radio
from tests.provisioning.operator import cards

pytestmark = [pytest.mark.image, pytest.mark.timeout(1800)]


def test_vessels_and_the_crew_connect_by_radio(image: Path, key: Path, tmp_path: Path) -> None:
    public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    written = f'[vessel]\nid = "argo"\n{guest_radio.NETWORK}ssh_keys = ["{public}"]\n'
    written_cards = cards(
        tmp_path,
        image,
        configurations={"argo": written},
        vessels=("argo", guest_radio.OTHER),
        sensors=guest_radio.SENSORS,
    )
    flashed = card.copy(written_cards["argo"], tmp_path / "argo")
    flashed = replace(flashed, command_line=f"{flashed.command_line} {guest_radio.RADIOS}")
    with Guest(flashed, tmp_path, key, architecture=native()) as guest:
        guest.wait_for_login()
        packed = tmp_path / "identity.tar"
        folder = tmp_path / "north/vessels" / guest_radio.OTHER
        subprocess.run(["tar", "-cf", str(packed), "-C", str(folder), "identity"], check=True)
        guest.put(packed, "identity.tar")
        guest.put(Path(guest_radio.__file__), "radio.py")
        guest.run("tar -xf identity.tar")
        print(guest.root("python3 /home/skipper/radio.py /home/skipper/identity 2>/tmp/said", seconds=900))
