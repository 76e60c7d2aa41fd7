"""The image's root file system boots in an arm64 virtual machine without firmware, and records data."""

import subprocess
from pathlib import Path

import pytest

from tests.image import card
from tests.image.conftest import build, vessel
from tests.image.guest import Guest

pytestmark = [pytest.mark.image, pytest.mark.timeout(7200)]


def test_root_file_system_boots_and_the_recorder_records(key: Path, tmp_path: Path) -> None:
    folder = build("pi")
    raw = tmp_path / "raw.img"
    packed = folder / f"{folder.name}.img.xz"
    script = 'set -o pipefail; xz -dc -T0 "$1" | dd bs=1M conv=sparse iflag=fullblock status=none of="$2"'
    subprocess.run(["bash", "-c", script, "unpack", str(packed), str(raw)], check=True)
    flashed = card.copy(raw, tmp_path / "card")
    raw.unlink()
    flashed.put({"vessel.toml": vessel(key)})
    with Guest(flashed, tmp_path, key, architecture="arm64") as guest:
        guest.wait_for_login()
        guest.wait_for("recording", lambda: "lastDurable" in guest.run("logboat status --json", check=False))
        assert guest.run("uname -m") == "aarch64"
        before = guest.json("logboat status --json")["recorder"]["lastDurable"]["samples"]
        guest.wait_for(
            "more samples",
            lambda: guest.json("logboat status --json")["recorder"]["lastDurable"]["samples"] > before,
        )
