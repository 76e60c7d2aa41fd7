"""Positions of the card's partitions in an MBR; root and data partitions are in an extended partition."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from provisioning.image.errors import RecipeError

SECTOR: Final = 512
MIB: Final = 2**20
EXTENDED: Final = 4


@dataclass(frozen=True, slots=True)
class ImagePartition:
    """Partition with its start and size in bytes."""

    number: int
    name: str
    type: str
    label: str
    start: int
    size: int

    @property
    def is_logical(self) -> bool:
        """True if the partition is inside the extended partition."""
        return self.number > EXTENDED


@dataclass(frozen=True, slots=True)
class Layout:
    """All partitions of a card in order of their numbers, with positions and sizes in bytes."""

    disk_id: int
    partitions: tuple[ImagePartition, ...]
    extended: tuple[int, int]
    """Start and size of partition 4, in bytes."""
    size: int

    def partition(self, name: str) -> ImagePartition:
        """Return the partition with this name."""
        return next(each for each in self.partitions if each.name == name)

    def partuuid(self, name: str) -> str:
        """Return the PARTUUID of a partition in the kernel's notation."""
        return f"{self.disk_id:08x}-{self.partition(name).number:02x}"


def layout_of(data: Mapping[str, Any]) -> Layout:
    """Return the layout described in `layout.toml`. Raises RecipeError if it is invalid.

    Each partition starts at a multiple of the alignment. The space before a logical partition contains the
    link to it.
    """
    step = data["alignment"] * MIB
    place, extended, partitions = step, 0, []
    for each in data["partition"]:
        number = each["number"]
        if number > EXTENDED:
            extended = extended or place
            place += step  # the sector of the link, then up to the next multiple of the alignment
        size = each["size"] * MIB
        if size % step or number == EXTENDED:
            text = (
                f"layout.toml: partition {each['name']}: the size is not a multiple of {data['alignment']}"
                " MiB, or the number is 4"
            )
            raise RecipeError(text)
        partitions.append(ImagePartition(number, each["name"], each["type"], each["label"], place, size))
        place += size
    if [each.number for each in partitions] != sorted({each.number for each in partitions}):
        raise RecipeError("layout.toml: the partitions are not sorted by number")
    return Layout(data["disk_id"], tuple(partitions), (extended, place - extended), place)


def sfdisk_script(layout: Layout) -> str:
    """Return the script from which sfdisk creates the partition table."""
    lines = ["label: dos", f"label-id: 0x{layout.disk_id:08x}", "unit: sectors", ""]
    first = True
    for each in layout.partitions:
        if each.is_logical and first:
            start, size = layout.extended
            lines.append(f"4 : start={start // SECTOR}, size={size // SECTOR}, type=f")
            first = False
        lines.append(
            f"{each.number} : start={each.start // SECTOR}, size={each.size // SECTOR}, type={each.type}"
        )
    return "\n".join([*lines, ""])
