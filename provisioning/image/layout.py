"""Where partitions are on the card: an MBR, with the roots and data inside an extended partition. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from provisioning.image.errors import RecipeError

SECTOR: Final = 512
MIB: Final = 2**20
EXTENDED: Final = 4


@dataclass(frozen=True, slots=True)
class Partition:
    """One of them; start and size in bytes."""

    number: int
    name: str
    type: str
    label: str
    start: int
    size: int

    @property
    def is_logical(self) -> bool:
        """Whether it is inside the extended one."""
        return self.number > EXTENDED


@dataclass(frozen=True, slots=True)
class Layout:
    """All of them, by number; sizes in bytes."""

    disk_id: int
    partitions: tuple[Partition, ...]
    extended: tuple[int, int]
    """Start and size of partition 4."""
    size: int

    def partition(self, name: str) -> Partition:
        """The one of this name."""
        return next(each for each in self.partitions if each.name == name)

    def partuuid(self, name: str) -> str:
        """As the kernel names it."""
        return f"{self.disk_id:08x}-{self.partition(name).number:02x}"


def layout_of(data: Mapping[str, Any]) -> Layout:
    """From `layout.toml`. Each partition starts on the alignment; a logical one has its link before it."""
    step = data["alignment"] * MIB
    place, extended, found = step, 0, []
    for each in data["partition"]:
        number = each["number"]
        if number > EXTENDED:
            extended = extended or place
            place += step  # the link's sector, and up to the alignment
        size = each["size"] * MIB
        if size % step or number == EXTENDED:
            text = f"layout.toml: partition {each['name']}: not a multiple of {data['alignment']} MiB, or 4"
            raise RecipeError(text)
        found.append(Partition(number, each["name"], each["type"], each["label"], place, size))
        place += size
    if [each.number for each in found] != sorted({each.number for each in found}):
        raise RecipeError("layout.toml: the partitions are not in the order of their numbers")
    return Layout(data["disk_id"], tuple(found), (extended, place - extended), place)


def sfdisk_script(layout: Layout) -> str:
    """What sfdisk makes the table from."""
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
