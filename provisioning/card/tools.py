"""Runs external tools for file systems and disks. If a tool fails, the error contains its command line."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from typing import Final

from provisioning.errors import CardError

PACKAGES: Final = {
    "mcopy": "mtools",
    "mmd": "mtools",
    "mdir": "mtools",
    "mdeltree": "mtools",
    "debugfs": "e2fsprogs",
    "e2fsck": "e2fsprogs",
    "resize2fs": "e2fsprogs",
    "sfdisk": "fdisk",
    "partx": "util-linux",
    "lsblk": "util-linux",
    "findmnt": "util-linux",
    "iw": "iw",
    "nft": "nftables",
    "ssh-keygen": "openssh-client",
}
"""Debian package that contains each tool."""
_ENVIRONMENT: Final = {
    "LC_ALL": "C",
    "MTOOLS_SKIP_CHECK": "1",
    "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin",  # these folders are not in every user's PATH
}


def need(*names: str) -> None:
    """Raise CardError, with the package to install, if one of these tools is missing."""
    for tool in names:
        if shutil.which(tool, path=_ENVIRONMENT["PATH"]) is None:
            text = (
                f"{tool} is not installed on this machine; install it (Debian: apt install"
                f" {PACKAGES.get(tool, tool)})"
            )
            raise CardError(text)


def run(command: Sequence[str], *, stdin: bytes = b"", good: Sequence[int] = (0,)) -> bytes:
    """Run a tool and return its standard output.

    `stdin` is the tool's standard input; `good` contains the exit statuses that mean success. Raises
    CardError with the tool's message, or with the package to install if the tool is missing.
    """
    need(command[0])
    done = subprocess.run(
        command, input=stdin, capture_output=True, env={**os.environ, **_ENVIRONMENT}, check=False
    )
    if done.returncode not in good:
        words = done.stderr.decode(errors="replace").strip() or done.stdout.decode(errors="replace").strip()
        text = f"{shlex.join(command)}: {words or f'exit status {done.returncode}'}"
        raise CardError(text)
    return done.stdout
