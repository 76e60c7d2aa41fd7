"""File systems of a test's own that can be filled or broken.

They are mounted in a mount namespace of their own, which a shell holds: whatever happens to the test, they go
with it, and nobody else sees them. Root may do that, and on many machines any user, in a user namespace too.
"""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import pytest


class Disk:
    """A mounted file system; a context manager."""

    def __init__(self, folder: Path, mount: str) -> None:
        """`mount`: a shell command that mounts it at `$at`."""
        self._at = folder / "disk"
        self._at.mkdir(parents=True)
        for tool in ("unshare", "nsenter"):
            if shutil.which(tool) is None:
                denied(f"there is no {tool} here: install Debian's util-linux")
        root = os.geteuid() == 0
        self._holder = subprocess.Popen(
            ["unshare", "--mount", *([] if root else ["--map-root-user"]), "sh"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._user = [] if root else ["--user", "--preserve-credentials"]
        failure = self.do(f"at={self._at}; {mount}")
        if failure is not None:
            self.close()
            denied(f"no file system of our own can be mounted here: {failure}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def data(self) -> Path:
        """A folder on it, as those see it who are run by `prefix`."""
        return self._at / "data"

    @property
    def seen(self) -> Path:
        """The same folder, as it is seen from here."""
        return Path(f"/proc/{self._holder.pid}/root{self.data}")

    @property
    def prefix(self) -> list[str]:
        """Runs a command where the disk is mounted."""
        return ["nsenter", f"--target={self._holder.pid}", "--mount", *self._user]

    def do(self, command: str) -> str | None:
        """Run a shell command there; what it said if it failed."""
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        try:
            self._holder.stdin.write(f"{{ {command}; }} 2>&1; echo end $?\n")
            self._holder.stdin.flush()
        except BrokenPipeError:
            return self._holder.stdout.read().strip()
        said = ""
        for line in self._holder.stdout:
            if line.startswith("end "):
                return None if line == "end 0\n" else said.strip()
            said += line
        return said.strip()

    def fill(self) -> None:
        """Leave no byte of room."""
        with (self.seen.parent / "ballast").open("ab", buffering=0) as file:
            for size in (1_000_000, 4_096, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue

    def make_room(self) -> None:
        """Take away what `fill` has put there."""
        (self.seen.parent / "ballast").unlink()

    def remount(self, mode: str) -> None:
        """`ro` or `rw`; only while nobody has a file open for writing."""
        assert self.do(f'mount -o remount,{mode} "{self._at}"') is None

    def copy(self, folder: Path) -> Path:
        """Its data in a folder of ours."""
        shutil.copytree(self.seen, folder)
        return folder

    def close(self) -> None:
        """Let go of it; whoever still uses it keeps it until then."""
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # the shell may have ended by itself
            self._holder.stdin.close()
        self._holder.stdout.close()
        self._holder.wait()


def in_memory(folder: Path, *, megabytes: int) -> Disk:
    """A small tmpfs."""
    return Disk(folder, f'mount -t tmpfs -o size={megabytes}m tmpfs "$at" && mkdir "$at/data"')


class Card(Disk):
    """An ext4 that becomes read-only at the first error, under those who write."""

    def __init__(self, folder: Path, *, megabytes: int) -> None:
        self._image = folder / "card.img"
        self._mount = f'mount -o loop,errors=remount-ro "{self._image}" "{folder}/disk"'
        super().__init__(
            folder,
            f'PATH=$PATH:/sbin:/usr/sbin; truncate -s {megabytes}M "{self._image}"'
            f' && mkfs.ext4 -q -F "{self._image}" && {self._mount} && mkdir "$at/data"',
        )

    def fail(self) -> None:
        """An error of the file system's own: nothing can be written any more."""
        device = f'$(basename "$(findmnt -no SOURCE "{self._at}")")'
        failure = self.do(f"echo 1 > /sys/fs/ext4/{device}/trigger_fs_error")
        if failure is not None:
            denied(f"this kernel's ext4 cannot be made to fail: {failure}")

    def mend(self) -> None:
        """What a start of the machine does: check it and mount it again; nobody may use it."""
        failure = self.do(
            f'umount "{self._at}" && {{ e2fsck -p "{self._image}" || test $? = 1; }} && {self._mount}'
        )
        assert failure is None, failure


def card(folder: Path, *, megabytes: int) -> Card:
    """A small one."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4", path="/sbin:/usr/sbin") is None:
        denied("only root can mount an image with a file system (made by mkfs.ext4)")
    return Card(folder, megabytes=megabytes)


def denied(why: str) -> NoReturn:
    """Without the rights for it a test is left out, but never where tests decide."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)
