"""Files of the selector partition and of a boot partition, by name and with their contents."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from provisioning import starter_files
from provisioning.image.recipe import Kernel, Recipe, one, several

FIRST: Final = "bootcode.bin"
"""File that the ROM of a Pi 3 and a Zero 2 W loads from the first FAT partition.

The loader in this file then reads autoboot.txt from the same partition.
"""
_HELLO: Final = """This folder is for the vessel's files: vessel.toml, sensors.toml,
or a bundle from `logboat fleet card`.
The vessel reads them at its next start.

To begin, copy vessel.toml.example to vessel.toml, and sensors.toml.example to
sensors.toml. Then edit the copies. The comments explain the keys.
"""

Files = Mapping[str, bytes | Path]
"""Content of each file, or the path of its source, by name on the partition."""


def selector(recipe: Recipe, root: Path) -> Files:
    """Return the files of the first FAT partition.

    It selects the slot, and contains files that users edit.
    """
    files: dict[str, bytes | Path] = {"logboat/README.txt": _HELLO.encode()}
    for name in (starter_files.VESSEL, starter_files.SENSORS):
        files[f"logboat/{name}.example"] = starter_files.starter_file(name).encode()
    if recipe.start == "raspberry-pi":
        files["autoboot.txt"] = (recipe.source / "boot/autoboot.txt").read_bytes()
        files[FIRST] = next(path for path in several(root, recipe.boot.firmware) if path.name == FIRST)
    return files


def boot(recipe: Recipe, root: Path, *, slot: str) -> Files:
    """Return the files of the boot partition of slot `a` or `b`.

    Raises RecipeError if the base lacks a file.
    """
    files: dict[str, bytes | Path] = {}
    for kernel in recipe.kernels:
        image, initramfs = names(kernel)
        files[image] = one(root, kernel.image)
        files[initramfs] = one(root, kernel.initramfs)
    files["cmdline.txt"] = command_line(recipe, slot=slot).encode()
    if recipe.start == "raspberry-pi":
        files["config.txt"] = config(recipe).encode()
        files |= {path.name: path for path in several(root, recipe.boot.firmware)}
        files |= {path.name: path for path in several(root, recipe.boot.device_trees)}
        files |= {f"overlays/{path.name}": path for path in several(root, recipe.boot.overlays)}
    return files


def command_line(recipe: Recipe, *, slot: str) -> str:
    """Return the kernel's command line. The firmware reads only one line, so it is a single line."""
    text = (recipe.source / "boot/cmdline.txt").read_text()
    return text.format(console=recipe.console, root=recipe.layout.partuuid(f"root-{slot}"))


def config(recipe: Recipe) -> str:
    """Return config.txt: the lines of the recipe, the lines of the base, and the kernel for each board."""
    lines = [(recipe.source / "boot/config.txt").read_text().rstrip("\n"), *recipe.boot.config]
    general = [kernel for kernel in recipe.kernels if "*" in kernel.boards]
    special = [kernel for kernel in recipe.kernels if "*" not in kernel.boards]
    for kernel in (*general, *special):
        image, initramfs = names(kernel)
        for board in ("all",) if kernel in general else kernel.boards:
            lines += [f"[{board}]", f"kernel={image}", f"initramfs {initramfs} followkernel"]
    return "\n".join([*lines, "[all]", ""])


def names(kernel: Kernel) -> tuple[str, str]:
    """Return the names of a kernel and its initramfs on the boot partition."""
    suffix = "" if "*" in kernel.boards else f"-{kernel.boards[0]}"
    return f"vmlinuz{suffix}", f"initrd{suffix}.img"
