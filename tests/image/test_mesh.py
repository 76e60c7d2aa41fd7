"""Two vessels on one network find each other and mesh, with nothing configured but their cards."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from provisioning.image.build import native
from tests.image import card
from tests.image.conftest import vessel
from tests.image.guest import Guest, free_port
from tests.image.test_virt import make_fleet

pytestmark = [pytest.mark.image, pytest.mark.timeout(1800)]

VESSELS = ("argo", "brigid")


def documents_of(guest: Guest, name: str) -> int:
    """Readings of a vessel that are in this one's store."""
    listed = guest.run("logboat db ls /var/lib/logboat/log.db", check=False).splitlines()
    return sum(line.startswith(f"reading:{name}:") for line in listed)


def linked(guest: Guest) -> Any:
    return guest.json("logboat status --json")["mesh"]["linked"]


def test_two_vessels_mesh(image: Path, key: Path, tmp_path: Path) -> None:
    folder = make_fleet(tmp_path, "north")
    logboat = [sys.executable, "-m", "services", "fleet"]
    guests = []
    network = f"230.0.0.1:{free_port()}"
    for number, name in enumerate(VESSELS, start=1):
        passphrase = ["--passphrase-file", str(tmp_path / "passphrase")]
        subprocess.run([*logboat, "add", str(folder), name, *passphrase], check=True, cwd=card.REPOSITORY)
        (folder / "vessels" / name / "vessel.toml").write_text(vessel(key, name))
        flashed = card.copy(image, tmp_path / name)
        onto = ["--to", str(flashed.disk), "--bundle-only", "--yes"]
        subprocess.run([*logboat, "card", str(folder), name, *onto], check=True, cwd=card.REPOSITORY)
        guests.append(
            Guest(
                flashed,
                tmp_path / name,
                key,
                architecture=native(),
                number=number,
                memory=768,
                network=network,
            )
        )
    one, other = guests
    with one, other:
        for guest in guests:
            guest.wait_for_login()
        one.wait_for("linked", lambda: bool(linked(one)), seconds=300)
        other.wait_for("linked", lambda: bool(linked(other)), seconds=300)
        one.wait_for("readings of the other", lambda: documents_of(one, "brigid") > 0, seconds=300)
        other.wait_for("readings of the other", lambda: documents_of(other, "argo") > 0, seconds=300)
