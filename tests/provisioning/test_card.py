"""A card is written only to permitted targets, and does not boot if it was written incompletely."""

import errno
import hashlib
import json
import lzma
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from provisioning.card import free_space, image_writing, make, partition_growth, partitions, target, tools
from provisioning.card.target import Target, check_target
from provisioning.errors import CardError
from sync import durable_files
from tests.provisioning import images
from tests.provisioning.bundles import bundle

SECRET = bundle()["identity/vessel.key"]


def nothing(_what: str, _so_far: int, _total: int | None) -> None:
    """Ignore a progress report."""


def card(path: Path, image: Path | None = None) -> None:
    make.write_card(image or images.image(), Target(path, None, ""), bundle(), progress=nothing)


# Targets that may be overwritten

READER = {
    "path": "/dev/sdb",
    "type": "disk",
    "size": 32_000_000_000,
    "rm": True,
    "hotplug": True,
    "ro": False,
    "model": "SD Reader",
    "vendor": "Any     ",
    "tran": "usb",
    "mountpoints": [None],
}


def listed(**changed: Any) -> Mapping[str, Any]:
    return {"blockdevices": [{**READER, **changed}]}


def test_card_in_a_reader_may_be_written_and_is_named() -> None:
    found = check_target(Path("/dev/sdb"), need=4_000_000_000, listed=listed())
    assert found.is_device
    assert found.words == "/dev/sdb: Any SD Reader, 32 GB"
    old = listed(rm="1", ro="0", size="32000000000")
    assert check_target(Path("/dev/sdb"), need=0, listed=old).size == 32_000_000_000


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"mountpoints": ["/media/card"]}, "mounted at /media/card; if this is the card, unmount it"),
        ({"children": [{"path": "/dev/sdb1", "mountpoints": [None, "/"]}]}, "mounted at /;"),
        ({"children": [{"path": "/dev/sdb1", "mountpoint": "[SWAP]"}]}, "mounted at"),
        ({"rm": False, "hotplug": False, "tran": "sata"}, "not removable"),
        ({"rm": "0", "hotplug": "0", "tran": "nvme"}, "not removable"),
        ({"size": 1_000_000}, "too small; the image needs 4 GB"),
        ({"size": 0}, "no card in the reader"),
        ({"ro": True}, "lock switch"),
        ({"type": "part"}, "not a whole card"),
        ({"path": "/dev/sdc"}, "the device does not exist"),
    ],
)
def test_target_that_is_not_a_card_is_refused(changed: Mapping[str, Any], said: str) -> None:
    with pytest.raises(CardError, match=said):
        check_target(Path("/dev/sdb"), need=4_000_000_000, listed=listed(**changed))


def test_devices_are_listed_and_a_folder_is_refused_as_target(tmp_path: Path) -> None:
    images.need_tools()
    assert "blockdevices" in target.devices()
    with pytest.raises(CardError, match="the folder does not exist"):
        check_target(tmp_path / "no" / "card.img", need=1, listed={})
    with pytest.raises(CardError, match="neither a file nor a device"):
        check_target(tmp_path, need=1, listed={})


@pytest.mark.parametrize(
    ("path", "so"),
    [
        ("/dev/sdb", True),
        ("/dev/../dev/nothing", True),
        ("/dev/shm/argo.img", False),
        ("/home/anna/argo.img", False),
        ("/dev", False),
    ],
)
def test_path_in_dev_is_a_device_except_for_files_in_memory(path: str, so: bool) -> None:
    assert target.is_device(Path(path)) is so


# Content that is written


def test_card_has_image_and_bundle_and_no_key_on_fat(tmp_path: Path) -> None:
    path = tmp_path / "argo.img"
    card(path)
    for name, content in bundle().items():
        assert images.in_data(path, f"cat /inbox/{name}").encode() == content
    assert "User:     0   Group:     0" in images.in_data(path, "stat /inbox/identity/vessel.key")
    assert "Mode:  0600" in images.in_data(path, "stat /inbox/identity/vessel.key")
    assert "Mode:  0700" in images.in_data(path, "stat /inbox")
    raw = path.read_bytes()
    with path.open("rb") as file:
        found = partitions.read(partitions.at(file.fileno()))
    assert sorted(found) == [1, 2, 3, 4, 5, 6, 7]
    where = raw.index(SECRET)
    assert found[7].start <= where < found[7].start + found[7].size
    assert raw[: found[7].start] == images.image().read_bytes()[: found[7].start]
    assert path.stat().st_blocks * 512 < images.SIZE / 2
    assert [each.name for each in tmp_path.iterdir()] == ["argo.img"]


def test_compressed_image_makes_the_same_card(tmp_path: Path) -> None:
    packed = tmp_path / "logboat.img.xz"
    packed.write_bytes(lzma.compress(images.image().read_bytes(), preset=0))
    card(tmp_path / "argo.img", packed)
    assert images.in_data(tmp_path / "argo.img", "cat /inbox/identity/vessel.key").encode() == SECRET
    packed.write_bytes(packed.read_bytes()[:-1000])
    with pytest.raises(CardError, match="download or build the image again"):
        card(tmp_path / "brigid.img", packed)
    assert not (tmp_path / "brigid.img").exists()


