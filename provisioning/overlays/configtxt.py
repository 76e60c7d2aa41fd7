"""Logboat's block of lines in a config.txt, and the decision whether to restart.

The block is between two comments, under `[all]`, at the end of the file. All other lines are left
unchanged. Each set of lines causes at most one restart. If the lines are missing afterwards, the appliance
reports this and does not restart again.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

BEGIN: Final = "# logboat: from here on written at start, from sensors.toml and vessel.toml"
END: Final = "# logboat: to here"


def rewritten(text: str, lines: Sequence[str]) -> str:
    """Return a config.txt in which Logboat's block has these lines; without lines, the block is removed."""
    rest = _without_ours(text)
    if not lines:
        return rest
    gap = "" if not rest or rest.endswith("\n") else "\n"
    return "\n".join([f"{rest}{gap}{BEGIN}", "[all]", *lines, END, ""])


def carried(old: str, new: str) -> str:
    """Return the text of `new` with Logboat's block from `old`.

    Used for the config.txt of a slot to which a new system is written.
    """
    return rewritten(new, _ours(old))


def has(text: str, lines: Sequence[str]) -> bool:
    """Return True if Logboat's block in the file consists of exactly these lines."""
    return _ours(text) == tuple(lines)


def digest(lines: Sequence[str]) -> str:
    """Return a digest that identifies a set of lines."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Decision:
    """Decision about the config.txt files to write, and about a restart."""

    write: tuple[int, ...]
    """Indexes of the config.txt files to write."""
    restart: bool
    """True to restart after the files have been written and `digest` has been stored."""
    gave_up: bool = False
    """True if a restart had no effect: the lines were written before the restart, and are missing now."""


def decide(texts: Sequence[str], lines: Sequence[str], *, active: int | None, asked: str | None) -> Decision:
    """Decide which config.txt files to write, and whether to restart.

    `texts` contains the config.txt of every slot. `active` is the index of the slot from which the system
    booted, or None if it is not known. `asked` is the digest of the lines for which a restart was last
    requested, or None if that restart was successful or none was requested.
    """
    write = tuple(number for number, text in enumerate(texts) if not has(text, lines))
    due = active in write if active is not None else bool(write)
    if due and asked == digest(lines):
        return Decision(write=(), restart=False, gave_up=True)
    return Decision(write=write, restart=due)


def _ours(text: str) -> tuple[str, ...]:
    rows = text.splitlines()
    if BEGIN not in rows:
        return ()
    first = rows.index(BEGIN)
    last = rows.index(END, first) if END in rows[first:] else len(rows)
    return tuple(row for row in rows[first + 1 : last] if row != "[all]")


def _without_ours(text: str) -> str:
    rows = text.splitlines(keepends=True)
    bare = [row.rstrip("\r\n") for row in rows]
    if BEGIN not in bare:
        return text
    first = bare.index(BEGIN)
    last = bare.index(END, first) + 1 if END in bare[first:] else len(rows)
    return "".join([*rows[:first], *rows[last:]])
