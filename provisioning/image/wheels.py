"""Python packages for the target: locked, checked against their hashes, unpacked and compiled.

None of the target's programs are run. Byte code is the same on every architecture, so it is compiled in the
tools' root, which has the same Python as the target.
"""

import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from provisioning.image.errors import RecipeError
from provisioning.image.recipe import PYTHON
from provisioning.image.tools import in_root, run

from . import build_cache

VENV: Final = "opt/logboat"
SITE: Final = f"{VENV}/lib/python{PYTHON}/site-packages"
PACKAGES: Final = ("sensors", "sync", "services", "provisioning")
_MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
_GLIBC: Final = (17, 24, 26, 28, 31, 34)
"""Minor versions of glibc 2 to accept. Trixie has 2.41, which runs wheels for any of these versions."""
_TAG: Final = f"cp{PYTHON.replace('.', '')}"
_VERSION: Final = 1


def dependencies(repository: Path, architecture: str, tools: Path, cache: Path, *, log: Path) -> Path:
    """Return the path of a tar archive of the packages in `requirements.lock`, compiled to byte code.

    Raises ToolError, OSError.
    """
    lock = repository / "requirements.lock"
    key = build_cache.digest([_VERSION, lock.read_text(), architecture, PYTHON])

    def make(path: Path) -> None:
        download(lock, architecture, cache / f"wheels-{architecture}", log=log)
        place = tools / "work/dependencies"
        shutil.rmtree(place, ignore_errors=True)
        for wheel in sorted((cache / f"wheels-{architecture}").glob("*.whl")):
            unpack(wheel, place)
        compile_all(tools, "work/dependencies", f"/{SITE}")
        with tarfile.open(path, "w") as tar:
            tar.add(place, ".", filter=_plain)
        shutil.rmtree(place)

    return build_cache.cached(cache, f"python_{architecture}.tar", key, make)


def download(lock: Path, architecture: str, place: Path, *, log: Path) -> None:
    """Download exactly the wheels that a lock lists, for an architecture; raises ToolError."""
    machine = _MACHINES[architecture]
    platforms = [f"--platform=manylinux_2_{minor}_{machine}" for minor in _GLIBC]
    with tempfile.TemporaryDirectory(prefix=".wheels-", dir=place.parent) as temporary:
        run(
            [
                *_pip("download", "--require-hashes", "--only-binary=:all:", "--no-deps"),
                f"--python-version={PYTHON}",
                "--implementation=cp",
                f"--abi={_TAG}",
                "--abi=abi3",
                "--abi=none",
                *platforms,
                f"--platform=manylinux2014_{machine}",
                f"--dest={temporary}",
                f"--requirement={lock}",
            ],
            log=log,
        )
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(temporary, place)


def ours(repository: Path, place: Path, *, log: Path) -> Path:
    """Build Logboat's own wheel from a copy of the repository, and return its path; raises ToolError.

    The copy is used so that the build leaves no files in the repository.
    """
    source = place / "source"
    shutil.rmtree(source, ignore_errors=True)
    for name in PACKAGES:
        shutil.copytree(
            repository / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, source / name)
    run(
        [*_pip("wheel", "--no-deps", "--no-build-isolation"), f"--wheel-dir={place}", str(source)],
        env={"SOURCE_DATE_EPOCH": "315532800"},  # dates in a wheel begin in 1980; the image's are set later
        log=log,
    )
    (wheel,) = place.glob("logboat-*.whl")
    shutil.rmtree(source)
    return wheel


def unpack(wheel: Path, site: Path) -> None:
    """Unpack a wheel's files into a site-packages folder.

    Scripts are left out: `system` writes the only script that is needed.
    """
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            parts = Path(name).parts
            if parts[0].endswith(".data"):
                if parts[1] not in ("purelib", "platlib"):
                    continue
                target = site.joinpath(*parts[2:])
            else:
                target = site.joinpath(*parts)
            if ".." in parts or Path(name).is_absolute():
                text = f"{wheel.name}: {name} would be written outside the target folder"
                raise RecipeError(text)
            if name.endswith("/"):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(name))
            target.chmod(0o644)


def compile_all(tools: Path, inside: str, path: str) -> None:
    """Compile all Python files below `inside`, a folder of the tools' root that is `path` on the target.

    The byte code is never compared with its source, because the root is read-only and a card is slow. Raises
    ToolError.
    """
    command = ["python3", "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash"]
    in_root(tools, [*command, "-s", f"/{inside}", "-p", path, f"/{inside}"])


def _pip(*words: str) -> Sequence[str]:
    return [sys.executable, "-m", "pip", words[0], "--quiet", "--disable-pip-version-check", *words[1:]]


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = 0
    return info
