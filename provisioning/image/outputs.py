"""Writes an image's files into a folder, which appears only once it is complete."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from provisioning.image.tools import in_root

from . import build_cache

LEVEL: Final = 3
"""Compression level of xz; higher levels take twice as long, and reduce the size by only a few percent."""
BLOCK: Final = "64MiB"
"""Size of the blocks that xz compresses separately; it is fixed so that every machine has the same result."""


def compress(tools: Path, image: Path, name: str, place: Path, *, epoch: int) -> Path:
    """Write `name.img.xz` for Raspberry Pi Imager and `logboat fleet card`; raises ToolError."""
    inside = f"/{image.relative_to(tools)}"
    in_root(tools, ["xz", "--keep", "-T0", f"-{LEVEL}", f"--block-size={BLOCK}", inside], epoch=epoch)
    path = place / f"{name}.img.xz"
    shutil.move(image.with_name(f"{image.name}.xz"), path)
    return path


def block_map(tools: Path, image: Path, name: str, place: Path, *, epoch: int) -> Path:
    """Write `name.bmap`, which lists the blocks to write and their digests; raises ToolError."""
    target = f"/work/{name}.bmap"
    in_root(tools, ["bmaptool", "create", "-o", target, f"/{image.relative_to(tools)}"], epoch=epoch)
    return _moved(tools, target, place)


def write_json(place: Path, name: str, content: Mapping[str, Any]) -> None:
    """Write a JSON file for programs, with indentation so that people can read it too."""
    (place / name).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def write_digests(place: Path, more: Mapping[str, str]) -> None:
    """Write `SHA256SUMS` for the files in a folder, and for those in `more`, whose digests are known."""
    digests = {path.name: build_cache.file_digest(path) for path in place.iterdir() if path.name not in more}
    lines = [f"{value}  {name}\n" for name, value in sorted({**digests, **more}.items())]
    (place / "SHA256SUMS").write_text("".join(lines))


def publish(partial: Path, final: Path) -> None:
    """Replace the previous folder with a finished one; raises OSError."""
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