@pytest.mark.parametrize("name", ["logboat.img", "logboat.img.xz"])
@pytest.mark.parametrize("sums", ["{}.sha256", "SHA256SUMS"])
def test_image_is_compared_with_its_digest(tmp_path: Path, name: str, sums: str) -> None:
    image = tmp_path / name
    image.write_bytes(b"an image")
    assert image_writing.check_digest(image) is None
    beside = tmp_path / sums.format(name)
    right = hashlib.sha256(b"an image").hexdigest()
    beside.write_text(f"{'1' * 64}  other.img\n{right} *{name}\n")
    assert image_writing.check_digest(image) == beside.name
    beside.write_text(f"{'0' * 64}  {name}\n")
    with pytest.raises(CardError, match=rf"does not match {beside.name}"):
        image_writing.check_digest(image)


def test_sums_that_do_not_list_the_image_do_not_count(tmp_path: Path) -> None:
    image = tmp_path / "logboat.img"
    image.write_bytes(b"an image")
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  other.img\n")
    assert image_writing.check_digest(image) is None
    (tmp_path / "logboat.img.sha256").write_text(hashlib.sha256(b"an image").hexdigest())
    assert image_writing.check_digest(image) == "logboat.img.sha256"


@pytest.mark.parametrize(
    ("content", "said"), [(b"no image" * 1000, "partition table"), (b"", "partition table")]
)
def test_file_that_is_not_an_image_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.img").write_bytes(content)
    with pytest.raises(CardError, match=said):
        card(tmp_path / "argo.img", tmp_path / "a.img")
    assert not (tmp_path / "argo.img").exists()


