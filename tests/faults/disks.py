"""File systems for a single test, which can be filled or broken.

The file systems are mounted in a separate mount namespace, which a shell keeps alive. They disappear together
with the namespace, even if the test is killed, and no other process sees them. This requires root, or
permission to create user namespaces.
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
    """A mounted file system, used as a context manager."""

    def __init__(self, folder: Path, mount: str) -> None:
        """Mount the disk with the shell command `mount`, in which `$at` is the mount point."""
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
        """Data folder on the disk, as seen by processes that are run with `prefix`."""
        return self._at / "data"

    @property
    def seen(self) -> Path:
        """Data folder on the disk, as seen by this process."""
        return Path(f"/proc/{self._holder.pid}/root{self.data}")

    @property
    def prefix(self) -> list[str]:
        """Prefix for a command, so that the command runs in the disk's mount namespace."""
        return ["nsenter", f"--target={self._holder.pid}", "--mount", *self._user]

    def do(self, command: str) -> str | None:
        """Run a shell command in the namespace. Return None, or the command's output if it failed."""
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
        """Fill the disk to the last byte."""
        with (self.seen.parent / "ballast").open("ab", buffering=0) as file:
            for size in (1_000_000, 4_096, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue

    def make_room(self) -> None:
        """Remove the file that `fill` wrote."""
        (self.seen.parent / "ballast").unlink()

    def remount(self, mode: str) -> None:
        """Remount the disk as `ro` or `rw`. No file may be open for writing."""
        assert self.do(f'mount -o remount,{mode} "{self._at}"') is None

    def copy(self, folder: Path) -> Path:
        """Copy the disk's data to a local folder, and return that folder."""
        shutil.copytree(self.seen, folder)
        return folder

    def close(self) -> None:
        """Unmount the disk. Processes that still use the disk can do so until they end."""
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # the shell may have ended already
            self._holder.stdin.close()
        self._holder.stdout.close()
        self._holder.wait()


def in_memory(folder: Path, *, megabytes: int) -> Disk:
    """Return a tmpfs of the given size."""
    return Disk(folder, f'mount -t tmpfs -o size={megabytes}m tmpfs "$at" && mkdir "$at/data"')


class Card(Disk):
    """Simulated SD card: an ext4 file system that becomes read-only at the first error."""

    def __init__(self, folder: Path, *, megabytes: int) -> None:
        self._image = folder / "card.img"
        self._mount = f'mount -o loop,errors=remount-ro "{self._image}" "{folder}/disk"'
        super().__init__(
            folder,
            f'PATH=$PATH:/sbin:/usr/sbin; truncate -s {megabytes}M "{self._image}"'
            f' && mkfs.ext4 -q -F "{self._image}" && {self._mount} && mkdir "$at/data"',
        )

    def fail(self) -> None:
        """Cause an error in the file system, so that nothing can be written afterwards."""
        device = f'$(basename "$(findmnt -no SOURCE "{self._at}")")'
        failure = self.do(f"echo 1 > /sys/fs/ext4/{device}/trigger_fs_error")
        if failure is not None:
            denied(f"this kernel's ext4 cannot be made to fail: {failure}")

    def mend(self) -> None:
        """Check and mount the file system again, as a machine does at boot.

        No process may use the file system during the check.
        """
        failure = self.do(
            f'umount "{self._at}" && {{ e2fsck -p "{self._image}" || test $? = 1; }} && {self._mount}'
        )
        assert failure is None, failure


def card(folder: Path, *, megabytes: int) -> Card:
    """Return a card with an ext4 file system, or skip the test if that is not possible."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4", path="/sbin:/usr/sbin") is None:
        denied("only root can mount an image with a file system (made by mkfs.ext4)")
    return Card(folder, megabytes=megabytes)


def denied(why: str) -> NoReturn:
    """Skip the test because this machine lacks permissions or tools. In CI, fail the test instead."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)
