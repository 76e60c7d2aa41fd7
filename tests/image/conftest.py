"""Fixtures: the image that the tests boot, an SSH key, and a virtual machine that many tests share."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.image.build import native
from tests.image import card
from tests.image.guest import Guest

REPOSITORY = card.REPOSITORY
OUTPUT = REPOSITORY / "build/image"


def build(board: str) -> Path:
    """Build a board's Debian-based image, using cached parts, and return the folder that contains it."""
    command = [sys.executable, "-m", "provisioning.image", "--board", board, "--base", "debian"]
    cache = os.environ.get("LOGBOAT_IMAGE_CACHE", str(OUTPUT / "cache"))
    subprocess.run([*command, "--output", str(OUTPUT), "--cache", cache], check=True, cwd=REPOSITORY)
    architecture = native() if board == "virt" else "arm64"
    return OUTPUT / f"logboat-{board}-debian-{architecture}"


@pytest.fixture(scope="session")
def image() -> Path:
    """Return the path of the uncompressed image for the `virt` board."""
    folder = build("virt")
    return folder / f"{folder.name}.img"


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a private SSH key. The public key is in the same folder."""
    path = tmp_path_factory.mktemp("key") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def vessel(key: Path, name: str = "argo", more: str = "") -> str:
    """Return the text of a vessel.toml that permits login with the SSH key."""
    public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    return f'[vessel]\nid = "{name}"\n\n[network]\nssh_keys = ["{public}"]\n{more}'


@pytest.fixture(scope="module")
def booted(image: Path, key: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """Yield a virtual machine that has completed its first boot and accepts logins."""
    place = tmp_path_factory.mktemp("guest")
    flashed = card.copy(image, place)
    flashed.put({"vessel.toml": vessel(key)})
    with Guest(flashed, place, key, architecture=native(), forwards=(4984, 8080)) as guest:
        guest.wait_for_login()
        yield guest
