"""What it takes to run Couchbase Lite: its jars from Maven, its ICU, and our program for it, compiled.

All of it is kept in one folder and made only where it is missing or its sources have changed. Needed are a
JDK (11 or newer), Maven for the first time, and gcc, on x86-64: there is no such library for other machines.
"""

import ctypes.util
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SOURCES: Final = Path(__file__).parent
CACHE: Final = SOURCES.parents[2] / "build" / "couchbase-lite"

COPY_DEPENDENCIES: Final = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies"

JARS: Final = {
    "couchbase-lite-java-3.0.0.jar": "d64dedc4cbb45714b17fca32e19860a2c3eb128a04c05a667cdc2b23c5fe312c",
    "okhttp-3.14.7.jar": "620d4fa43c5c6a5ef625760204a88799e1e4a65e1c7a1d8da02e061c4cbb8000",
    "okio-1.17.2.jar": "f80ce42d2ffac47ad4c47e1d6f980d604d247ceb1a886705cf4581ab0c9fe2b8",
}
"""What Maven makes of pom.xml, by SHA-256."""

ICU_WANTED: Final = 54
"""`readelf -d libLiteCore.so`, of the jar above."""
ICU_LIBRARIES: Final = ("libicuuc", "libicui18n", "libicudata")

FETCH_SECONDS: Final = 300
BUILD_SECONDS: Final = 60


class MissingError(Exception):
    """Couchbase Lite cannot be run here; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """How the program is started."""

    command: tuple[str, ...]
    library_path: Path


def prepare(cache: Path = CACHE) -> Runtime:
    """Fetch and build what is not there yet.

    Raises:
        MissingError: a tool, the network or the right processor is missing.
    """
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise MissingError("Couchbase Lite's Java edition has a library for Linux on x86-64 only")
    java, javac, gcc = (_tool(name) for name in ("java", "javac", "gcc"))
    cache.mkdir(parents=True, exist_ok=True)
    with _alone(cache):
        jars = _jars(cache / "jars")
        classpath = os.pathsep.join(str(jar) for jar in jars)
        libraries = _icu(cache, gcc)
        classes = _classes(cache, javac, classpath)
    heap = "-Xmx512m"
    path = os.pathsep.join((str(classes), classpath))
    return Runtime((java, heap, "-Xshare:auto", "-cp", path, "Harness"), libraries)


def _jars(folder: Path) -> list[Path]:
    if not _right(folder):
        maven = _tool("mvn")
        arguments = ["-q", "-B", "-f", str(SOURCES / "pom.xml"), COPY_DEPENDENCIES]
        where = f"-DoutputDirectory={folder}"
        try:
            _run(maven, "--offline", *arguments, where, seconds=FETCH_SECONDS)
        except MissingError:  # Not all of it has been fetched before.
            _run(maven, *arguments, where, seconds=FETCH_SECONDS)
        if not _right(folder):
            raise MissingError(f"the jars in {folder} are not those whose digests stand in {__name__}")
    return [folder / name for name in JARS]


def _right(folder: Path) -> bool:
    try:
        return all(
            hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
            for name, digest in JARS.items()
        )
    except FileNotFoundError:
        return False


def _icu(cache: Path, gcc: str) -> Path:
    source = SOURCES / "icu_shim.c"
    options = [f"-DWANTED={ICU_WANTED}"]
    libraries: list[str] = []
    found = ctypes.util.find_library("icui18n") or ""
    if version := re.search(r"\.so\.(\d+)$", found):
        options.append(f"-DHAVE={version[1]}")
        libraries = [f"-l:{name}.so.{version[1]}" for name in ICU_LIBRARIES[:2]]
    with _made(cache, "icu", source.read_bytes() + repr(options).encode()) as (folder, missing):
        if missing:
            shim = folder / "shim.so"
            command = ["-shared", "-fPIC", "-O1", *options, "-o", str(shim), str(source), *libraries]
            _run(gcc, *command, seconds=BUILD_SECONDS)
            for name in ICU_LIBRARIES:
                (folder / f"{name}.so.{ICU_WANTED}").symlink_to(shim.name)
        return folder


def _classes(cache: Path, javac: str, classpath: str) -> Path:
    source = SOURCES / "harness" / "Harness.java"
    with _made(cache, "classes", source.read_bytes() + classpath.encode()) as (folder, missing):
        if missing:
            options = ["-Xlint:all,-classfile", "-encoding", "UTF-8", "-cp", classpath, "-d", str(folder)]
            _run(javac, *options, str(source), seconds=BUILD_SECONDS)
        return folder


@contextmanager
def _made(cache: Path, name: str, of: bytes) -> Iterator[tuple[Path, bool]]:
    """A folder for what is made of this, and whether it has yet to be made; undone if that fails."""
    folder = cache / f"{name}-{hashlib.sha256(of).hexdigest()[:16]}"
    missing = not folder.exists()
    folder.mkdir(exist_ok=True)
    try:
        yield folder, missing
    except BaseException:
        shutil.rmtree(folder)
        raise


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Keep other test processes out meanwhile."""
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise MissingError(f"{name} is not installed; Couchbase Lite needs a JDK, Maven (mvn) and gcc")
    return path


def _run(*command: str, seconds: int) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise MissingError(f"{Path(command[0]).name} did not end within {seconds} s") from None
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()[-2000:]
        raise MissingError(f"{Path(command[0]).name} failed: {said}")
