"""Checks, without a board, whether the contents of the FAT partitions follow the rules of the Pi's firmware.

Sources: Raspberry Pi's documentation of `config.txt`, `autoboot.txt` and the boot flow.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from provisioning.image.bootfiles import FIRST, Files
from provisioning.image.layout import Layout

LINE: Final = 98
"""Number of characters that the firmware reads from a line of config.txt."""
AUTOBOOT: Final = 512
"""Number of bytes that the firmware reads from autoboot.txt: one sector."""
DEVICE_TREES: Final = (
    ("bcm2710-rpi-zero-2-w.dtb", "bcm2837-rpi-zero-2-w.dtb"),
    ("bcm2710-rpi-3-b.dtb", "bcm2837-rpi-3-b.dtb"),
    ("bcm2710-rpi-3-b-plus.dtb", "bcm2837-rpi-3-b-plus.dtb"),
    ("bcm2711-rpi-4-b.dtb",),
    ("bcm2711-rpi-cm4.dtb", "bcm2711-rpi-cm4-io.dtb"),
    ("bcm2712-rpi-5-b.dtb",),
)
"""Device trees of each board, as named by Raspberry Pi and by the mainline kernel; one of them must exist."""
_FILTERS: Final = re.compile(
    r"\[(all|none|tryboot|pi\d[\w+]*|cm\d\w*|cm\d|board-type=\w+|0x[0-9a-f]+|EDID=.+|gpio\d+=[01])\]"
)


def problems(selector: Files, boot: Files, layout: Layout) -> Sequence[str]:
    """Return a sentence for each problem that would prevent booting; empty if there is none."""
    return [*_selector(selector, layout), *_boot(boot), *_partitions(layout)]


def _selector(files: Files, layout: Layout) -> Iterator[str]:
    if FIRST not in files:
        yield f"selector: {FIRST} is missing; Pi 3 and Zero 2 W load nothing else"
    text = _text(files, "autoboot.txt")
    if text is None:
        yield "selector: autoboot.txt is missing, so no slot is selected"
        return
    if len(text.encode()) > AUTOBOOT:
        yield f"selector: autoboot.txt is longer than {AUTOBOOT} bytes; the firmware ignores the rest"
    sections = _sections(text)
    numbers = {
        where: {value for key, value in pairs if key == "boot_partition"} for where, pairs in sections.items()
    }
    for where, slot in (("all", "boot-a"), ("tryboot", "boot-b")):
        wanted = str(layout.partition(slot).number)
        if numbers.get(where) != {wanted}:
            yield f"selector: autoboot.txt: [{where}] does not select partition {wanted} ({slot})"
    if ("tryboot_a_b", "1") not in sections.get("all", ()):
        yield "selector: autoboot.txt: tryboot_a_b=1 is missing, so a trial boot would look for tryboot.txt"


def _boot(files: Files) -> Iterator[str]:
    text = _text(files, "config.txt")
    if text is None:
        yield "boot: config.txt is missing"
        return
    yield from _lines(text)
    yield from _kernels(text, files)
    for name in ("start.elf", "fixup.dat", "start4.elf", "fixup4.dat", FIRST):
        if name not in files:
            yield f"boot: {name} is missing"
    for names in DEVICE_TREES:
        if not any(name in files for name in names):
            yield f"boot: {' or '.join(names)} is missing"
    yield from _command_line(_text(files, "cmdline.txt"))


def _lines(text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), start=1):
        if len(line) > LINE and not line.startswith("#"):
            yield (
                f"boot: config.txt, line {number} is longer than {LINE} characters; the firmware ignores the"
                " rest"
            )
        if line.startswith("[") and not _FILTERS.fullmatch(line):
            yield f"boot: config.txt, line {number}: the firmware does not support {line}"


def _kernels(text: str, files: Files) -> Iterator[str]:
    named = [value for pairs in _sections(text).values() for key, value in pairs if key == "kernel"]
    loaded = re.findall(r"^initramfs (\S+) followkernel$", text, re.MULTILINE)
    for name in (*named, *loaded):
        if name not in files:
            yield f"boot: config.txt names {name}, which is missing"
        elif name in named and not _is_image(_bytes(files[name])):
            yield (
                f"boot: {name} is not a kernel that the firmware can load, which is an arm64 Image, either"
                " uncompressed or compressed with gzip"
            )
    if not named:
        yield "boot: config.txt names no kernel"


def _command_line(text: str | None) -> Iterator[str]:
    if text is None:
        yield "boot: cmdline.txt is missing"
        return
    if "\n" in text.rstrip("\n"):
        yield "boot: cmdline.txt has more than one line; the firmware reads only the first"
    if not re.search(r"(^| )root=PARTUUID=[0-9a-f]{8}-0[56]( |$)", text):
        yield "boot: cmdline.txt does not name a slot's root by PARTUUID"


def _partitions(layout: Layout) -> Iterator[str]:
    for name in ("selector", "boot-a", "boot-b"):
        each = layout.partition(name)
        if each.type != "0c" or each.is_logical:
            yield f"{name} is not a primary FAT32 partition; the firmware reads no others"
    if layout.partition("selector").number != 1:
        yield "selector is not the first partition; the ROM reads no others"
    if layout.disk_id == 0:
        yield "the disk has no id, so the kernel could not find its root by PARTUUID"


def _sections(text: str) -> dict[str, list[tuple[str, str]]]:
    sections: dict[str, list[tuple[str, str]]] = {"all": []}
    where = "all"
    for line in text.splitlines():
        if line.startswith("["):
            where = line.strip("[]")
        elif "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            sections.setdefault(where, []).append((key.strip(), value.strip()))
    return sections


def _is_image(content: bytes) -> bool:
    """Return True if the firmware can load the file: an arm64 Image, or one compressed with gzip.

    An Image has a magic number at byte 56 (`Documentation/arch/arm64/booting.rst`). A kernel that unpacks
    itself (EFI) is not an Image.
    """
    packed, unpacks_itself = content[:2] == b"\x1f\x8b", content[4:8] == b"zimg"
    return packed or (content[56:60] == b"ARM\x64" and not unpacks_itself)


def _bytes(content: bytes | Path) -> bytes:
    if isinstance(content, bytes):
        return content
    with content.open("rb") as file:
        return file.read(64)


def _text(files: Files, name: str) -> str | None:
    content = files.get(name)
    if content is None:
        return None
    return (content if isinstance(content, bytes) else content.read_bytes()).decode()
