"""Finds files on the FAT partition that were probably intended for Logboat, but that Logboat does not use.

These are files with almost the right name, files next to the `logboat/` folder instead of in it, and files
that only Raspberry Pi OS uses. Backups and temporary files of editors are not reported. Nothing is changed.
"""

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from provisioning.bundle.contents import (
    BESIDE,
    IDENTITY,
    MANIFEST,
    MOST_ENTRIES,
    SENSORS,
    VESSEL,
    is_carried,
    others,
)
from provisioning.imager.reader import FILES as OF_IMAGER
from sensors.toml.toml_file import FileProblem

from .active_config import CONFIG

_MEANT: Final = {
    "sensors": SENSORS,
    "sensor": SENSORS,
    "vessel": VESSEL,
    "vessels": VESSEL,
}
"""Name of the intended file, by the part of a file name before the first dot."""
_ENDINGS: Final = re.compile(
    r"(\.(toml|tom|tml|toml_|txt|rtf|docx?|odt|pages|md|conf|cfg|ini|ya?ml|json))*", re.IGNORECASE
)
"""Pattern of endings that editors and users add to the name of a text file, except those of backups."""
_SHORTENED: Final = re.compile(r"~\d+$")
"""Pattern for the end of a file name that DOS has shortened to eight characters."""
_HIDDEN_ENDING: Final = "Windows hides the ending .txt: in Explorer, choose View, Show, File name extensions."
_NOT_NAMED: Final = "this file was not used, because its name is not {}"
_ONE_NETWORK: Final = 'country = "DE" and wifi = [{ ssid = "…", password = "…" }]'
_YOUR_KEY: Final = 'below [network] in logboat/vessel.toml: ssh_keys = ["…"]'
_OF_RASPBERRY_PI_OS: Final = {
    "wpa_supplicant.conf": (
        "this file was not used, because Logboat reads its networks from vessel.toml",
        f"Write below [network] in logboat/vessel.toml: {_ONE_NETWORK}. Then delete this file.",
    ),
    "userconf.txt": (
        "this file was not used, because people log in with SSH keys",
        f"Write your public key {_YOUR_KEY}. Then delete this file.",
    ),
}
"""Description and remedy, by the name of a file that only Raspberry Pi OS uses."""
_ALWAYS_ON: Final = (
    "this file has no effect, because SSH is always enabled",
    f"Delete this file. To log in, write your public key {_YOUR_KEY}.",
)

_EMPTY: Final = (
    "this file is empty, so it has no effect",
    "Write it again with Raspberry Pi Imager, or delete it.",
)


def near_misses(card: Path) -> Iterator[FileProblem]:
    """Yield a problem for each file that was probably intended for Logboat; `card` is Logboat's folder.

    Raises OSError.
    """
    for path in _entries(card):
        if path.is_dir():
            if path.name.lower() == card.name.lower() and path not in others(card):
                yield from _in_wrong_folder(path, f"{card.name}/{path.name}", card.name)
        elif (name := path.name.lower()) not in (SENSORS, VESSEL, MANIFEST):
            yield from _misnamed(path, name)
    yield from _in_wrong_folder(card.parent, "", card.name)
    for path in _entries(card.parent):
        name = path.name.lower()
        for known in dict.fromkeys((name, f"{name}.txt", name.removesuffix(".txt"))):
            if known in _OF_RASPBERRY_PI_OS and path.is_file():
                yield FileProblem(path, None, "", *_OF_RASPBERRY_PI_OS[known])
        if name.endswith(".txt") and name.removesuffix(".txt") in OF_IMAGER and path.is_file():
            yield _renamed(path, name.removesuffix(".txt"))


def without_effect(card: Path) -> Iterator[FileProblem]:
    """Yield a problem for each file that requests a setting that is always in effect. Raises OSError."""
    for path in _entries(card.parent):
        name = path.name.lower()
        if name in ("ssh", "ssh.txt") and path.is_file():
            yield FileProblem(path, None, "", *_ALWAYS_ON)
        elif name in OF_IMAGER and path.is_file() and not path.stat().st_size:
            yield FileProblem(path, None, "", *_EMPTY)


def _misnamed(path: Path, name: str) -> Iterator[FileProblem]:
    stem, dot, ending = name.strip().partition(".")
    meant = VESSEL if name.strip().startswith(CONFIG) else _MEANT.get(_SHORTENED.sub("", stem.strip()))
    if meant is not None and _ENDINGS.fullmatch(dot + ending):
        text = _NOT_NAMED.format(meant)
        hint = f" {_HIDDEN_ENDING}" if name.endswith(".txt") else ""
        present = next((each.name for each in _entries(path.parent) if each.name.lower() == meant), None)
        first = "" if present is None else f"Move {present} to another folder. "
        yield FileProblem(path, None, "", text, f"{first}Rename this file to {meant}.{hint}")
        return
    for ending in BESIDE:
        if name.endswith(f"{ending}.txt"):
            right = path.name[: -len(".txt")]
            text = f"this file was not used, because its name does not end with {ending}"
            yield FileProblem(path, None, "", text, f"Rename this file to {right}. {_HIDDEN_ENDING}")
            return
    if name.endswith(BESIDE) and not is_carried(path.name) and not name.startswith(".") and "(" not in name:
        yield FileProblem(
            path,
            None,
            "",
            "this file was not used, because its name contains characters other than letters, digits and -._",
            "Rename it, here and in the configuration.",
        )


def _renamed(path: Path, right: str) -> FileProblem:
    remedy = f"Rename this file to {right}. {_HIDDEN_ENDING}"
    return FileProblem(path, None, "", _NOT_NAMED.format(right), remedy)


def _in_wrong_folder(folder: Path, shown: str, right: str) -> Iterator[FileProblem]:
    """Yield a problem for each of Logboat's files in a folder that is not read, whose name is `shown`."""
    for path in _entries(folder):
        name = path.name.lower()
        is_ours = name == IDENTITY and _has_files(path) if path.is_dir() else _is_ours(name)
        if is_ours:
            where = f"in {shown}" if shown else f"beside the folder {right}"
            what = "this folder" if path.is_dir() else "this file"
            text = f"{what} was not used, because it is {where} instead of in {right}"
            yield FileProblem(path, None, "", text, f"Move it into the folder {right}.")


def _is_ours(name: str) -> bool:
    stem, dot, ending = name.partition(".")
    return (
        name in (MANIFEST, CONFIG)
        or name.endswith((".password", ".password.txt"))
        or (stem in _MEANT and _ENDINGS.fullmatch(dot + ending) is not None)
    )


def _has_files(folder: Path) -> bool:
    return any(path.suffix.lower() in (".pem", ".key") for path in _entries(folder))


def _entries(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in islice(entries, MOST_ENTRIES))
    except (FileNotFoundError, NotADirectoryError):
        return []
