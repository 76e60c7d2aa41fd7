"""Builds an image from a recipe and a commit: runs every step in order, and then publishes the result."""

import fcntl
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from provisioning.image.errors import ImageError, LockError, RoomError, ToolError
from provisioning.image.licenses import License
from provisioning.image.recipe import Recipe
from provisioning.image.tools import ProgressReporter, run

from . import (
    bootfiles,
    build_cache,
    copyright_files,
    disk,
    firmware,
    lock,
    outputs,
    roots,
    sbom,
    system,
    wheels,
)

NEEDED: Final = 6 * 2**30
"""Free disk space, in bytes, that the build's root tree, disk, compressed files and cache require."""
_NATIVE: Final = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class ImageContents:
    """Contents of an image: its origin, its Debian and Python packages, and its differences from the lock."""

    about: Mapping[str, Any]
    packages: tuple[lock.Package, ...]
    python: tuple[sbom.Distribution, ...]
    licenses: Mapping[str, tuple[License, ...]]
    """Licences of each Debian package, by name."""
    differs: tuple[str, ...]
    """Differences from the lock file, one line each."""
    epoch: int


@dataclass(slots=True)
class Build:
    """Build of one image, with its inputs and its options."""

    recipe: Recipe
    repository: Path
    output: Path
    """Folder in which the image's own folder is created."""
    cache: Path
    locked: bool = False
    """True if package versions that differ from the lock are an error."""
    write_lock: bool = False
    url: str = ""
    """URL from which the image will be downloaded, for Raspberry Pi Imager's list."""
    teller: ProgressReporter = field(default_factory=ProgressReporter)

    def run(self) -> Path:
        """Build the image and return its folder; raises ImageError, OSError."""
        if os.geteuid() != 0:
            raise ImageError(
                "building an image requires root, to set file owners and to use chroot; try again with sudo"
            )
        self.output.mkdir(parents=True, exist_ok=True)
        self.cache.mkdir(parents=True, exist_ok=True)
        check_room(self.output, NEEDED)
        with alone(self.cache), self._work() as (tools, partial):
            return self._run(tools, partial)

    @contextmanager
    def _work(self) -> Iterator[tuple[Path, Path]]:
        """Provide two temporary folders, which are always removed afterwards.

        Folders that a killed build left behind are removed first.
        """
        for old in self.output.glob(".work-*"):
            shutil.rmtree(old)
        work = self.output / f".work-{os.getpid()}"
        try:
            (work / "tools").mkdir(parents=True)
            (work / "made").mkdir()
            yield work / "tools", work / "made"
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _run(self, tools: Path, output: Path) -> Path:
        recipe, teller = self.recipe, self.teller
        log = self.output / f"{recipe.name}.log"
        log.unlink(missing_ok=True)
        about = commit_of(self.repository)
        epoch = int(about["epoch"])
        with teller.step(f"base: {recipe.base}, {recipe.suite}, {recipe.architecture}"):
            if not self.write_lock:
                roots.check_cached(recipe, self.cache)
            base = roots.base(recipe, self.cache, log=log)
            digests = read_from(base, f"./{lock.DIGESTS}") if recipe.official is None else ""
            packages = lock.installed(read_from(base, "./var/lib/dpkg/status"), digests)
            if self.write_lock:
                recipe.lock.parent.mkdir(exist_ok=True)
                recipe.lock.write_text(lock.text_of(packages))
                base = roots.locked(recipe, base, self.cache)
        differs = self._differs(packages)
        with teller.step("root with the tools"):
            roots.unpack(roots.tools(recipe, self.cache, native=native(), log=log), tools)
            (tools / "work").mkdir()
        with teller.step("Python packages"):
            dependencies = wheels.dependencies(
                self.repository, recipe.architecture, tools, self.cache, log=log
            )
            wheel = wheels.ours(self.repository, tools / "work", log=log)
        about = {
            **about,
            "name": recipe.name,
            "version": version("logboat"),
            "board": recipe.board,
            "base": recipe.base,
            "architecture": recipe.architecture,
            "suite": recipe.suite,
            "built": sbom.iso(epoch),
        }
        with teller.step("root and data"):
            root, data = system.assemble(
                recipe,
                base=base,
                dependencies=dependencies,
                wheel=wheel,
                repository=self.repository,
                tools=tools,
                about=about,
                epoch=epoch,
            )
        with teller.step("disk"):
            image = self._disk(tools, root, data, epoch)
        python = sbom.distributions(root / wheels.SITE)
        licenses = self._licenses(root, packages)
        peak = disk.used(tools)
        shutil.rmtree(root)
        with teller.step("files"):
            contents = ImageContents(about, packages, python, licenses, differs, epoch)
            self._files(tools, image, output, contents)
        peak = max(peak, disk.used(tools.parent))
        final = self.output / recipe.name
        outputs.publish(output, final)
        self._tell(final, peak)
        return final

    def _differs(self, packages: tuple[lock.Package, ...]) -> tuple[str, ...]:
        """Report and return the differences from the lock file.

        Raise ImageError if no difference is allowed.
        """
        path = self.recipe.lock
        if not path.exists():
            differences: tuple[str, ...] = ("there is no lock file for this board and base",)
        else:
            differences = lock.differences(path.read_text(), packages)
            if forged := lock.forged(path.read_text(), packages):
                raise LockError(forged)
        if differences and self.locked:
            text = "\n".join(
                [
                    ("the archive's versions differ from the lock; to accept them, run make image-lock:"),
                    *differences,
                ]
            )
            raise ImageError(text)
        for line in differences:
            self.teller.print_line(f"note: {line}")
        return differences

    def _licenses(self, root: Path, packages: tuple[lock.Package, ...]) -> Mapping[str, tuple[License, ...]]:
        """Report copyright files that have mistakes, and return the licences of each Debian package."""
        stated = copyright_files.read(root, (each.name for each in packages))
        for problem in filter(None, (each.problem for each in stated.values())):
            self.teller.print_line(
                f"note: {problem}; the bill of materials may lack some of the package's licences"
            )
        return {name: each.licenses for name, each in stated.items()}

    def _disk(self, tools: Path, root: Path, data: Path, epoch: int) -> Path:
        recipe, layout = self.recipe, self.recipe.layout
        selector = bootfiles.selector(recipe, root)
        boot = bootfiles.boot(recipe, root, slot="a")
        if recipe.start == "raspberry-pi":
            problems = firmware.problems(selector, boot, layout)
            if problems:
                raise ImageError("\n".join(["the firmware could not boot this image:", *problems]))
        image = disk.make(tools, layout, epoch=epoch)
        disk.fat(tools, layout.partition("selector"), selector, epoch=epoch)
        disk.fat(tools, layout.partition("boot-a"), boot, epoch=epoch)
        disk.fat(tools, layout.partition("boot-b"), {}, epoch=epoch)
        disk.root(tools, layout.partition("root-a"), root, epoch=epoch)
        disk.data(tools, layout.partition("data"), data, epoch=epoch)
        return image

    def _files(self, tools: Path, image: Path, output: Path, contents: ImageContents) -> None:
        about, packages, python = contents.about, contents.packages, contents.python
        epoch = contents.epoch
        name = self.recipe.name
        digest = build_cache.file_digest(image)
        bill = sbom.cyclonedx(about, packages, python, contents.licenses, epoch=epoch)
        outputs.write_json(output, f"{name}.cdx.json", bill)
        manifest = {
            **about,
            "packages": sbom.packages_of(packages, python),
            "not as locked": list(contents.differs),
            "image": {"size": image.stat().st_size, "sha256": digest},
        }
        outputs.write_json(output, f"{name}.manifest.json", manifest)
        outputs.block_map(tools, image, name, output, epoch=epoch)
        if self.recipe.start == "raspberry-pi":
            packed = outputs.compress(tools, image, name, output, epoch=epoch)
            entry = sbom.BuiltFile(
                url=f"{self.url}{packed.name}",
                size=image.stat().st_size,
                sha256=digest,
                download_size=packed.stat().st_size,
                download_sha256=build_cache.file_digest(packed),
            )
            listed = sbom.imager(self.recipe.imager, about, entry, epoch=epoch)
            outputs.write_json(output, f"{name}.os_list.json", listed)
            image.unlink()
        else:
            shutil.move(image, output / f"{name}.img")
        outputs.write_digests(output, {f"{name}.img": digest})

    def _tell(self, final: Path, peak: int) -> None:
        for path in sorted(final.iterdir()):
            size = path.stat().st_size
            sparse = f", {disk.mebibytes(disk.used(path))} on the disk" if path.suffix == ".img" else ""
            self.teller.print_line(f"{path.name}: {disk.mebibytes(size) if size > 2**20 else size}{sparse}")
        took = time.monotonic() - self.teller.started
        self.teller.print_line(
            f"image {disk.mebibytes(self.recipe.layout.size)} uncompressed; {took:.0f} s, peak disk use"
            f" {disk.mebibytes(peak)}; cache for the next build: {disk.mebibytes(disk.used(self.cache))}"
        )
        self.teller.print_line(f"done: {final}")


