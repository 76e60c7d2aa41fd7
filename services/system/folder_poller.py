"""Detection of changes in a folder or file by comparing dates; there are no events to miss."""

from pathlib import Path


class FolderWatch:
    """A folder that somebody copies files into at run time, or one file that somebody edits."""

    def __init__(self, folder: Path) -> None:
        """Remember the present state; `folder` is the path of the folder or of the file."""
        self._folder = folder
        self._known = self._last = _stamp(folder)

    def has_changed(self) -> bool:
        """Return True if it differs from the accepted state, and is the same as at the last call.

        Copying several files has then finished.
        """
        before, self._last = self._last, _stamp(self._folder)
        return self._last == before != self._known

    def accept(self) -> None:
        """Accept the present state."""
        self._known = self._last = _stamp(self._folder)


def _stamp(folder: Path) -> tuple[tuple[str, int, int, int], ...]:
    """Return the name, date, size and inode of each file; empty if nothing can be read."""
    stamps = []
    try:
        for path in [folder] if folder.is_file() else sorted(folder.iterdir()):
            state = path.stat()
            stamps.append((path.name, state.st_mtime_ns, state.st_size, state.st_ino))
    except OSError:  # missing, or not readable: loading it reports that
        return ()
    return tuple(stamps)
