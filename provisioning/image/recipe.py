"""Reads the data in `image/` for one board on one base, and checks it."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from provisioning.image.errors import RecipeError
from provisioning.image.layout import Layout, layout_of

CONSOLES: Final = "consoles"
OFFICIAL: Final = "official"
PYTHON: Final = "3.13"
"""Python version of Debian 13 (Trixie)."""


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive of packages, used in addition to the builder's own mirror."""

    url: str
    suite: str
    components: tuple[str, ...]
    keyring: str
    """URL of the package with the archive's keys."""
    sha256: str
    """SHA-256 that the keyring package must have."""
    file: str
    """Path of the key file inside the package."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel of an image, and the boards on which the firmware loads it."""

    boards: tuple[str, ...]
    image: str
    initramfs: str


@dataclass(frozen=True, slots=True)
class BootData:
    """Data of a boot partition: patterns of the files that the firmware needs, and lines of config.txt."""

    firmware: tuple[str, ...] = ()
    device_trees: tuple[str, ...] = ()
    overlays: tuple[str, ...] = ()
    config: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """All inputs of an image except the commit."""

    source: Path
    """Path of the repository's `image/` folder."""
    board: str
    base: str
    architecture: str
    """Architecture in Debian's notation."""
    start: str
    """Boot method: `raspberry-pi` or `direct`."""
    console: str
    suite: str
    components: tuple[str, ...]
    epoch: int
    archive: Archive | None
    packages: tuple[str, ...]
    tools: tuple[str, ...]
    initramfs: tuple[str, ...]
    leave_out: tuple[str, ...]
    leave_in: tuple[str, ...]
    boot: BootData
    kernels: tuple[Kernel, ...]
    imager: Mapping[str, Any]
    layout: Layout
    mask: tuple[str, ...] = ()
    """Units of the base to mask, because an appliance does not need them."""
    official: Path | None = None
    """Official image to use as the base, if one was supplied."""

    @property
    def name(self) -> str:
        """Common prefix of the names of the image's files."""
        return f"logboat-{self.board}-{self.base}-{self.architecture}"

    @property
    def lock(self) -> Path:
        """Path of the lock file, which lists the package versions that the base should have."""
        return self.source / "locks" / f"{self.board}-{self.base}-{self.architecture}.lock"


def read(source: Path, *, board: str, base: str, native: str) -> Recipe:
    """Return the recipe for a board on a base; `base` is a name or the path of an official image.

    `native` is this machine's architecture. Raises RecipeError.
    """
    official = Path(base).absolute() if is_image(base) else None
    base = OFFICIAL if official else base
    boards = _load(source / "boards" / f"{board}.toml", "board", board)
    bases = _load(source / "bases" / f"{base}.toml", "base", base)
    common = _load(source / "packages.toml", "file", "packages")
    try:
        inputs = _recipe(source, board=board, base=base, native=native, data=(boards, bases, common))
    except (KeyError, TypeError) as error:
        text = f"{source}: the recipe for board {board} on base {base} has no {error}"
        raise RecipeError(text) from error
    return replace(inputs, official=official)


def is_image(base: str) -> bool:
    """Return True if a base is the path of an image rather than a name."""
    return "/" in base or any(base.endswith(end) for end in (".img", ".img.xz", ".img.zst", ".img.gz"))


def _recipe(
    source: Path,
    *,
    board: str,
    base: str,
    native: str,
    data: tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]],
) -> Recipe:
    boards, bases, common = data
    architecture = native if boards["architecture"] == "native" else boards["architecture"]
    special = bases.get("board", {}).get(board, {})
    wanted: list[str] = [
        *(name for names in common["packages"].values() for name in names),
        *bases["packages"],
        *boards["packages"],
        *special.get("packages", ()),
    ]
    console = boards.get("console") or boards[CONSOLES].get(architecture)
    if console is None:
        text = f"board {board}: no console is set for {architecture} in image/boards/{board}.toml"
        raise RecipeError(text)
    kernels = tuple(
        Kernel(tuple(each["boards"]), each["image"], each["initramfs"])
        for each in special.get("kernel") or bases["kernel"]
    )
    return Recipe(
        source=source,
        board=board,
        base=base,
        architecture=architecture,
        start=boards["start"],
        console=console,
        suite=bases["suite"],
        components=tuple(bases["components"]),
        epoch=bases["epoch"],
        archive=_archive(bases.get("archive")),
        packages=tuple(sorted({name.format(architecture=architecture) for name in wanted})),
        tools=tuple(sorted(common["tools"]["packages"])),
        initramfs=tuple(boards["initramfs"]),
        leave_out=tuple(common["leave_out"]["paths"]),
        leave_in=tuple(common["leave_out"]["except"]),
        boot=BootData(**{key: tuple(value) for key, value in special.get("boot", {}).items()}),
        kernels=kernels,
        imager=boards.get("imager", {}),
        mask=tuple(bases.get("mask", ())),
        layout=layout_of(_load(source / "layout.toml", "file", "layout")),
    )


def _archive(data: Mapping[str, Any] | None) -> Archive | None:
    if data is None:
        return None
    keyring = data["keyring"]
    where = (keyring["url"], keyring["sha256"], keyring["file"])
    return Archive(data["url"], data["suite"], tuple(data["components"]), *where)


def _load(path: Path, kind: str, name: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        there = ", ".join(sorted(each.stem for each in path.parent.glob("*.toml")))
        text = f"{kind} {name!r} does not exist; choose one of {there}"
        raise RecipeError(text) from error
    except tomllib.TOMLDecodeError as error:
        text = f"{path}: {error}"
        raise RecipeError(text) from error


def one(root: Path, pattern: str) -> Path:
    """Return the file below a root that matches a pattern; raises RecipeError if no file matches.

    If several files match, the last one in order of name is returned. It belongs to the newest kernel.
    """
    matches = sorted(root.glob(pattern))
    if not matches:
        text = f"the base has no {pattern}; is a package missing in image/?"
        raise RecipeError(text)
    return matches[-1]


def several(root: Path, patterns: Iterable[str]) -> list[Path]:
    """Return the files below a root that match the patterns; raises RecipeError if a pattern matches none."""
    by_name: dict[str, Path] = {}
    for pattern in patterns:
        matches = [path for path in sorted(root.glob(pattern)) if path.is_file()]
        if not matches:
            text = f"the base has no {pattern}; is a package missing in image/?"
            raise RecipeError(text)
        by_name.update({path.name: path for path in matches})
    return [by_name[name] for name in sorted(by_name)]
