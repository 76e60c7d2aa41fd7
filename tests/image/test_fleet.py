"""Two virtual machines boot from an operator's SD cards and replicate, without further configuration.

The operator wrote one card completely (`fleet card --image`). For the other card, the image was copied first,
and only the bundle was written, to the FAT partition (`--bundle-only`).
"""

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from provisioning.image.build import native
from services.cli.main import main
from tests.image import card
from tests.image.conftest import vessel
from tests.image.guest import Guest
from tests.ports import free_port
from tests.provisioning.operator import assert_gone_from_fat, cards

pytestmark = [pytest.mark.image, pytest.mark.timeout(1800)]

SENSORS: Final = """
[[sensor]]
id = "{name}-bilge"
name = "Bilge of {name}"
kind = "simulated"
model = "temperature"
path = "environment.inside.bilge.temperature"
rate = "1 Hz"
window = "10 s"
"""


@dataclass(frozen=True, slots=True)
class Fleet:
    """The operator's folder, an unused card for each vessel, and the network of the virtual machines."""

    folder: Path
    cards: Mapping[str, card.Card]
    key: Path
    network: str

    def guest(self, name: str, number: int, flashed: card.Card | None = None) -> Guest:
        """Return a virtual machine for a vessel, connected to the fleet's network but not started."""
        found = flashed or self.cards[name]
        return Guest(
            found,
            found.disk.parent,
            self.key,
            architecture=native(),
            number=number,
            memory=768,
            network=self.network,
        )


@pytest.fixture(scope="module")
def fleet(image: Path, key: Path, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    root = tmp_path_factory.mktemp("operator")
    written = cards(root, image, configurations={name: vessel(key, name) for name in ("argo", "brigid")})
    for name in written:
        (root / "north/vessels" / name / "sensors.toml").write_text(SENSORS.format(name=name))
    found = {}
    for name, path in written.items():
        how = ["--image", str(image)]
        if name == "brigid":
            subprocess.run(["cp", "--sparse=always", str(image), str(path)], check=True)
            how = ["--bundle-only"]
        again = ["fleet", "card", str(root / "north"), name, *how, "--to", str(path), "--again", "--yes"]
        assert main(again) == 0
        found[name] = card.copy(path, root / name)
        path.unlink()
    return Fleet(root / "north", found, key, f"230.0.0.1:{free_port()}")


@pytest.fixture(scope="module")
def guests(fleet: Fleet) -> Iterator[tuple[Guest, Guest]]:
    with pytest.raises(AssertionError):  # the check finds secrets before the first start
        assert_gone_from_fat(fleet.cards["brigid"].disk, fleet.folder, "brigid")
    assert_gone_from_fat(fleet.cards["argo"].disk, fleet.folder, "argo")
    with fleet.guest("argo", 1) as argo, fleet.guest("brigid", 2) as brigid:
        for guest in (argo, brigid):
            guest.wait_for_login()
        yield argo, brigid


def status(guest: Guest) -> dict[str, Any]:
    """Return the output of `logboat status`, or an empty dictionary while the command fails."""
    said = guest.run("logboat status --json", check=False)
    found: dict[str, Any] = json.loads(said) if said.startswith("{") else {}
    return found


def recording(guest: Guest) -> bool:
    return bool(status(guest).get("recorder"))


def mesh(guest: Guest, fact: str) -> Any:
    return (status(guest).get("mesh") or {}).get(fact)


def tells(guest: Guest, fact: str) -> bool:
    return bool(mesh(guest, fact))


def readings(guest: Guest, of: str) -> int:
    """Return the number of readings by the vessel `of` in this guest's document store."""
    listed = guest.run("logboat db ls /var/lib/logboat/log.db", check=False).splitlines()
    return sum(line.startswith(f"reading:{of}:") for line in listed)


def has(guest: Guest, other: str) -> bool:
    return readings(guest, other) > 0


def test_each_vessel_has_its_own_identity(fleet: Fleet, guests: tuple[Guest, Guest]) -> None:
    own = {}
    for guest, name in zip(guests, ("argo", "brigid"), strict=True):
        guest.wait_for("recording", partial(recording, guest))
        assert guest.run("hostname") == f"logboat-{name}"
        assert status(guest)["vessel"] == name
        assert [each["sensor"] for each in guest.json("logboat sensors --json")["sensors"]] == [
            f"{name}-bilge"
        ]
        certificate = guest.root("cat /etc/logboat/identity/vessel.pem")
        assert certificate == (fleet.folder / "vessels" / name / "identity/vessel.pem").read_text().strip()
        own[name] = (certificate, guest.run("cat /etc/logboat/ssh/ssh_host_ed25519_key.pub /etc/machine-id"))
        refused = guest.ssh("-o", "PubkeyAuthentication=no", "-o", "ControlPath=none")
        assert "Permission denied (publickey)" in refused.stderr
    assert not set(own["argo"]) & set(own["brigid"])


def test_vessels_replicate_with_each_other(guests: tuple[Guest, Guest]) -> None:
    for guest, other in zip(guests, ("brigid", "argo"), strict=True):
        guest.wait_for("linked", partial(tells, guest, "linked"))
        guest.wait_for("readings of the other", partial(has, guest, other))


def test_no_secret_is_left_on_fat(fleet: Fleet, guests: tuple[Guest, Guest]) -> None:
    for guest, name in zip(guests, ("argo", "brigid"), strict=True):
        guest.root("sync")
        assert_gone_from_fat(fleet.cards[name].disk, fleet.folder, name)
        assert "PROBLEMS.txt" not in guest.root("ls /boot/firmware/logboat")
        assert guest.root("ls /etc/logboat/identity/vessel.key")


def test_a_second_board_with_the_same_card_is_reported_on_both(
    fleet: Fleet, guests: tuple[Guest, Guest], image: Path
) -> None:
    argo, _ = guests
    copied = fleet.folder.parent / "copied.img"
    again = ["fleet", "card", str(fleet.folder), "argo", "--image", str(image), "--again", "--yes"]
    assert main([*again, "--to", str(copied)]) == 0
    flashed = card.copy(copied, fleet.folder.parent / "copy")
    copied.unlink()
    with fleet.guest("argo", 3, flashed) as copy:
        copy.wait_for_login()
        for guest in (argo, copy):
            guest.wait_for("reported", partial(tells, guest, "clones"))
            assert "argo" in mesh(guest, "clones")[0]
            assert "DUPLICATE IDENTITY" in guest.run("logboat status")
