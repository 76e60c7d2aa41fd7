"""Writes PROBLEMS.txt to the card. It lists the files that could not be applied, and the reasons."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from provisioning import files
from sensors.plaintext import clean
from sensors.toml.toml_file import FileProblem

NAME: Final = "PROBLEMS.txt"
_HEAD: Final = (
    "Logboat could not apply the files on this card.",
    "The previous configuration stays in use, and recording continues.",
)
_UNUSED: Final = ("Logboat did not use these files on this card. All other files are in use.",)
_ALSO_UNUSED: Final = ("Logboat did not use these files either.",)
_REQUESTS: Final = ("Raspberry Pi Imager wrote these settings to the card. Logboat does not apply them.",)
_DISMISS: Final = ("To remove this list of settings, delete this file.",)
_FOOT: Final = (
    "Correct and save the files, put the card back, and switch the vessel's computer on.",
    "This file is removed when there are no more problems.",
)


def text(
    problems: Sequence[FileProblem],
    unused: Sequence[FileProblem] = (),
    requests: Sequence[FileProblem] = (),
) -> bytes:
    """Return the content of the file, with Windows line endings, which every editor understands.

    `problems` are those for which files were rejected, `unused` those of files that were ignored, and
    `requests` settings of Raspberry Pi Imager that are not applied.
    """
    rows = [*_HEAD, "", *_rows(problems)] if problems else []
    if unused:
        rows += [*(_ALSO_UNUSED if problems else _UNUSED), "", *_rows(unused)]
    if requests:
        rows += [*_REQUESTS, "", *_rows(requests)]
    foot = [*(_FOOT if problems or unused else ()), *(_DISMISS if requests else ())]
    return "\r\n".join(map(clean, [*rows, *foot, ""])).encode()


def _rows(problems: Sequence[FileProblem]) -> list[str]:
    rows = list[str]()
    for problem in problems:
        line = "" if problem.line is None else f", line {problem.line}"
        subject = ": ".join(part for part in (problem.table, problem.key) if part)
        rows += [
            f"{problem.file.name}{line}" + (f", {subject}" if subject else ""),
            f"    {problem.text}",
            *([f"    {problem.remedy}"] if problem.remedy else []),
            "",
        ]
    return rows


def show(
    folder: Path,
    problems: Sequence[FileProblem],
    unused: Sequence[FileProblem] = (),
    requests: Sequence[FileProblem] = (),
    *,
    before: Callable[[], None],
) -> None:
    """Write PROBLEMS.txt to a folder, or remove it if there are no problems; an identical file is kept.

    `before` is called before anything is written. Raises OSError.
    """
    path = folder / NAME
    wanted = text(problems, unused, requests) if problems or unused or requests else None
    present = None
    if path.exists():  # read one byte more than the wanted text, because the file may be of any size
        with path.open("rb") as file:
            present = file.read(len(wanted or b"") + 1)
    if present == wanted:
        return
    before()
    if wanted is None:
        files.remove(path)
    else:
        files.write_on_fat(path, wanted)
