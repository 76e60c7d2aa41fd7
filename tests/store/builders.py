"""Builders of revision ids, histories, documents and processes for the tests of the store."""

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from sync.store import Database
from tests import processes

ROOT = Path(__file__).resolve().parents[2]


def rev(generation: int, digest: str = "a") -> str:
    """Return a revision id with a short digest, as another implementation could create it."""
    return f"{generation}-{digest}"


def history(generation: int, digest: str = "a", *, down_to: int = 1) -> list[str]:
    """Return the ancestors of `rev(generation, digest)` on one branch, newest first."""
    return [rev(number, digest) for number in range(generation - 1, down_to - 1, -1)]


def note(number: int) -> dict[str, Any]:
    """Return the body of a small note that contains `number`."""
    return {"type": "note", "n": number}


def fill(store: Database, count: int, *, prefix: str = "reading:argo:rpm:abcdef:", seed: int = 1) -> None:
    """Store documents of very different sizes, so that some share a page and some need overflow pages."""
    sizes = random.Random(seed)
    with store.transaction():
        for number in range(count):
            size = sizes.choice([5, 200, 700, 3000, 9000])
            store.put(f"{prefix}{number:012d}", {"first": number, "text": "x" * sizes.randrange(size)})


def everything(store: Database) -> dict[str, tuple[str, bytes]]:
    """Return the revision and the body of every document, including deleted ones, by document id."""
    return {document.id: (document.rev, document.raw) for document in store.documents(deleted=True)}


def program(code: str, *arguments: object) -> "subprocess.Popen[str]":
    """Start a Python process that runs `code`."""
    return processes.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


json_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8"), max_size=8),
)
json_values = st.recursive(
    json_scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=4),
    ),
    max_leaves=12,
)
json_objects = st.dictionaries(
    st.text(st.characters(codec="utf-8"), max_size=6).filter(lambda key: not key.startswith("_")),
    json_values,
    max_size=6,
)
digests = st.text("0123456789abcdef", min_size=1, max_size=3)
