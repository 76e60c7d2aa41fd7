"""Debian roots as tar files, made by mmdebstrap: the base of an image, and a root with the build tools.

Packages are kept between builds. The same packages always produce the same base, because everything that
differs between runs (host keys, logs, caches, the machine's id) is removed.
"""

import os
import shutil
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from provisioning.image.errors import LockError, ToolError
from provisioning.image.recipe import Recipe
from provisioning.image.tools import run

from . import archive, build_cache, digests, lock, official

_BINFMT: Final = Path("/proc/sys/fs/binfmt_misc")
_VERSION: Final = 2
"""Version of this module's results; increase it with each code change that alters the results."""

_INITRAMFS: Final = "etc/initramfs-tools"
_MODULES: Final = "usr/share/initramfs-tools/modules.d"
_FORGET: Final = (
    "etc/ssh/ssh_host_*",
    "etc/.pwd.lock",
    "etc/.resolv.conf*",
    "etc/hostname",
    "etc/*-",
    "var/lib/systemd/random-seed",
    "var/lib/dbus/machine-id",
    "var/lib/dpkg/*-old",
    "var/log/*.log",
    "var/log/apt/*",
    "var/log/btmp",
    "var/log/lastlog",
    "var/log/wtmp",
    "var/cache/ldconfig/aux-cache",
    "var/cache/debconf/*-old",
    "boot/firmware/*",
    "var/tmp/*",
)
"""Files that are removed from a base because they differ between runs.

`/tmp` is not in this list. It contains mmdebstrap's configuration of apt, without which mmdebstrap would
clean the package lists of this machine. mmdebstrap empties `/tmp` itself.
"""
_CLEAN: Final = (
    *(f'rm -rf "$1"/{each}' for each in _FORGET),
    ': > "$1"/etc/machine-id; : > "$1"/etc/resolv.conf; echo logboat > "$1"/etc/hostname',
)


_DIGESTS: Final = f'{sys.executable} -m provisioning.image.digests "$1"'


def check_cached(recipe: Recipe, cache: Path) -> None:
    """Compare the packages kept from earlier builds with the lock; raise LockError if any of them differ.

    This is necessary because apt accepts any file in its cache that has the right size.
    """
    if not recipe.lock.exists():
        return
    cached = digests.files_of(cache / f"packages-{recipe.architecture}")
    forged = lock.forged(recipe.lock.read_text(), cached)
    if forged:
        raise LockError(forged)


def base(recipe: Recipe, cache: Path, *, log: Path) -> Path:
    """Return the path of the tar archive of an image's base, creating it if necessary.

    Raises ToolError, OSError.
    """
    return build_cache.cached(
        cache,
        _name(recipe),
        build_cache.digest(_inputs(recipe)),
        lambda path: _make_base(recipe, path, cache=cache, log=log),
    )


def locked(recipe: Recipe, base: Path, cache: Path) -> Path:
    """Move a cached base to the cache entry for a new lock file, which was written from this base."""
    return build_cache.cached(
        cache, _name(recipe), build_cache.digest(_inputs(recipe)), lambda path: _take(base, path)
    )


def _take(base: Path, path: Path) -> None:
    base.rename(path)


def _name(recipe: Recipe) -> str:
    return f"base_{recipe.board}_{recipe.base}_{recipe.architecture}.tar"


def tools(recipe: Recipe, cache: Path, *, native: str, log: Path) -> Path:
    """Return the path of the tar archive of a root with the build tools, creating it if necessary.

    The root has this machine's architecture and the image's suite. Raises ToolError, OSError.
    """
    inputs = [_VERSION, recipe.suite, native, recipe.tools, recipe.epoch]
    return build_cache.cached(
        cache,
        f"tools_{recipe.suite}_{native}.tar",
        build_cache.digest(inputs),
        lambda path: _mmdebstrap(
            [f"--include={','.join(recipe.tools)}"],
            recipe.suite,
            path,
            architecture=native,
            cache=cache,
            epoch=recipe.epoch,
            log=log,
        ),
    )


def clear(scratch: Path) -> None:
    """Remove an unfinished root, after unmounting everything in it; raises ToolError."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((each for each in mounts if Path(each).is_relative_to(scratch)), reverse=True):
        run(["umount", "--lazy", mount])
    shutil.rmtree(scratch, ignore_errors=True)


def unpack(tar: Path, place: Path) -> None:
    """Unpack a root's tree, including the owners of its files; raises ToolError."""
    place.mkdir(parents=True, exist_ok=True)
    run(["tar", "--extract", "--file", str(tar), "--directory", str(place), "--numeric-owner", "--xattrs"])


def _inputs(recipe: Recipe) -> list[Any]:
    scripts = recipe.source / "initramfs"
    return [
        _VERSION,
        recipe.suite,
        recipe.components,
        recipe.architecture,
        recipe.packages,
        recipe.epoch,
        recipe.initramfs,
        recipe.leave_out,
        recipe.leave_in,
        [_CLEAN, str(recipe.archive)],
        {path.name: path.read_text() for path in sorted(scripts.iterdir())},
        recipe.lock.read_text() if recipe.lock.exists() else "",
        *([build_cache.file_digest(recipe.official)] if recipe.official else []),
    ]