def check_room(place: Path, needed: int) -> None:
    """Raise RoomError if fewer than `needed` bytes are free."""
    free = shutil.disk_usage(place).free
    if free < needed:
        text = (
            f"{place}: {disk.mebibytes(free)} are free, but a build needs {disk.mebibytes(needed)}; free"
            " some space, or build in another folder with make image OUT=DIR"
        )
        raise RoomError(text)


@contextmanager
def alone(cache: Path) -> Iterator[None]:
    """Lock the cache inside the block, so that only one build uses it at a time; raises ImageError."""
    with (cache / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            text = (
                f"{cache}: another build uses this cache; wait until it ends, or choose another cache with"
                " --cache DIR"
            )
            raise ImageError(text) from error
        yield


def native() -> str:
    """Return Debian's name for this machine's architecture; raises ImageError if it is not supported."""
    architecture = _NATIVE.get(platform.machine())
    if architecture is None:
        text = f"an image cannot be built on {platform.machine()}; use a machine with x86_64 or aarch64"
        raise ImageError(text)
    return architecture


def commit_of(repository: Path) -> Mapping[str, Any]:
    """Return the commit, its time (or SOURCE_DATE_EPOCH), and whether there are uncommitted changes.

    Raises ImageError if the folder is not a checkout.
    """
    git = ["git", "-c", "safe.directory=*", "-C", str(repository)]
    try:
        commit, when = run([*git, "log", "-1", "--format=%H %ct"]).decode().split()
        changed = bool(run([*git, "status", "--porcelain"]).strip())
    except ToolError as error:
        text = f"{repository} is not a checkout of Logboat: {error}"
        raise ImageError(text) from error
    epoch = os.environ.get("SOURCE_DATE_EPOCH", when)
    return {"commit": commit, "changed": changed, "epoch": int(epoch)}


def read_from(tar: Path, name: str) -> str:
    """Return the text of a file in a tar archive; raises ImageError if the file is missing."""
    try:
        return subprocess.run(
            ["tar", "--extract", "--to-stdout", "--file", str(tar), name], capture_output=True, check=True
        ).stdout.decode()
    except subprocess.CalledProcessError as error:
        text = f"{tar} is damaged: {name} is missing; remove the file, and try again"
        raise ImageError(text) from error
