"""What `image/` says of one board on one base: typed, checked, and nothing done yet. Reads files only."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

from provisioning.image.errors import RecipeError
from provisioning.image.layout import Layout, layout_of

CONSOLES: Final = "consoles"
OFFICIAL: Final = "official"
PYTHON: Final = "3.13"
"""Trixie's."""


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive of packages beside the builder's own mirror."""

    url: str
    suite: str
    components: tuple[str, ...]
    keyring: str
    """Where the package with its keys is to be had."""
    sha256: str
    """By which that package is believed."""
    file: str
    """The keys in it."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kernel of an image, and for which boards the firmware is to take it."""

    boards: tuple[str, ...]
    image: str
    initramfs: str


@dataclass(frozen=True, slots=True)
class BootData:
    """Patterns, below the root, of what the firmware wants on a boot partition."""

    firmware: tuple[str, ...] = ()
    device_trees: tuple[str, ...] = ()
    overlays: tuple[str, ...] = ()
    config: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that an image is made of, but the commit."""

    source: Path
    """The folder `image/`."""
    board: str
    base: str
    architecture: str
    """As Debian names it."""
    start: str
    """`raspberry-pi` or `direct`."""
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
    """Units of the base that a vessel does not want."""
    official: Path | None = None
    """The official image that is its base, if one was handed in."""

    @property
    def name(self) -> str:
        """What its files are called by."""
        return f"logboat-{self.board}-{self.base}-{self.architecture}"

    @property
    def lock(self) -> Path:
        """Which versions its base should have."""
        return self.source / "locks" / f"{self.board}-{self.base}-{self.architecture}.lock"


def read(source: Path, *, board: str, base: str, native: str) -> Recipe:
    """The recipe of a board on a base: a name, or an official image's path; `native` is this machine's
    architecture. Raises RecipeError."""
    official = Path(base).absolute() if is_image(base) else None
    base = OFFICIAL if official else base
    boards = _load(source / "boards" / f"{board}.toml", "board", board)
    bases = _load(source / "bases" / f"{base}.toml", "base", base)
    common = _load(source / "packages.toml", "file", "packages")
    try:
        found = _recipe(source, board=board, base=base, native=native, data=(boards, bases, common))
    except (KeyError, TypeError) as error:
        text = f"{source}: the recipe of board {board} on base {base} lacks {error}"
        raise RecipeError(text) from error
    return replace(found, official=official)


def is_image(base: str) -> bool:
    """Whether a base is an image's path, and no name."""
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
        text = f"board {board}: no console is named for {architecture} (image/boards/{board}.toml)"
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
        text = f"there is no {kind} {name!r}; there are: {there}"
        raise RecipeError(text) from error
    except tomllib.TOMLDecodeError as error:
        text = f"{path}: {error}"
        raise RecipeError(text) from error


def one(root: Path, pattern: str) -> Path:
    """The one file below a root that a pattern means; the newest kernel's, by name. Raises RecipeError."""
    found = sorted(root.glob(pattern))
    if not found:
        text = f"the base has no {pattern}: is a package missing from image/?"
        raise RecipeError(text)
    return found[-1]


def several(root: Path, patterns: Iterable[str]) -> list[Path]:
    """The files below a root that patterns mean, each of which must mean one. Raises RecipeError."""
    found: dict[str, Path] = {}
    for pattern in patterns:
        matches = [path for path in sorted(root.glob(pattern)) if path.is_file()]
        if not matches:
            text = f"the base has no {pattern}: is a package missing from image/?"
            raise RecipeError(text)
        found.update({path.name: path for path in matches})
    return [found[name] for name in sorted(found)]


def left_out(recipe: Recipe, path: str) -> bool:
    """Whether dpkg is told to leave a path out."""
    return any(fnmatch(path, each) for each in recipe.leave_out) and not any(
        fnmatch(path, each) for each in recipe.leave_in
    )