class UsedCard:
    """File that simulates an SD card of fixed size that contains old data."""

    def __init__(self, path: Path, size: int = images.SIZE) -> None:
        self.path = path
        path.write_bytes(os.urandom(2**20) * (size // 2**20))
        self.target = Target(path, size, "")

    def write(self) -> None:
        make.write_card(images.image(), self.target, bundle(), progress=nothing)


def test_used_card_retains_no_earlier_data(tmp_path: Path) -> None:
    used, fresh = UsedCard(tmp_path / "used"), tmp_path / "fresh.img"
    used.write()
    card(fresh)
    with used.path.open("rb") as file:
        _, data = partitions.ours(partitions.at(file.fileno()), "")
    assert used.path.read_bytes()[: data.start] == fresh.read_bytes()[: data.start]
    assert images.in_data(used.path, "cat /inbox/vessel.toml").encode() == bundle()["vessel.toml"]


def test_zeros_are_written_where_a_device_cannot_discard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_writing, "_punch", lambda *_: False)
    test_used_card_retains_no_earlier_data(tmp_path)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_interrupted_card_does_not_boot_and_can_be_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    used = UsedCard(tmp_path / "used")
    real, left = image_writing._write_at, steps

    def pulled(descriptor: int, content: bytes, offset: int) -> None:
        nonlocal left
        if left == 0:
            raise OSError(5, "Input/output error")
        left -= 1
        real(descriptor, content, offset)

    with monkeypatch.context() as patch:
        patch.setattr(image_writing, "_write_at", pulled)
        with pytest.raises(CardError, match="the card cannot be booted now; write it again"):
            used.write()
    with used.path.open("rb") as file, pytest.raises(CardError, match=r"the partition table .* is missing"):
        partitions.read(partitions.at(file.fileno()))
    used.write()
    assert images.in_data(used.path, "cat /inbox/identity/vessel.key").encode() == SECRET


def test_card_that_does_not_store_data_is_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A counterfeit card accepts all data, but returns different data when it is read."""
    used = UsedCard(tmp_path / "used")
    monkeypatch.setattr(image_writing, "_write_at", lambda *_: None)
    with pytest.raises(CardError, match="differs from what was written; use another card"):
        used.write()


# A card that already contains an image


def test_bundle_is_written_to_the_fat_partition_of_a_flashed_card(tmp_path: Path) -> None:
    path = tmp_path / "flashed.img"
    shutil.copy(images.image(), path)
    make.write_bundle(path, bundle(), vessel="argo")
    for name, content in bundle().items():
        assert images.on_fat(path, f"logboat/{name}").encode() == content
    make.write_bundle(path, bundle(number=2), vessel="argo")
    assert (
        images.on_fat(path, "logboat/identity/vessel.key").encode() == bundle(number=2)["identity/vessel.key"]
    )
    with pytest.raises(CardError, match="already a bundle of vessel argo"):
        make.write_bundle(path, bundle("brigid"), vessel="brigid")
    assert json.loads(images.on_fat(path, "logboat/bundle.json"))["vessel"] == "argo"


def test_bundle_is_written_to_a_mounted_fat_partition(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="where the first partition of a Logboat card is mounted"):
        make.write_bundle(tmp_path, bundle(), vessel="argo")
    (tmp_path / "autoboot.txt").touch()
    make.write_bundle(tmp_path, bundle(), vessel="argo")
    assert (tmp_path / "logboat/identity/vessel.key").read_bytes() == SECRET
    with pytest.raises(CardError, match="already a bundle of vessel argo"):
        make.write_bundle(tmp_path, bundle("brigid"), vessel="brigid")


def put_aside(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_full_fat_partition_is_refused_with_what_is_needed_and_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "full.img"
    shutil.copy(images.image(), path)
    images.run("mcopy", "-i", f"{path}@@{images.MIB}", "-", "::others.bin", given="x" * 8_330_000)
    before = path.read_bytes()
    with pytest.raises(
        CardError, match=r"needs 4\d(\.\d)? kB, but only \S+ kB is free; its largest file is "
    ):
        make.write_bundle(path, bundle(), vessel="argo")
    assert path.read_bytes() == before


def test_full_folder_is_refused_with_what_is_needed_and_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "autoboot.txt").touch()
    monkeypatch.setattr(free_space, "in_folder", lambda _: 12_000)
    with pytest.raises(CardError, match="but only 12 kB is free; its largest file is"):
        make.write_bundle(tmp_path, bundle(), vessel="argo")
    assert put_aside(tmp_path) == {"autoboot.txt": b""}
    assert not (tmp_path / "logboat").exists()


@pytest.mark.parametrize("has_earlier", [False, True])
@pytest.mark.parametrize("count", range(len(bundle())))
def test_failed_bundle_leaves_no_key_and_no_partial_file_in_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, has_earlier: bool
) -> None:
    (tmp_path / "logboat").mkdir()
    if has_earlier:
        make.write_bundle(tmp_path, bundle(number=2), vessel="argo")
    before = put_aside(tmp_path)
    left, write = [count], durable_files.create

    def create(path: Path, content: bytes, **named: Any) -> None:
        if left[0] == 0:
            path.write_bytes(content[:100])
            left[0] = -1
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        left[0] -= 1
        write(path, content, **named)

    monkeypatch.setattr(durable_files, "create", create)
    with pytest.raises(
        CardError, match=r"logboat/\S+: No space left on device; nothing on the card was changed"
    ):
        make.write_bundle(tmp_path, bundle(), vessel="argo")
    assert put_aside(tmp_path) == before
    assert (tmp_path / "logboat/identity").exists() == has_earlier


@pytest.mark.parametrize("has_earlier", [False, True])
def test_failed_bundle_leaves_no_key_on_the_fat_partition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_earlier: bool
) -> None:
    path = tmp_path / "failing.img"
    shutil.copy(images.image(), path)
    if has_earlier:
        make.write_bundle(path, bundle(number=2), vessel="argo")
    drive = f"{path}@@{images.MIB}"
    filling = "x" * (free_space.on_fat(drive) - 7000)
    images.run("mcopy", "-i", drive, "-", "::others.bin", given=filling)
    monkeypatch.setattr(free_space, "on_fat", lambda _: 10**9)
    larger = {**bundle(), "zz.csv": b"x" * 9000}
    with pytest.raises(CardError):
        make.write_bundle(path, larger, vessel="argo")
    listed = images.run("mdir", "-/", "-b", "-i", drive, "::")
    if has_earlier:
        for name, content in bundle(number=2).items():
            assert images.on_fat(path, f"logboat/{name}").encode() == content
    else:
        assert not any(f"logboat/{name}" in listed for name in larger)


# The first start on a card larger than its image


def test_the_data_partition_grows_to_the_end_of_the_card(tmp_path: Path) -> None:
    disk = tmp_path / "card.img"
    card(disk)
    os.truncate(disk, 2 * images.SIZE)
    assert partition_growth.missing(disk) > partition_growth.SLACK
    with disk.open("rb") as file:
        before = partitions.read(partitions.at(file.fileno()))
    ran: list[Sequence[str]] = []

    def tool(command: Sequence[str], **named: Any) -> bytes:
        ran.append(command)
        return tools.run(command, **named) if command[0] == "sfdisk" else b""

    assert partition_growth.grow(disk, tmp_path / "card.img7", tool=tool)
    assert [command[0] for command in ran] == ["sfdisk", "sfdisk", "partx", "resize2fs"]
    with disk.open("rb") as file:
        after = partitions.read(partitions.at(file.fileno()))
        assert partition_growth.missing(disk) < partition_growth.SLACK
        assert {number: after[number] for number in (1, 2, 3, 5, 6)} == {
            number: before[number] for number in (1, 2, 3, 5, 6)
        }
        assert after[7].start == before[7].start
        file.seek(after[7].start)
        (tmp_path / "data").write_bytes(file.read(after[7].size))
    images.run("resize2fs", str(tmp_path / "data"))
    assert (
        images.run("debugfs", "-R", "cat /inbox/identity/vessel.key", str(tmp_path / "data")).encode()
        == SECRET
    )
    ran.clear()
    assert not partition_growth.grow(disk, tmp_path / "card.img7", tool=tool)
    assert [command[0] for command in ran] == ["resize2fs"]
