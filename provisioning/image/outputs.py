"""An image's files, in a folder that appears whole, or not at all."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from provisioning.image import keeping
from provisioning.image.tools import in_root

LEVEL: Final = 3
"""Of xz: the next ones take twice as long, and gain a few percent."""
BLOCK: Final = "64MiB"
"""Each is packed by itself: the same on any number of processors."""


def compress(tools: Path, image: Path, name: str, place: Path, *, epoch: int) -> Path:
    """`name.img.xz`, which Raspberry Pi Imager and `logboat fleet card` take. Raises ToolError."""
    inside = f"/{image.relative_to(tools)}"
    in_root(tools, ["xz", "--keep", "-T0", f"-{LEVEL}", f"--block-size={BLOCK}", inside], epoch=epoch)
    path = place / f"{name}.img.xz"
    shutil.move(image.with_name(f"{image.name}.xz"), path)
    return path


def block_map(tools: Path, image: Path, name: str, place: Path, *, epoch: int) -> Path:
    """`name.bmap`: which blocks have to be written, and their digests. Raises ToolError."""
    target = f"/work/{name}.bmap"
    in_root(tools, ["bmaptool", "create", "-o", target, f"/{image.relative_to(tools)}"], epoch=epoch)
    return _moved(tools, target, place)


def write_json(place: Path, name: str, content: Mapping[str, Any]) -> None:
    """For programs, and for people who look."""
    (place / name).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def write_digests(place: Path, more: Mapping[str, str]) -> None:
    """`SHA256SUMS` of what is in a folder, and of what somebody else has already read."""
    found = {path.name: keeping.file_digest(path) for path in place.iterdir() if path.name not in more}
    lines = [f"{value}  {name}\n" for name, value in sorted({**found, **more}.items())]
    (place / "SHA256SUMS").write_text("".join(lines))


def publish(partial: Path, final: Path) -> None:
    """Put a finished folder in the place of the one before. Raises OSError."""
    old = final.with_name(f".{final.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    partial.rename(final)
    shutil.rmtree(old, ignore_errors=True)


def _moved(tools: Path, inside: str, place: Path) -> Path:
    path = tools / inside.lstrip("/")
    target = place / path.name
    shutil.move(path, target)
    return target
