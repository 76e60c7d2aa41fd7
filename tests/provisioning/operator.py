"""Creates SD cards with `logboat` commands, as a fleet's operator does, for tests that boot the cards."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from provisioning.card import partitions
from services.cli.main import main

PASSPHRASE: Final = "four words and more"


def cards(
    root: Path,
    image: Path,
    vessels: Sequence[str] = ("argo", "brigid"),
    *,
    configurations: Mapping[str, str] | None = None,
    sensors: str = "",
) -> Mapping[str, Path]:
    """Create a fleet `north` in `root`, and a card for each vessel from an image.

    `configurations` contains a `vessel.toml` for each vessel that needs more settings than its id. `sensors`
    is the `sensors.toml` of every vessel. Return the paths of the cards, which have never been booted, by
    vessel.
    """
    (root / "passphrase").write_text(f"{PASSPHRASE}\n")
    secret = ["--passphrase-file", str(root / "passphrase")]
    fleet = root / "north"
    assert main(["fleet", "init", str(fleet), "--name", "north", *secret]) == 0
    for vessel in vessels:
        assert main(["fleet", "add", str(fleet), vessel, "--name", f"SY {vessel.title()}", *secret]) == 0
        place = fleet / "vessels" / vessel
        if configurations and vessel in configurations:
            (place / "vessel.toml").write_text(configurations[vessel])
        if sensors:
            (place / "sensors.toml").write_text(sensors)
    to = str(root / "{vessel}.img")
    assert main(["fleet", "card", str(fleet), *vessels, "--image", str(image), "--to", to, "--yes"]) == 0
    return {vessel: root / f"{vessel}.img" for vessel in vessels}


def assert_gone_from_fat(image: Path, fleet: Path, vessel: str) -> None:
    """Assert that the FAT partition contains no secret of a vessel's bundle, not even in deleted files."""
    with image.open("rb") as file:
        fat, _ = partitions.ours(partitions.at(file.fileno()), str(image))
        file.seek(fat.start)
        raw = file.read(fat.size)
    place = fleet / "vessels" / vessel
    for path in (place / "identity/vessel.key", place / "identity/radio.key", *place.glob("*.password")):
        # Check each line, because a file may be fragmented. PEM's first and last lines are not secret.
        lines = [line for line in path.read_bytes().split(b"\n") if line and not line.startswith(b"-----")]
        assert not any(line in raw for line in lines), f"{path.name} can still be read on FAT"
