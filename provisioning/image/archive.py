"""Package archive that is used in addition to the builder's own mirror, and its signing keys.

The keys come from the archive's own keyring package, whose digest is in the recipe. A key file on its own
would not be enough: Raspberry Pi's is signed only with SHA-1, which apt has rejected since February 2026.
"""

import shutil
import tempfile
from pathlib import Path

from provisioning.image.errors import BaseError, ToolError
from provisioning.image.recipe import Archive
from provisioning.image.tools import run

from . import build_cache


def source(archive: Archive, cache: Path, *, log: Path) -> str:
    """Return the archive's entry for apt's list of sources, as one line.

    Raises BaseError if the archive cannot be reached, or if its keys are not those in the recipe.
    """
    keys = cache / f"archive-{archive.sha256[:16]}.pgp"
    if not keys.exists():
        _fetch(archive, keys, log=log)
    return f"deb [signed-by={keys}] {archive.url} {archive.suite} {' '.join(archive.components)}"


def _fetch(archive: Archive, keys: Path, *, log: Path) -> None:
    with tempfile.TemporaryDirectory(dir=keys.parent, prefix=".keyring-") as scratch:
        package, tree = Path(scratch, "keyring.deb"), Path(scratch, "tree")
        try:
            run(["curl", "-fsSL", "--max-time", "60", "-o", str(package), archive.keyring], log=log)
        except ToolError as error:
            text = f"{archive.keyring} cannot be downloaded (to build without it, use BASE=debian): {error}"
            raise BaseError(text) from error
        if (actual := build_cache.file_digest(package)) != archive.sha256:
            text = f"{archive.keyring} does not match the recipe: its SHA-256 is {actual}"
            raise BaseError(text)
        run(["dpkg-deb", "--extract", str(package), str(tree)], log=log)
        shutil.copy(tree / archive.file, f"{keys}.part")
    Path(f"{keys}.part").replace(keys)
