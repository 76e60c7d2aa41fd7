"""An appliance built on an official Raspberry Pi OS image boots in QEMU.

The tests generate a substitute for the official image.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from provisioning.image import build, recipe, roots
from tests.image import card
from tests.image.conftest import OUTPUT, vessel
from tests.image.guest import Guest

pytestmark = [pytest.mark.image, pytest.mark.timeout(7200)]

MIB = 2**20
FAT, ROOT = (8192 * 512, 64 * MIB), (80 * MIB, 1600 * MIB)
LACKS = "i2c-tools"
"""Package that the appliance needs and that the official image lacks."""


def official(place: Path, cache: Path) -> Path:
    """Create an xz-compressed image with a FAT and a root partition, and return its path.

    Like the official image, it has a `userconfig` unit, which prompts for a user name at boot.
    """
    found = recipe.read(card.REPOSITORY / "image", board="virt", base="debian", native=build.native())
    root, disk = place / "root", place / "raspios.img"
    roots.unpack(roots.base(found, cache, log=place / "log"), root)
    (root / "usr/lib/systemd/system/userconfig.service").write_text(
        "[Service]\nExecStart=/bin/false\n[Install]\nWantedBy=multi-user.target\n"
    )
    (root / "etc/fstab").write_text("PARTUUID=12345678-02 / ext4 defaults,noatime 0 1\n")
    subprocess.run(["chroot", str(root), "dpkg", "--purge", LACKS], check=True)
    with disk.open("wb") as file:
        file.truncate(ROOT[0] + ROOT[1])
    script = "label: dos\nlabel-id: 0x12345678\n" + "".join(
        f"{number} : start={start // 512}, size={size // 512}, type={kind}\n"
        for number, (start, size), kind in ((1, FAT, "c"), (2, ROOT, "83"))
    )
    subprocess.run(["/usr/sbin/sfdisk", "-q", str(disk)], input=script.encode(), check=True)
    fat = ["/usr/sbin/mkfs.vfat", "-F", "32", "-s", "1", f"--offset={FAT[0] // 512}"]
    subprocess.run([*fat, str(disk), str(FAT[1] // 1024)], check=True)
    subprocess.run(
        ["mcopy", "-i", f"{disk}@@{FAT[0]}", "-", "::config.txt"], input=b"arm_64bit=1\n", check=True
    )
    extended = f"offset={ROOT[0]},nodiscard"
    mke2fs = ["/usr/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-E", extended, "-d", str(root)]
    subprocess.run([*mke2fs, str(disk), str(ROOT[1] // 4096)], check=True)
    shutil.rmtree(root)
    subprocess.run(["xz", "-0", "-T0", str(disk)], check=True)
    return disk.with_name("raspios.img.xz")


def test_official_image_becomes_an_appliance(tmp_path: Path, key: Path) -> None:
    cache = Path(os.environ.get("LOGBOAT_IMAGE_CACHE", str(OUTPUT / "cache")))
    given = official(tmp_path, cache)
    output = tmp_path / "out"
    command = [sys.executable, "-m", "provisioning.image", "--board", "virt", "--base", str(given)]
    subprocess.run(
        [*command, "--output", str(output), "--cache", str(cache)], check=True, cwd=card.REPOSITORY
    )
    (image,) = output.glob("*/*.img")
    flashed = card.copy(image, tmp_path / "card")
    shutil.rmtree(output)
    flashed.put({"vessel.toml": vessel(key)})
    with Guest(flashed, tmp_path, key, architecture=build.native()) as guest:
        guest.wait_for_login()
        guest.wait_for("recording", lambda: "lastDurable" in guest.run("logboat status --json", check=False))
        assert guest.run("findmnt -n -o OPTIONS /").startswith("ro")
        assert guest.run("systemctl is-enabled userconfig.service", check=False) == "masked"
        assert guest.run(f"dpkg-query -W -f '${{Status}}' {LACKS}") == "install ok installed"
        assert guest.run("systemctl --failed --no-legend --plain") == ""


def test_damaged_official_image_is_reported(tmp_path: Path) -> None:
    damaged = tmp_path / "raspios.img.xz"
    subprocess.run(f"head -c 4000000 /dev/urandom | xz -0 > {damaged}", shell=True, check=True)
    with damaged.open("r+b") as file:
        file.truncate(2_000_000)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "provisioning.image", "--board", "virt", "--base", str(damaged)),
            *("--output", str(tmp_path / "out")),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=card.REPOSITORY,
    )
    assert done.returncode == 1
    assert f"{damaged} is damaged" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir() if path.is_dir()] == ["cache"]
