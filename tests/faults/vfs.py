"""Disks that fail: SQLite VFSes for the parameter `vfs`, on top of the system's own VFS.

On a `FaultyDisk`, calls fail at random, and writes may be torn. Data that it has accepted is kept. On a
`FragileDisk`, no call fails, but a power cut affects data that was not flushed.

Each disk can be used by a single process only. The system handles the `-shm` file, which is memory.
"""

import itertools
import os
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import apsw

from services.mirror.segment_file import AppendOnlyFile, FileAccess

SECTOR: Final = 512
"""Number of bytes that a card writes completely or not at all.

SQLite relies only on the rule that a write damages no adjacent data ("powersafe overwrite" in its
documentation).
"""

KEPT: Final = (0.0, 0.1, 0.5, 0.9, 1.0)
"""Probabilities with which a power cut keeps a change that was not flushed (see `FragileDisk`)."""

_numbers: Final = itertools.count()


class _Disk(apsw.VFS):
    """SQLite VFS with a unique name. As a context manager, it is unregistered on exit."""

    def __init__(self) -> None:
        self.name: Final = f"{type(self).__name__}-{next(_numbers)}"
        super().__init__(self.name, "")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.unregister()


class FaultyDisk(_Disk):
    """Disk on which reads, writes, truncations and flushes fail with the probability `chance`.

    A call fails by raising an exception. When the last connection closes, it checkpoints its write-ahead log,
    and SQLite ignores failures of this checkpoint by design. apsw would raise them nevertheless. No call
    therefore fails while a connection closes.
    """

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self.chance = 0.0
        self.is_read_only = False
        """True if every change fails."""
        self.failed: Counter[str] = Counter()
        """Number of failed calls, by the name of the call."""
        self._rng = rng
        self._closing: set[str] = set()

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        return _FaultyFile(self, name, flags)

    def close_in(self, database: str, *, under_way: bool) -> None:
        """Record whether a connection to the database is closing. It then has an exclusive lock."""
        (self._closing.add if under_way else self._closing.discard)(database)

    def is_to_fail(self, call: str, database: str) -> bool:
        if database in self._closing:
            return False
        if self._rng.random() >= self.chance and not (self.is_read_only and call != "read"):
            return False
        self.failed[call] += 1
        return True

    def torn(self, data: bytes) -> bytes:
        """Return the part of a failing write that is written nevertheless: nothing, all or some of it."""
        return data[: self._rng.choice((0, len(data), self._rng.randrange(len(data) + 1)))]


class _FaultyFile(apsw.VFSFile):
    def __init__(self, disk: FaultyDisk, name: Any, flags: list[int]) -> None:
        self._disk = disk
        self._database = _path(name).removesuffix("-wal").removesuffix("-journal")
        super().__init__("", name, flags)

    def excepthook(
        self,
        etype: type[BaseException] | None,
        evalue: BaseException | None,
        etraceback: TracebackType | None,
    ) -> bool:
        """Ignore an exception that SQLite did not pass on, because SQLite may retry the call."""
        return True

    def xLock(self, level: int) -> None:  # noqa: N802
        super().xLock(level)
        if level == apsw.SQLITE_LOCK_EXCLUSIVE:  # with a write-ahead log, this lock is used only for closing
            self._disk.close_in(self._database, under_way=True)

    def xUnlock(self, level: int) -> None:  # noqa: N802
        self._disk.close_in(self._database, under_way=False)
        super().xUnlock(level)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        self._may_fail("read")
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self._disk.is_to_fail("write", self._database):
            part = self._disk.torn(bytes(data))
            if part:
                super().xWrite(part, offset)
            raise apsw.IOError("the card took a part of it at most")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._may_fail("sync")
        super().xSync(flags)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self._may_fail("truncate")
        super().xTruncate(newsize)

    def _may_fail(self, call: str) -> None:
        if self._disk.is_to_fail(call, self._database):
            raise apsw.IOError(f"the card failed to {call}")


def _path(name: Any) -> str:
    return str(name.filename() if isinstance(name, apsw.URIFilename) else name)


