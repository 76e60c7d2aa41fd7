"""Detects changes to a folder or file by polling, because change notifications can be missed."""

from pathlib import Path


class FolderWatch:
    """Detector of changes that a user makes to a folder or file while a daemon is running."""

    def __init__(self, folder: Path) -> None:
        """Start with the current state as the accepted state.

        `folder` is the path of a folder or of a file.
        """
        self._folder = folder
        self._known = self._last = _stamp(folder)

    def has_changed(self) -> bool:
        """Return True if the state differs from the accepted state, and has not changed since the last call.

        The second condition ensures that copying several files has finished.
        """
        before, self._last = self._last, _stamp(self._folder)
        return self._last == before != self._known

    def accept(self) -> None:
        """Accept the current state, so that only later changes count."""
        self._known = self._last = _stamp(self._folder)


def _stamp(folder: Path) -> tuple[tuple[str, int, int, int], ...]:
    """Return the name, modification time, size and inode of each file; empty if nothing can be read."""
    stamps = []
    try:
        for path in [folder] if folder.is_file() else sorted(folder.iterdir()):
            state = path.stat()
            stamps.append((path.name, state.st_mtime_ns, state.st_size, state.st_ino))
    except OSError:  # missing or unreadable, which is reported when the file is loaded
        return ()
    return tuple(stamps)
