"""A separate file system for benchmarks, which counts the bytes that reach the block device.

If no file system can be mounted, the kernel's counter of the bytes that a process has written is used.
"""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

SECTOR = 512
"""Sector size in /sys/block/*/stat, in bytes, for every device (kernel, Documentation/block/stat.rst)."""


@dataclass(frozen=True)
class Disk:
    """Folder for the files of a benchmark, with a counter of the bytes written."""

    folder: Path
    what: str
    """Description of the counted bytes, for the printed table."""
    written: Callable[[int], int]
    """Function that returns the number of bytes that a process, given by its id, has written so far."""


def bytes_of_process(pid: int) -> int:
    """Return the number of bytes that a process has written, minus cancelled writes (/proc/PID/io)."""
    fields = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(fields["write_bytes"]) - int(fields["cancelled_write_bytes"])


@contextlib.contextmanager
def disk(work: Path, *, megabytes: int = 512) -> Iterator[Disk]:
    """Yield an ext4 file system on a loop device if one can be mounted, otherwise a folder in `work`."""
    image, mounted = work / "disk.img", work / "disk"
    mounted.mkdir()
    if os.geteuid() != 0 or not Path("/sbin/mkfs.ext4").exists():
        yield Disk(mounted, "bytes written by the process (/proc)", bytes_of_process)
        return
    with image.open("wb") as file:
        file.truncate(megabytes * 1_000_000)
    subprocess.run(["/sbin/mkfs.ext4", "-q", "-F", str(image)], check=True)
    # As on the card's data partition, the options are noatime and the default commit interval of 5 s.
    done = subprocess.run(
        ["mount", "-o", "loop,noatime", str(image), str(mounted)], check=False, capture_output=True
    )
    if done.returncode != 0:
        yield Disk(mounted, "bytes written by the process (/proc)", bytes_of_process)
        return
    try:
        device = mounted.stat().st_dev
        stat = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat")

        def sectors(_pid: int) -> int:
            return int(stat.read_text().split()[6]) * SECTOR

        yield Disk(mounted, "bytes written at the block device, file system's journal included", sectors)
    finally:
        subprocess.run(["umount", str(mounted)], check=False)