def _make_base(recipe: Recipe, path: Path, *, cache: Path, log: Path) -> None:
    ensure_runnable(recipe.architecture)
    if recipe.official is not None:
        official.make_base(recipe, recipe.official, path, cache=cache, log=log)
        return
    staging = cache / f".initramfs-{recipe.board}"
    shutil.rmtree(staging, ignore_errors=True)
    try:
        for folder in ("conf.d", "scripts/init-bottom"):
            (staging / "etc" / folder).mkdir(parents=True)
        (staging / "etc/conf.d/logboat").write_text("MODULES=list\nCOMPRESS=zstd\nRESUME=none\n")
        (staging / "modules").write_text("\n".join([*recipe.initramfs, ""]))
        for script in (recipe.source / "initramfs").iterdir():
            target = staging / "etc/scripts/init-bottom" / f"logboat-{script.name}"
            target.write_bytes(script.read_bytes())
            target.chmod(0o755)
        arguments = [
            f"--components={','.join(recipe.components)}",
            f"--include={','.join(recipe.packages)}",
            '--aptopt=Acquire::Languages "none"',
            *(f"--dpkgopt=path-exclude={each}" for each in recipe.leave_out),
            *(f"--dpkgopt=path-include={each}" for each in recipe.leave_in),
            # These hooks run before the kernel is installed, so that its initramfs is small and built once.
            f'--essential-hook=mkdir -p "$1/{_INITRAMFS}" "$1/{_MODULES}"',
            f'--essential-hook=cp -r "{staging}/etc/." "$1/{_INITRAMFS}/"',
            f'--essential-hook=cp "{staging}/modules" "$1/{_MODULES}/logboat"',
            *(f"--customize-hook={each}" for each in (_DIGESTS, *_CLEAN)),
        ]
        more = [] if recipe.archive is None else ["-", archive.source(recipe.archive, cache, log=log)]
        _mmdebstrap(
            arguments,
            recipe.suite,
            path,
            architecture=recipe.architecture,
            cache=cache,
            epoch=recipe.epoch,
            log=log,
            more=more,
        )
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _mmdebstrap(
    arguments: Sequence[str],
    suite: str,
    path: Path,
    *,
    architecture: str,
    cache: Path,
    epoch: int,
    log: Path,
    more: Sequence[str] = (),
) -> None:
    # Packages from the last build are reused if the archive still has them, and are kept for the next build.
    packages, inside = cache / f"packages-{architecture}", '"$1"/var/cache/apt/archives'
    packages.mkdir(parents=True, exist_ok=True)
    scratch = cache / ".scratch"  # a killed build may have left it behind
    clear(scratch)
    scratch.mkdir()
    keep = f'cp -an {inside}/*.deb "{packages}/" || true'
    try:
        run(
            [
                *("mmdebstrap", "--mode=root", "--format=tar", "--skip=download/empty,essential/unlink"),
                *("--variant=apt", f"--architectures={architecture}"),
                f'--setup-hook=mkdir -p {inside} && cp -a "{packages}/." {inside}/',
                f"--essential-hook={keep}",
                *arguments,
                f"--customize-hook={keep}",
                *(suite, str(path), *more),
            ],
            env={"SOURCE_DATE_EPOCH": str(epoch), "TMPDIR": str(scratch)},
            log=log,
        )
    finally:
        clear(scratch)  # also after an interruption


def ensure_runnable(architecture: str) -> None:
    """Ensure that this machine can run programs of an architecture, by emulation if necessary.

    Raises ToolError if that is not possible.
    """
    if architecture != "arm64" or os.uname().machine == "aarch64":
        return
    if not (_BINFMT / "register").exists():
        run(["mount", "-t", "binfmt_misc", "binfmt_misc", str(_BINFMT)])
    if (_BINFMT / "qemu-aarch64").exists():
        return
    interpreter = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    if interpreter is None:
        text = (
            "this machine cannot run programs for arm64; install qemu-user-static, or run make image, which"
            " installs it"
        )
        raise ToolError(text)
    (_BINFMT / "register").write_bytes(_registration(interpreter))


def _registration(interpreter: str) -> bytes:
    """Return the line for binfmt_misc that matches executables: ELF, 64 bit, little endian, AArch64 (183)."""
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, 183)
    mask = b"\xff" * 7 + b"\x00" + b"\xff" * 8 + b"\xfe\xff\xff\xff"

    def quoted(text: bytes) -> bytes:
        return b"".join(b"\\x%02x" % byte for byte in text)

    return b":qemu-aarch64:M::%s:%s:%s:OCF" % (quoted(head), quoted(mask), interpreter.encode())