@dataclass(slots=True)
class _Content:
    """Durable content of a file, and the changes made since the file was last flushed."""

    durable: bytearray | None
    """Durable content, or None if the file may be missing after a power cut."""
    since: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Changes as (offset, data) for a write, or (size, None) for a truncation."""
    removed: bool = False

    def settle(self) -> None:
        """Make all changes durable."""
        self.durable = self.durable or bytearray()
        for where, data in self.since:
            _apply(self.durable, where, data)
        self.since.clear()

    def after_cut(self, rng: random.Random, kept: float | None) -> bytes | None:
        """Return the content that a power cut leaves.

        Each change that was not flushed is kept completely with the probability `kept`, and may be torn. If
        `kept` is None, no such change is kept.
        """
        if kept is None:
            return None if self.durable is None else bytes(self.durable)
        if (self.durable is None or self.removed) and rng.random() < 0.5:
            return None
        found = bytearray(self.durable or b"")
        for where, data in self.since:
            if rng.random() < kept:
                _apply(found, where, data)
            elif data is not None and rng.random() < 0.5:
                for start in range(0, len(data), SECTOR):
                    if rng.random() < 0.5:
                        _apply(found, where + start, data[start : start + SECTOR])
        return bytes(found)


def _apply(content: bytearray, where: int, data: bytes | None) -> None:
    if data is None:
        del content[where:]
        return
    content.extend(bytes(max(where - len(content), 0)))
    content[where : where + len(data)] = data


class FragileDisk(_Disk):
    """Disk on which a power cut keeps the durable content of files, and random parts of other changes.

    The cut is a snapshot of the disk, taken in the middle of a call. The process continues as before, but its
    later changes are not in the snapshot.
    """

    def __init__(self, rng: random.Random, *, kept: Sequence[float | None] = KEPT) -> None:
        """Set up the disk.

        `kept` contains the probabilities, of which each cut takes one, with which a change that was not
        flushed is kept. None means that only flushed data is kept, and that no write is torn.
        """
        super().__init__()
        self.left: dict[Path, bytes | None] | None = None
        """Content of each file after the cut, or None for a file that is missing then."""
        self._kept = kept
        self._rng = rng
        self._files: dict[Path, _Content] = {}
        self._calls = 0
        self._cut: Callable[[], None] | None = None

    def cut_after(self, calls: int, then: Callable[[], None]) -> None:
        """Cut the power during the call that follows `calls` other calls, counted from now.

        Call `then` at that moment.
        """
        self._calls, self._cut, self.left = calls, then, None

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        path = Path(_path(name))
        known = self._files.get(path)
        if known is None or known.removed:
            there = bytearray(path.read_bytes()) if path.exists() else None
            # A program that creates a database must flush its folder. SQLite does so for the log.
            main = bytearray() if flags[0] & apsw.SQLITE_OPEN_MAIN_DB else None
            self._files[path] = _Content(main if there is None else there)
            if self.left is not None:
                # used only when the cut happens
                self.left.setdefault(path, None if there is None else bytes(there))
        return _FragileFile(self, self._files[path], name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        self.count()
        super().xDelete(filename, syncdir)
        known = self._files.get(Path(filename))
        if known is not None:
            known.removed = True

    def settle_names(self) -> None:
        """Synchronise the folder, so that created files stay and removed files stay removed."""
        self._files = {path: file for path, file in self._files.items() if not file.removed}
        for file in self._files.values():
            file.durable = bytearray() if file.durable is None else file.durable

    def count(self) -> None:
        """Count a call that changes the disk, and cut the power if the cut is due."""
        self._calls -= 1
        if self._calls < 0:
            self.cut_now()

    def cut_now(self) -> None:
        """Cut the power, unless that has been done."""
        if self._cut is not None:
            kept = self._rng.choice(self._kept)
            self.left = {path: file.after_cut(self._rng, kept) for path, file in self._files.items()}
            cut, self._cut = self._cut, None
            cut()

    def open_to_append(self, path: Path) -> "_FragileAppend":
        """Open a file as `FileAccess.append_to` does."""
        known = self._files.get(path)
        if known is None or known.removed:
            there = bytearray(path.read_bytes()) if path.exists() else None
            self._files[path] = _Content(there)
            if self.left is not None:
                self.left.setdefault(path, None if there is None else bytes(there))
        return _FragileAppend(self, self._files[path], path)


class FragileFiles(FileAccess):
    """File access for the writer of copies, on a fragile disk."""

    def __init__(self, disk: FragileDisk) -> None:
        self._disk = disk

    def append_to(self, path: Path) -> AppendOnlyFile:
        return self._disk.open_to_append(path)

    def sync_folder(self, folder: Path) -> None:
        self._disk.count()
        self._disk.settle_names()


class _FragileAppend(AppendOnlyFile):
    def __init__(self, disk: FragileDisk, content: _Content, path: Path) -> None:
        self._disk, self._content = disk, content
        super().__init__(path)

    def append(self, data: bytes) -> None:
        # The system may write the file's pages in any order.
        where = self._path_size()
        for start in range(0, len(data), SECTOR):
            part = data[start : start + SECTOR]
            self._content.since.append((where + start, part))
        self._disk.count()
        super().append(data)

    def cut(self, size: int) -> None:
        self._content.since.append((size, None))
        self._disk.count()
        super().cut(size)

    def sync(self) -> None:
        self._disk.count()
        self._content.settle()
        super().sync()

    def _path_size(self) -> int:
        return os.fstat(self._handle).st_size


class _FragileFile(apsw.VFSFile):
    def __init__(self, disk: FragileDisk, content: _Content, name: Any, flags: list[int]) -> None:
        self._disk, self._content = disk, content
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._content.since.append((offset, bytes(data)))
        self._disk.count()
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self._content.since.append((newsize, None))
        self._disk.count()
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - no real disk to wait for
        self._disk.count()
        if self._content.durable is None:
            self._disk.settle_names()  # SQLite's own VFS does so when a new log is first flushed
        self._content.settle()
