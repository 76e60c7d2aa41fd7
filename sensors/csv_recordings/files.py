"""Reads the files of recordings. Each file is read once for all sensors that play it."""

from pathlib import Path

from .parser import Recording, parse
from .refusals import RecordingError
from .rows import PathRecording


def read(file: Path) -> Recording:
    """Read a recording; raise `RecordingError` on any failure, whatever the file contains."""
    try:
        with file.open("rb") as start:
            _check_encoding(start.read(4))
        # A byte sequence that is not valid UTF-8 must not make rows of other paths unreadable. It becomes
        # U+FFFD.
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            return parse(lines)
    except RecordingError:
        raise
    except Exception as error:
        raise RecordingError(f"cannot be read: {error}") from error


def _check_encoding(start: bytes) -> None:
    """Raise `RecordingError` if the first bytes show that the file is not text in UTF-8."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RecordingError(
            "line 1: this is text in UTF-16, as spreadsheets write it; save it as CSV in UTF-8"
        )
    if start.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        raise RecordingError("is a spreadsheet or an archive; export it as CSV, or unpack it")


class RecordingCache:
    """Cache of the recordings that a process or a check uses. A file is read again only if it has changed."""

    def __init__(self) -> None:
        self._read: dict[Path, tuple[tuple[int, int, int], Recording | RecordingError]] = {}

    def play(self, file: Path, path: str) -> PathRecording:
        """Return the rows of a path.

        Raise `RecordingError`, listing every reason, if the path cannot be played.
        """
        return self.recording(file).play(path)

    def recording(self, file: Path) -> Recording:
        """Return the content of a file; raise `RecordingError` if it cannot be read."""
        try:
            status = file.stat()
        except (OSError, ValueError) as error:
            raise RecordingError(f"cannot be read: {error}") from error
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
        known = self._read.get(file)
        if known is None or known[0] != stamp:
            known = self._read[file] = (stamp, _outcome(file))
        if isinstance(known[1], RecordingError):
            raise RecordingError(*known[1].problems)
        return known[1]


def _outcome(file: Path) -> Recording | RecordingError:
    try:
        return read(file)
    except RecordingError as error:
        return error
