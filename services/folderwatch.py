"""Whether the files of a folder, or one file, have changed: one look at dates, and no events to miss."""

from pathlib import Path


class FolderWatch:
    """A folder that somebody copies files into while we run, or one file that somebody edits."""

    def __init__(self, folder: Path) -> None:
        """`folder`: its path, or the file's."""
        self._folder = folder
        self._known = self._last = _stamp(folder)

    def has_changed(self) -> bool:
        """Whether it is otherwise than when it was last accepted, and as it was at the last look: whoever
        copies several files is done with it."""
        before, self._last = self._last, _stamp(self._folder)
        return self._last == before != self._known

    def accept(self) -> None:
        """Take it as it is now."""
        self._known = self._last = _stamp(self._folder)


def _stamp(folder: Path) -> tuple[tuple[str, int, int, int], ...]:
    """Empty if there is nothing to be seen."""
    found = []
    try:
        for path in [folder] if folder.is_file() else sorted(folder.iterdir()):
            state = path.stat()
            found.append((path.name, state.st_mtime_ns, state.st_size, state.st_ino))
    except OSError:  # gone, or going, or not ours to read: whoever then loads it says so
        return ()
    return tuple(found)
