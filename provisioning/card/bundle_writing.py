"""Writes a bundle to a card's data or FAT partition without mounting the partition, and reads it back.

In the data partition the bundle is in `inbox/`, which only root can read. On FAT the bundle is in `logboat/`,
where anyone can read it. At its next start, the appliance applies the bundle and wipes the bundle's secrets.
If writing to FAT fails, the files that were there before are put back, and no other file remains.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from provisioning import files
from provisioning.bundle.contents import MANIFEST
from provisioning.card import free_space
from provisioning.card.partitions import CardPartition
from provisioning.card.tools import run
from provisioning.card_folders import INBOX, ON_FAT
from provisioning.errors import CardError
from sync.folders import OWN, make_folder


def into_data(path: Path, partition: CardPartition, bundle: Mapping[str, bytes]) -> None:
    """Write a bundle to the data partition of the card or image at `path`. Raises CardError on failure."""
    place = f"{path}?offset={partition.start}"
    folders = sorted({f"{INBOX}/{Path(name).parent}".removesuffix("/.") for name in bundle})
    with TemporaryDirectory(prefix="logboat-") as temporary:
        lines = []
        for folder in folders:
            lines += [f"mkdir /{folder}", *_owned(f"/{folder}", 0o40700)]
        for number, (name, content) in enumerate(bundle.items()):
            source = Path(temporary) / str(number)
            files.write(source, content, mode=files.SECRET)
            target = Path(f"/{INBOX}/{name}")
            lines += [
                f"cd {target.parent}",
                f'write "{source}" {target.name}',
                *_owned(str(target), 0o100600),
            ]
        run(["debugfs", "-w", "-f", "/dev/stdin", place], stdin="\n".join([*lines, ""]).encode())
    for name, content in bundle.items():
        if run(["debugfs", "-R", f"cat /{INBOX}/{name}", place]) != content:
            text = f"{path}: {name} could not be written to the data partition"
            raise CardError(text)
    run(["e2fsck", "-fn", place])


def onto_fat(path: Path, partition: CardPartition, bundle: Mapping[str, bytes], *, vessel: str) -> None:
    """Write a bundle to the FAT partition of the card or image at `path`.

    Raises CardError if writing fails, or if the partition already contains another vessel's bundle.
    """
    drive = f"{path}@@{partition.start}"
    listed = check_fat(path, partition, vessel=vessel)
    before = {
        name: run(["mcopy", "-n", "-i", drive, f"::{ON_FAT}/{name}", "-"])
        for name in bundle
        if f"{ON_FAT}/{name}" in listed
    }
    free_space.check(path, bundle, before, free=free_space.on_fat(drive))
    try:
        _write_onto_fat(path, drive, bundle, listed=listed)
    except CardError:
        for name in bundle:
            place = f"::{ON_FAT}/{name}"
            run(["mdel", "-i", drive, place], good=(0, 1))
            if name in before:
                run(["mcopy", "-D", "o", "-o", "-i", drive, "-", place], stdin=before[name], good=(0, 1))
        raise


def _write_onto_fat(path: Path, drive: str, bundle: Mapping[str, bytes], *, listed: Collection[str]) -> None:
    for folder in sorted({ON_FAT, *(f"{ON_FAT}/{Path(name).parent}".removesuffix("/.") for name in bundle)}):
        if f"{folder}/" not in listed:
            run(["mmd", "-D", "s", "-i", drive, f"::{folder}"])
    for name, content in bundle.items():
        run(["mcopy", "-D", "o", "-o", "-i", drive, "-", f"::{ON_FAT}/{name}"], stdin=content)
        if run(["mcopy", "-n", "-i", drive, f"::{ON_FAT}/{name}", "-"]) != content:
            text = f"{path}: {name} could not be written to the FAT partition"
            raise CardError(text)


def into_folder(folder: Path, bundle: Mapping[str, bytes], *, vessel: str) -> None:
    """Write a bundle to a FAT partition that is mounted at `folder`. Raises CardError or OSError."""
    place = folder / ON_FAT
    check_folder(folder, vessel=vessel)
    before = {name: (place / name).read_bytes() for name in bundle if (place / name).is_file()}
    had_folders = {(place / name).parent for name in bundle if (place / name).parent.is_dir()}
    free_space.check(folder, bundle, before, free=free_space.in_folder(folder))
    written = list[str]()
    try:
        for name, content in sorted(bundle.items(), key=lambda item: item[0] == MANIFEST):
            make_folder((place / name).parent, OWN)
            written.append(name)
            files.write_on_fat(place / name, content)
            if files.read_back(place / name) != content:
                text = f"{place / name}: the file read back differs from what was written; use another card"
                raise CardError(text)
    except (CardError, OSError) as error:
        with suppress(OSError):  # the medium fails, so the first error is the one to report
            _put_back(place, written, before, had_folders)
        if isinstance(error, CardError):
            raise
        text = f"{place / written[-1]}: {error.strerror or error}; nothing on the card was changed"
        raise CardError(text) from error


def _put_back(
    place: Path, written: Iterable[str], before: Mapping[str, bytes], had_folders: Collection[Path]
) -> None:
    """Undo the writing of files: wipe new files, and restore the previous content of replaced files."""
    for name in written:
        path = place / name
        if path.is_file() and path.read_bytes() != before.get(name):
            files.overwrite(path)
            files.remove(path)
            if name in before:
                files.write_on_fat(path, before[name])
    for folder in sorted({(place / name).parent for name in written} - set(had_folders), reverse=True):
        folder.rmdir()


def check_fat(path: Path, partition: CardPartition, *, vessel: str) -> set[str]:
    """Return the paths on the FAT partition of the card or image at `path`.

    Raises CardError if the partition already contains another vessel's bundle.
    """
    drive = f"{path}@@{partition.start}"
    listed = _listed(drive)
    if f"{ON_FAT}/{MANIFEST}" in listed:
        _check_same(run(["mcopy", "-n", "-i", drive, f"::{ON_FAT}/{MANIFEST}", "-"]), vessel, str(path))
    return listed


def check_folder(folder: Path, *, vessel: str) -> None:
    """Raise CardError if `folder` is not a card's FAT partition, or contains another vessel's bundle."""
    place = folder / ON_FAT
    if not place.is_dir() and not (folder / "autoboot.txt").is_file():
        text = (
            f"{folder}: the folder has neither {ON_FAT}/ nor autoboot.txt; specify the folder where the"
            " first partition of a Logboat card is mounted"
        )
        raise CardError(text)
    if (place / MANIFEST).is_file():
        _check_same((place / MANIFEST).read_bytes(), vessel, str(place))


def _owned(path: str, mode: int) -> list[str]:
    return [
        f"set_inode_field {path} {name} {value}"
        for name, value in (("mode", f"0{mode:o}"), ("uid", "0"), ("gid", "0"))
    ]


def _listed(drive: str) -> set[str]:
    """Return the paths of all files and folders on a FAT partition. A folder's path ends with `/`."""
    out = run(["mdir", "-/", "-b", "-i", drive, "::"]).decode(errors="replace")
    return {line.removeprefix("::/") for line in out.splitlines() if line.startswith("::/")}


def _check_same(manifest: bytes, vessel: str, where: str) -> None:
    try:
        present = json.loads(manifest).get("vessel")
    except (ValueError, AttributeError, RecursionError):
        return  # the present bundle is damaged, so it is replaced
    if present != vessel:
        text = f"{where}: there is already a bundle of vessel {present}; remove it, or use another card"
        raise CardError(text)
