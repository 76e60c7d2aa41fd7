"""Our part of a config.txt, and whether a restart is due. Pure.

The part stands between two remarks, under `[all]`, at the end; everything else is left as it is. One set of
lines asks for one restart: if they are not there after it, that is told, and not tried again.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

BEGIN: Final = "# logboat: from here on written at start, from sensors.toml and vessel.toml"
END: Final = "# logboat: to here"


def rewritten(text: str, lines: Sequence[str]) -> str:
    """A config.txt with these lines as our part; with none, without one."""
    rest = _without_ours(text)
    if not lines:
        return rest
    gap = "" if not rest or rest.endswith("\n") else "\n"
    return "\n".join([f"{rest}{gap}{BEGIN}", "[all]", *lines, END, ""])


def carried(old: str, new: str) -> str:
    """Our part of an old config.txt in a new one: for whoever writes another system into a slot."""
    return rewritten(new, _ours(old))


def has(text: str, lines: Sequence[str]) -> bool:
    """Whether just these are our part of it."""
    return _ours(text) == tuple(lines)


def digest(lines: Sequence[str]) -> str:
    """What tells one set of lines from another."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about the lines."""

    write: tuple[int, ...]
    """Which of the config.txt, by their place in the list."""
    restart: bool
    """Whether to restart, once that is written and `digest` is remembered."""
    gave_up: bool = False
    """Whether a restart was for nothing: the lines were written then, and are not there now."""


def decide(texts: Sequence[str], lines: Sequence[str], *, active: int | None, asked: str | None) -> Decision:
    """`texts` is every slot's config.txt, `active` the one that this start came from (None: nobody knows),
    `asked` the digest for which a restart was last asked, and not yet seen to have been of use."""
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
