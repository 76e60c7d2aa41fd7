"""Two builds of an image are identical byte for byte, and a failed build leaves no image."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provisioning.image import build, build_cache, recipe
from provisioning.image.errors import ImageError, ToolError
from tests.image import card
from tests.image.conftest import OUTPUT

pytestmark = [pytest.mark.image, pytest.mark.timeout(7200)]

REPOSITORY = card.REPOSITORY


def virt() -> recipe.Recipe:
    return recipe.read(REPOSITORY / "image", board="virt", base="debian", native=build.native())


def digests(folder: Path) -> dict[str, str]:
    return {path.name: build_cache.file_digest(path) for path in sorted(folder.iterdir())}


def clone(place: Path) -> Path:
    """Clone this repository's current commit to another folder, and return that folder."""
    command = ["git", "-c", "safe.directory=*", "clone", "-q", "--no-hardlinks", str(REPOSITORY), str(place)]
    subprocess.run(command, check=True)
    return place


def test_two_builds_of_a_commit_are_the_same(tmp_path: Path) -> None:
    """The builds use separate clones, and do not change the package lists of this machine."""
    found, lists = [], sorted(Path("/var/lib/apt/lists").iterdir())
    for name in ("one", "other/farther"):
        checkout = clone(tmp_path / name)
        command = [sys.executable, "-m", "provisioning.image", "--board", "virt", "--base", "debian"]
        begun = time.monotonic()
        subprocess.run(command, check=True, cwd=checkout, env={**os.environ, "PYTHONPATH": str(checkout)})
        print(f"{name}: {time.monotonic() - begun:.0f} s")
        (folder,) = (path.parent for path in (checkout / "build/image").glob("*/SHA256SUMS"))
        found.append(digests(folder))
        subprocess.run(["rm", "-rf", str(checkout / "build")], check=True)
    assert found[0] == found[1]
    assert sorted(Path("/var/lib/apt/lists").iterdir()) == lists


def test_bill_of_materials_states_the_licences_of_every_package(image: Path) -> None:
    bill = json.loads((image.parent / f"{image.stem}.cdx.json").read_text())
    without = [each["name"] for each in bill["components"] if not each.get("licenses")]
    stated = {each["name"]: json.dumps(each["licenses"]) for each in bill["components"]}
    referring = [name for name, licences in stated.items() if "see /usr/share/doc/" in licences]
    assert without == []
    assert "GPL-3.0-or-later" in stated["bash"]
    assert "LGPL-2.1-or-later" in stated["systemd"]
    assert "Apache-2.0" in stated["logboat"]
    assert len(referring) < len(stated) / 2


def unfinished(output: Path) -> list[str]:
    """Return the names of all files in the output folder except log files."""
    return [path.name for path in output.iterdir() if path.suffix != ".log"]


def test_a_package_that_cannot_be_fetched_is_named(tmp_path: Path) -> None:
    impossible = replace(virt(), packages=(*virt().packages, "no-such-package-at-all"))
    output = tmp_path / "out"
    with pytest.raises(ToolError, match=r"(?s)mmdebstrap failed.*no-such-package-at-all"):
        build.Build(impossible, REPOSITORY, output, tmp_path / "cache").run()
    assert unfinished(output) == []
    assert not list((tmp_path / "cache").glob("base_*"))
    assert not list((tmp_path / "cache").glob(".scratch/*"))


def test_interrupted_build_leaves_no_image(tmp_path: Path) -> None:
    output, cache = tmp_path / "out", tmp_path / "cache"
    command = [sys.executable, "-m", "provisioning.image", "--board", "virt", "--base", "debian"]
    with subprocess.Popen(
        [*command, "--output", str(output), "--cache", str(cache)],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        end = time.monotonic() + 300
        while not list(cache.glob(".scratch/mmdebstrap.*/usr/bin")):
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "interrupted; no incomplete files are left" in said
    assert unfinished(output) == []
    assert not list(cache.glob("*.tar"))
    assert str(cache) not in Path("/proc/mounts").read_text()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Yield a 500 MB file system, which is too small for a build."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=500m,mode=755", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_full_disk_is_reported_and_leaves_no_image(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageError, match="free some space"):
        build.Build(virt(), REPOSITORY, small / "out", OUTPUT / "cache").run()
    monkeypatch.setattr(build, "NEEDED", 0)
    cache = Path(os.environ.get("LOGBOAT_IMAGE_CACHE", str(OUTPUT / "cache")))
    with pytest.raises(ToolError, match="No space left on device"):
        build.Build(virt(), REPOSITORY, small / "out", cache).run()
    assert unfinished(small / "out") == []
