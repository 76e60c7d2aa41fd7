"""Provides the files that Couchbase Lite needs, such as jars from Maven, ICU and the compiled Java program.

This requires a JDK (11 or newer), gcc and an x86-64 machine, and Maven for the first download. Couchbase
Lite's native library is not available for other processors.
"""

import ctypes.util
import hashlib
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.interop import builds
from tests.interop.builds import MissingError

SOURCES: Final = Path(__file__).parent

COPY_DEPENDENCIES: Final = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies"

JARS: Final = {
    "couchbase-lite-java-3.0.0.jar": "d64dedc4cbb45714b17fca32e19860a2c3eb128a04c05a667cdc2b23c5fe312c",
    "okhttp-3.14.7.jar": "620d4fa43c5c6a5ef625760204a88799e1e4a65e1c7a1d8da02e061c4cbb8000",
    "okio-1.17.2.jar": "f80ce42d2ffac47ad4c47e1d6f980d604d247ceb1a886705cf4581ab0c9fe2b8",
}
"""SHA-256 digests of the jars that Maven downloads for pom.xml, by file name."""

ICU_WANTED: Final = 54
"""ICU version that the native library requires, according to `readelf -d libLiteCore.so`."""
ICU_LIBRARIES: Final = ("libicuuc", "libicui18n", "libicudata")

FETCH_SECONDS: Final = 300
BUILD_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Runtime:
    """Command and library path that start the Java program."""

    command: tuple[str, ...]
    library_path: Path


def prepare(cache: Path = builds.CACHE) -> Runtime:
    """Download and build all files that do not exist yet, and return how to start the Java program.

    Raises:
        MissingError: A tool, the network or a suitable processor is missing.
    """
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise MissingError("Couchbase Lite's Java edition has a library for Linux on x86-64 only")
    java, javac, gcc = (_tool(name) for name in ("java", "javac", "gcc"))
    jars = builds.built("couchbase-lite-jars", repr(JARS).encode(), _fetch, cache=cache)
    classpath = os.pathsep.join(str(jars / name) for name in JARS)
    libraries = _icu(cache, gcc)
    classes = _classes(cache, javac, classpath)
    path = os.pathsep.join((str(classes), classpath))
    return Runtime((java, "-Xmx512m", "-Xshare:auto", "-cp", path, "Harness"), libraries)


def _fetch(folder: Path) -> None:
    maven = _tool("mvn")
    arguments = ["-q", "-B", "-f", str(SOURCES / "pom.xml"), COPY_DEPENDENCIES]
    where = f"-DoutputDirectory={folder}"
    try:
        builds.run([maven, "--offline", *arguments, where], seconds=FETCH_SECONDS)
    except MissingError:  # Some jars have not been downloaded yet.
        builds.run([maven, *arguments, where], seconds=FETCH_SECONDS)
    for name, digest in JARS.items():
        jar = folder / name
        if not jar.exists() or hashlib.sha256(jar.read_bytes()).hexdigest() != digest:
            raise MissingError(f"Maven's {name} is missing or not the one whose digest stands in {__name__}")


def _icu(cache: Path, gcc: str) -> Path:
    source = SOURCES / "icu_shim.c"
    options = [f"-DWANTED={ICU_WANTED}"]
    libraries: list[str] = []
    found = ctypes.util.find_library("icui18n") or ""
    if version := re.search(r"\.so\.(\d+)$", found):
        options.append(f"-DHAVE={version[1]}")
        libraries = [f"-l:{name}.so.{version[1]}" for name in ICU_LIBRARIES[:2]]

    def make(folder: Path) -> None:
        shim = folder / "shim.so"
        command = ["-shared", "-fPIC", "-O1", *options, "-o", str(shim), str(source), *libraries]
        builds.run([gcc, *command], seconds=BUILD_SECONDS)
        for name in ICU_LIBRARIES:
            (folder / f"{name}.so.{ICU_WANTED}").symlink_to(shim.name)

    inputs = source.read_bytes() + repr(options).encode()
    return builds.built("couchbase-lite-icu", inputs, make, cache=cache)


def _classes(cache: Path, javac: str, classpath: str) -> Path:
    source = SOURCES / "harness" / "Harness.java"

    def make(folder: Path) -> None:
        options = ["-Xlint:all,-classfile", "-encoding", "UTF-8", "-cp", classpath, "-d", str(folder)]
        builds.run([javac, *options, str(source)], seconds=BUILD_SECONDS)

    inputs = source.read_bytes() + classpath.encode()
    return builds.built("couchbase-lite-classes", inputs, make, cache=cache)


def _tool(name: str) -> str:
    return builds.tool(name, hint="Couchbase Lite needs a JDK, Maven (mvn) and gcc")
