"""Writes a card for one vessel: first the image, then the bundle, then the first sector, each read back."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from provisioning.card.target import Target
from provisioning.errors import CardError

from . import bundle_writing, image_writing, partitions, tools
from .image_writing import Progress

_FULL: Final = "no space left; the card is too small for this image"


def check_card(image: Path, target: Target) -> None:
    """Check the preconditions of `write_card`, without changing anything.

    A caller that issues a certificate for the card must call this first. Raises CardError if a check fails.
    """
    tools.need("debugfs", "e2fsck")
    if image_writing.size_of(image) is not None:
        with image.open("rb") as file:
            partitions.ours(partitions.at(file.fileno()), str(image))
    _check_writable(target.path if target.is_device else target.path.parent)


def check_bundle(target: Path, *, vessel: str) -> None:
    """Check the preconditions of `write_bundle`, without changing anything. Raises CardError or OSError."""
    if target.is_dir():
        bundle_writing.check_folder(target, vessel=vessel)
        _check_writable(target)
        return
    tools.need("mcopy", "mmd", "mdir")
    bundle_writing.check_fat(target, _fat(target), vessel=vessel)
    _check_writable(target)


def write_card(image: Path, target: Target, bundle: Mapping[str, bytes], *, progress: Progress) -> None:
    """Write an image and a bundle to a target that has passed `target.check_target`.

    Raises CardError if writing fails. The card is then either unchanged or not bootable.
    """
    check_card(image, target)
    with image_writing.open_target(target) as (descriptor, path):
        try:
            written = image_writing.write(image, descriptor, is_device=target.is_device, progress=progress)
        except OSError as error:
            if error.errno == 28:  # ENOSPC
                text = f"{path}: {_FULL}"
                raise CardError(text) from error
            raise
        image_writing.verify(descriptor, written, progress)
        read_at = partitions.at(descriptor)

        def with_first_sector(offset: int, length: int) -> bytes:
            return written.first_sector[:length] if offset == 0 else read_at(offset, length)

        _, data = partitions.ours(with_first_sector, image.name)
        bundle_writing.into_data(path, data, bundle)
        image_writing.finish(descriptor, written)


def write_bundle(target: Path, bundle: Mapping[str, bytes], *, vessel: str) -> None:
    """Write a bundle to the FAT partition of a card that already has an image.

    `target` is the folder where that partition is mounted, or a device or file that has passed
    `target.check_target`. Raises CardError, OSError.
    """
    if target.is_dir():
        bundle_writing.into_folder(target, bundle, vessel=vessel)
        return
    bundle_writing.onto_fat(target, _fat(target), bundle, vessel=vessel)


def _fat(target: Path) -> partitions.CardPartition:
    try:
        with target.open("rb") as file:
            fat, _ = partitions.ours(partitions.at(file.fileno()), str(target))
    except FileNotFoundError as error:
        text = f"{target}: the file does not exist; specify a card or a file that already contains the image"
        raise CardError(text) from error
    except PermissionError as error:
        text = f"{target}: {error.strerror}; try again with sudo"
        raise CardError(text) from error
    return fat


def _check_writable(path: Path) -> None:
    if not os.access(path, os.W_OK):
        text = f"{path}: cannot be written; try again with sudo"
        raise CardError(text)
